/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * apply: whether a record of a delta or an undo log fits what the target holds, and what
 * it brings, written.
 */
#ifndef APPLY_H
#define APPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "device/target.h"
#include "stream/intake.h"
#include "write/undo.h"

/* Memory that a check needs, aligned. */
#define APPLY_ROOM	STREAM_GRID_MAX

enum apply_verdict {
	APPLY_WRITE,	/* the target holds what the record replaces, or nobody says what that is */
	APPLY_DONE,	/* it holds what the record brings */
	APPLY_NEITHER
};

/*
 * Read the target at the piece's range and compare.  Any thread.  False: error is
 * filled; the target could not be read.
 */
bool apply_check(const struct piece *, const struct stream_header *, struct target *,
    unsigned char *room, enum apply_verdict *, struct error *);

/*
 * Write what the piece brings from at bytes into it on.  With undo, which may be NULL, what
 * the target held there is saved first, and on the medium before it is overwritten.  Any
 * thread.  False: error is filled.
 */
bool apply_write(const struct piece *, uint64_t at, struct target *, struct undo *,
    unsigned char *room, struct error *);

#endif
