/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mapfile: the map of an image, made while the image is written, so that nobody has to read the
 * target for it.
 *
 * It gets its END only after the target was written, checked, flushed and closed: a map that ends
 * is true.  A failure of the map itself does not stop the image; mapfile_finish tells of it.
 */
#ifndef MAPFILE_H
#define MAPFILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "stream/piecemap.h"

struct mapfile {
	const char *name;		/* the caller's, or "standard output" */
	bool begun;
	bool sync;			/* flush */
	struct piecemap map;
	struct error error;		/* the first failure; nothing is written after it */
	atomic_bool created;		/* the file exists and is ours */
};

/*
 * Make a new file at path, with mode 0600, and begin the map of an image of size bytes, or
 * STREAM_UNKNOWN; of is the name of its target.  "-" is standard output, which must be a file
 * where the size is not known.  A file that exists is refused.  With sync its name is on the
 * medium when this returns.  False: error is filled, and no file of ours is left.
 */
bool mapfile_create(struct mapfile *, const char *path, uint64_t size, const char *of, bool sync,
    struct error *);

/* The next piece that was written.  One thread at a time, in order. */
void mapfile_put(struct mapfile *, const struct piece *);

/* The target is complete: write END, flush and close.  False: error is filled, no file is left. */
bool mapfile_finish(struct mapfile *, const struct intake *, struct error *);

/* Remove the file of a map that will have no end.  Any thread. */
void mapfile_remove(struct mapfile *);

/* Tell the reader of standard output why the map has no end.  No thread may be in mapfile_put. */
void mapfile_abort(struct mapfile *, const char *why);

#endif
