/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * restore: an image, for the writer.
 *
 * The first MiB of the target is made zero and flushed before anything else is written, and
 * gets its content last (commit.h).  Whatever fails in between, it is zero.
 */
#ifndef RESTORE_H
#define RESTORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "device/target.h"
#include "stream/intake.h"
#include "write/commit.h"
#include "write/mapfile.h"
#include "write/writer.h"

struct restore_options {
	struct writer_options writer;
	bool zeroed;		/* the target is known to read as zeros */
	bool discard;		/* what the range held is not needed */
	const char *map;	/* NULL, or the map to make (mapfile.h) */
};

struct restore {
	struct writer writer;
	struct commit commit;
	uint64_t size;			/* of the device made; UINT64_MAX: not known yet */
	uint64_t zero;			/* bytes that came as zeros */
	uint64_t written_out;		/* bytes that the system was told to write out */
	bool discard;
	bool zeroed;			/* the target reads as zeros wherever nothing was written */
	const char *map;		/* NULL, or the map to make */
	struct mapfile mapfile;
};

/*
 * Make ready for an image of size bytes, or UINT64_MAX, and touch nothing.  Lifetimes as of
 * writer_create; writer_run does the rest.  False: error is filled.
 */
bool restore_create(struct restore *, const struct restore_options *, struct intake *,
    struct target *, uint64_t size, struct error *);

/*
 * The run succeeded: end the map, if one was asked for; or it failed: tell the map's reader why.
 * False: error is filled, and there is no map.
 */
bool restore_end_map(struct restore *, struct error *);
void restore_abort_map(struct restore *, const char *why);

#endif
