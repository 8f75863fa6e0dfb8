/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * commit: the first MiB of a target, written last.
 *
 * It is zeroed and flushed before anything else is written, held in memory while
 * the rest goes out, and written after all else is checked and flushed: a target
 * that looks whole is whole.  commit_keep may be called from any thread for ranges
 * that do not overlap.
 */
#ifndef COMMIT_H
#define COMMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "target.h"
#include "verify.h"

#define COMMIT_SIZE	(1u << 20)

struct commit {
	struct target *target;
	bool sync;		/* flush */
	bool begun;		/* the target's first MiB is not what it was */
	unsigned char *head;	/* COMMIT_SIZE bytes, aligned */
};

/* Make the first MiB of size bytes (UINT64_MAX: not known yet) zero, and flush. */
bool commit_begin(struct commit *, struct target *, uint64_t size, bool sync, struct error *);

/*
 * Hold what of a range lies in the first MiB; data NULL is zeros.  Returns how many of
 * its bytes those are: the rest is to be written as usual.
 */
uint64_t commit_keep(struct commit *, uint64_t offset, uint64_t length, const unsigned char *data);

/* Write what was held, of a device of size bytes, and flush. */
bool commit_finish(struct commit *, uint64_t size, struct error *);

/* Make it zero again, as well as can be. */
void commit_revoke(struct commit *, uint64_t size);

/* Push what was held for reading back. */
bool commit_verify(const struct commit *, uint64_t size, struct verify *);

#endif
