/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * patch: a delta or an undo log, for the writer.
 *
 * Each record is compared with the contents of the target: old data that it replaces is
 * overwritten, new data that is there already is skipped, and anything else is refused.  If the
 * input can be read twice, all records are checked before the first is applied.  The final
 * contents of the first MiB are held in memory, and its changed pages are written last.
 *
 * A file that is shorter than the base is refused, because the delta does not have the missing
 * bytes; if the size of the base is not known, records must cover all bytes that the file lacks.
 *
 * An undo log without END was left by a crash: it is applied up to the point where it breaks off,
 * which patch.cut gives.  A log that is damaged before its END, or whose sender gave up, is
 * refused; from a pipe it is applied up to that point, too.
 *
 * The ranges of an undo log must not overlap, or the result would depend on the order of the
 * writes.  An overlap is refused before its record is written.
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
#include "write/apply.h"
#include "write/overlap.h"
#include "write/undo.h"
#include "write/writer.h"

struct patch_options {
	struct writer_options writer;
	bool force;		/* overwrite what is neither old nor new */
	const char *undo;	/* NULL, or the log to make */
	bool once;		/* the input is a pipe: nothing can be checked before */
	uint64_t cut_at;	/* bytes of an undo log without END; UINT64_MAX: whole, or a pipe */
};

struct patch {
	struct writer writer;
	struct apply apply;
	struct undo undo;
	struct overlap seen;		/* of an undo log, all ranges that were admitted */
	unsigned char *head, *head_before;	/* of the first MiB: as it will be, as it was */
	uint64_t size;			/* of the device made */
	bool base_unknown;
	uint64_t covered;		/* where the last record of a delta ended */
	uint64_t cut_at;
	bool once;
	const char *log;		/* NULL, or the undo log to make */
	bool force;
	bool unchecked;			/* some record did not say what it replaces */
	struct error cut;		/* where an undo log broke off; valid after the run */
	/* Bytes that were written, or held for the commit; new already; overwritten by force. */
	atomic_uint_fast64_t written, passed, forced;
	/* Of an undo log without notes: bytes of ranges that were taken for torn. */
	atomic_uint_fast64_t likely;
	atomic_uint_fast64_t begun;	/* bytes of the target that a write may have changed */
};

/*
 * Make ready; touches nothing.  Lifetimes as of writer_create; writer_run does the rest.
 * False: error is filled.
 */
bool patch_create(struct patch *, const struct patch_options *, struct intake *,
    struct target *, struct error *);

/* Check all records and write nothing; see writer_check.  False: error is filled. */
bool patch_check(struct patch *, struct error *);

#endif
