/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * patch: a delta, or an undo log, comes out of an intake and is applied to a target.
 *
 * Each record is held against what the target holds: what it replaces is overwritten,
 * what is there already is passed over, anything else is refused.  Where the input can
 * be read twice, all records are checked before the first is applied.  Records in the
 * first MiB are held back and written after all else is flushed and, if asked for, read
 * back.
 */
#ifndef PATCH_H
#define PATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "device/target.h"
#include "stream/intake.h"
#include "write/commit.h"
#include "write/undo.h"
#include "write/verify.h"

struct patch_options {
	unsigned jobs;		/* threads */
	bool verify;		/* read back what was written */
	bool sync;		/* flush */
	bool force;		/* overwrite what is neither old nor new */
	const char *undo;	/* NULL, or the log to make */
	uint64_t cut_at;	/* bytes of an undo log that was cut; UINT64_MAX: whole, or a pipe */
};

struct patch {
	struct patch_options options;
	struct intake *intake;
	struct target *target;
	struct verify *verify;		/* NULL where nothing is read back */
	struct undo undo;
	struct patch_job **jobs;
	struct error *error;		/* the caller's: the first, in the order of the stream */
	unsigned char *head, *head_before;	/* of the first MiB: as it will be, as it was */
	uint64_t head_length;
	bool checking;			/* the first of two passes: nothing is written */
	bool draining;			/* only reading back is left */
	bool writing;			/* the target may be changed from here on */
	bool unchecked;			/* some record did not say what it replaces */
	struct error cut;		/* where an undo log broke off; set when all threads are done */
	atomic_bool broken;		/* it did: no more is taken */
	uint64_t size;			/* of the device made */
	/* Bytes: written; found to be there already; overwritten though neither old nor new. */
	atomic_uint_fast64_t written, passed, forced;
};

/* Make ready; touches nothing.  Lifetimes as of writing_create.  False: error is filled. */
bool patch_create(struct patch *, const struct patch_options *, struct intake *,
    struct target *, struct error *);

/*
 * Check all records and write nothing.  The intake is used up: the caller opens it again
 * on the same input for patch_run.  False: error is filled.
 */
bool patch_check(struct patch *);

/* All of it, up to the close of the target.  False: error is filled. */
bool patch_run(struct patch *, struct intake *);

/* What the target is after a failure, in words.  False: it is as it was. */
bool patch_describe(const struct patch *, char *out, size_t size);

#endif
