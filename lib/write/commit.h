/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * commit: the first MiB of a target, written last.
 *
 * It is zeroed and flushed before anything else is written, held in memory while
 * the rest goes out, and written after all else is checked and flushed: a target
 * that looks whole is whole.  commit_keep may be called from any thread for ranges
 * that do not overlap, commit_state and commit_describe from any thread.
 */
#ifndef COMMIT_H
#define COMMIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "device/target.h"
#include "write/verify.h"

#define COMMIT_SIZE	(1u << 20)

/*
 * What tells a disk's content lies at its beginning: partition tables and most file
 * systems in the first page, btrfs in the second block.  So the first MiB is written in
 * steps, from its end down to each of these, each flushed before the next.
 */
#define COMMIT_STEPS	3
extern const uint64_t commit_steps[COMMIT_STEPS];

/* Of the first MiB, and so of the target. */
enum commit_state {
	COMMIT_UNTOUCHED,	/* as it was */
	COMMIT_BEGUN,		/* being made zero */
	COMMIT_ZERO,		/* zero, and flushed if sync */
	COMMIT_TORN,		/* being written, or being made zero again, which may fail */
	COMMIT_DONE		/* written, and flushed if sync */
};

struct commit {
	struct target *target;
	bool sync;		/* flush */
	atomic_int state;	/* enum commit_state */
	uint64_t length;	/* of the range that is held back, COMMIT_SIZE at most */
	unsigned char *head;	/* COMMIT_SIZE bytes, aligned */
};

/* Ready for commit_keep; the target is not touched.  False: error is filled. */
bool commit_create(struct commit *, struct target *, bool sync, struct error *);

/*
 * Make the first MiB of a device of size bytes zero, and flush.  Nothing behind it may
 * be written before this has returned true.
 */
bool commit_begin(struct commit *, uint64_t size, struct error *);

/*
 * Hold what of a range lies in the first MiB; data NULL is zeros.  Returns how many of
 * its bytes those are: the rest is to be written as usual.
 */
uint64_t commit_keep(struct commit *, uint64_t offset, uint64_t length, const unsigned char *data);

/*
 * Write what was held, its beginning, which tells what lies on a disk, at the very end,
 * each part flushed before the next.  False: error is filled, and commit_revoke must follow.
 */
bool commit_finish(struct commit *, struct error *);

/* Make it zero again, as well as can be. */
void commit_revoke(struct commit *);

/* Push what was held for reading back.  False with errno set. */
bool commit_verify(const struct commit *, struct verify *);

enum commit_state commit_state(const struct commit *);

/* What the target is now, in words: "disk.img is incomplete: its first MiB is zero". */
void commit_describe(const struct commit *, char *out, size_t size);

#endif
