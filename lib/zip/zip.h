/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * zip: what the three engines of blkzip are told and what they tell: recode (block
 * streams), deflater (raw bytes to gzip), inflater (gzip to raw bytes).
 *
 * Each reads the input to its end on a pool of threads, writes output in order, and
 * moves the counters of progress.h.  What an engine makes for its threads hangs on
 * engine: after a failure one of several may still be waiting for input, so it is not
 * freed then, and the struct must live as long as the process.
 */
#ifndef ZIP_H
#define ZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/pool.h"
#include "pipe/input.h"
#include "stream/codec.h"
#include "zip/load.h"

#define ZIP_THREADS	64
#define ZIP_JOBS	(2 * ZIP_THREADS)

enum zip_action { ZIP_COMPRESS, ZIP_DECOMPRESS, ZIP_TEST };

struct zip {
	enum zip_action action;
	struct input *input;
	int output;			/* not used by ZIP_TEST */
	enum record_codec method;	/* of what is compressed in a block stream */
	int level;			/* 1 to 9; 0 stores */
	struct load *load;		/* where it chooses the level, else NULL */
	unsigned threads;		/* 1 to ZIP_THREADS */
	uint64_t written;		/* bytes so far */
	void *engine;
};

/* The memory of one job. */
struct zip_room {
	unsigned char *in, *out;
	struct codec *codec;
};

/* False with errno set; what was made is still to be destroyed. */
bool zip_room_create(struct zip_room *, size_t in, size_t out);
void zip_room_destroy(struct zip_room *);

/*
 * Run the jobs of an engine, an array of structs of that size, until take ends.  False:
 * error is what give left in stopped, or that threads could not be made.
 */
bool zip_run(struct zip *, const struct pool_ops *, void *engine, void *jobs, size_t job_size,
    const struct error *stopped, struct error *error);

/* A block stream from the input, which begins with one, to the output. */
bool recode_run(struct zip *, struct error *);

/* Raw bytes to gzip members; action is ZIP_COMPRESS. */
bool deflater_run(struct zip *, struct error *);

/* gzip members to raw bytes, or tested; action is another. */
bool inflater_run(struct zip *, struct error *);

#endif
