/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * commit: the first MiB of a target, written last.
 *
 * On the target it is zeroed and flushed before anything else is written.  Its content
 * is held in memory, and written after all else is checked and flushed: a target that
 * looks whole is whole.  commit_keep may be called from any thread for ranges that do
 * not overlap, commit_state and commit_describe from any thread.
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
 * A disk is recognized by its beginning: partition tables and most file systems by the
 * first page, btrfs by its second 64 KiB.  So the first length bytes are written in steps,
 * from the end down to 128 KiB, to 4 KiB and to 0.  write writes the range from start to
 * end and flushes it.  False: it has failed.
 */
bool commit_by_steps(uint64_t length,
    bool (*write)(void *context, uint64_t start, uint64_t end, struct error *),
    void *context, struct error *);

/* The state of the first MiB on the target. */
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
 * Hold the part of a range that lies in the first MiB; data NULL means zeros.  Returns the
 * number of bytes held: the caller writes the rest as usual.
 */
uint64_t commit_keep(struct commit *, uint64_t offset, uint64_t length, const unsigned char *data);

/*
 * Write what was held, in the steps of commit_by_steps.  False: error is filled, and
 * commit_revoke must follow.
 */
bool commit_finish(struct commit *, struct error *);

/* Make it zero again, as far as that is possible. */
void commit_revoke(struct commit *);

/* Push the held bytes, to be read back.  False with errno set. */
bool commit_verify(const struct commit *, struct verify *);

enum commit_state commit_state(const struct commit *);

/* The target's state in words: "disk.img is incomplete: its first MiB is zero". */
void commit_describe(const struct commit *, char *out, size_t size);

#endif
