/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * conflict: keeps a program from writing to the disk that its input is still being read from.
 *
 * `blkread X | blkwrite X`, where "ssh HOST" was forgotten, must do no harm.  Two guards: the
 * identity that a stream carries, and flock(2) for every kind of input (lock.h).  Ask once the
 * first bytes of the input have come: then whoever reads the disk has locked it.
 */
#ifndef CONFLICT_H
#define CONFLICT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "device/identity.h"
#include "device/target.h"

/* A stream that was begun so long before its writer was started does not come from a pipe. */
#define CONFLICT_AGE	(2 * IDENTITY_STEP)	/* seconds */

/* Where the input comes from. */
struct origin {
	struct identity identity;	/* not known: raw bytes, or an older stream */
	uint64_t length;		/* of the range read and written; UINT64_MAX: not known */
	uint64_t started;		/* when the writer was started, by identity_now */
	bool file;			/* it is in a regular file, all there, and does no harm */
	bool patch;			/* a delta, or an undo log: nothing but its ranges is written */
};

/*
 * Hold the target for writing.  False: error says why it must not be written to.  With
 * force it may, and remark, which is set then, says what that gives up.  A target that is
 * still to be created passes.
 */
bool conflict_free(const struct target *, const struct origin *, bool force, struct error *remark,
    struct error *error);

#endif
