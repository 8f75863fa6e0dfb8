/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * apply: compares a record of a delta or an undo log with what the target holds, and
 * writes what the record brings.
 *
 * Any thread may call, for ranges that do not overlap.
 */
#ifndef APPLY_H
#define APPLY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "device/target.h"
#include "stream/intake.h"
#include "write/undo.h"

/* Memory that apply_check and apply_write need, aligned. */
#define APPLY_ROOM	STREAM_GRID_MAX

enum apply_verdict {
	APPLY_WRITE,	/* the target holds what the record replaces, or the record does not say it */
	APPLY_DONE,	/* the target holds what the record brings */
	APPLY_TORN,	/* of an undo log: it holds that in some sectors, in the others as APPLY_WRITE */
	APPLY_LIKELY,	/* of an undo log that has no note of the sectors: it may be torn */
	APPLY_NEITHER
};

/* Of the target. */
enum apply_state {
	APPLY_UNTOUCHED,
	APPLY_TOUCHED,		/* a write has begun */
	APPLY_WITHDRAWN		/* not touched, and no write will begin */
};

/* Where records are applied; all 0 but the pointers at first. */
struct apply {
	const struct stream_header *header;
	struct target *target;
	struct undo *undo;		/* NULL, or where what is overwritten is saved before */
	atomic_int state;		/* enum apply_state */
};

/* Read the target at the piece's range and compare.  False: the target could not be read. */
bool apply_check(struct apply *, const struct piece *, unsigned char *room,
    enum apply_verdict *, struct error *);

/*
 * Write what the piece brings, from its byte start on.  What the target held there is saved
 * first, and flushed to the undo log, if there is one.  False: error is filled.
 */
bool apply_write(struct apply *, const struct piece *, uint64_t start, unsigned char *room,
    struct error *);

/* Must return true before a write to the target begins. */
bool apply_touch(struct apply *, struct error *);

/* Let no write begin.  False: one has begun already. */
bool apply_withdraw(struct apply *);

#endif
