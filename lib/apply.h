/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * apply: whether a record of a delta or an undo log fits what the target holds.
 */
#ifndef APPLY_H
#define APPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "intake.h"
#include "target.h"
#include "undo.h"

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
 * Save what the target held at length bytes from at bytes into the piece, and wait until
 * that is on the medium.  What a file had no bytes for is not saved.  Any thread.
 */
bool apply_save(const struct piece *, uint64_t at, uint64_t length, struct target *,
    struct undo *, unsigned char *room, struct error *);

#endif
