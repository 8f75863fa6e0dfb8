/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * raw: the chunks of a scan as plain bytes, and the digest of them.
 *
 * One thread at a time uses it.  Progress is counted by progress_add.
 */
#ifndef RAW_H
#define RAW_H

#include <stdbool.h>
#include <stdint.h>

#include "hash/blk128.h"
#include "read/scan.h"

struct raw {
	int fd;
	struct blk128 *digest;	/* NULL: none is wanted; else chunks come with hashes */
	uint64_t zero;		/* bytes of them that are zeros, in blocks or holes */
};

/* Start to write to fd.  False with errno set. */
bool raw_begin(struct raw *, int fd, bool digest);

/* Write the next chunk, in order; a hole as zeros.  False with errno set. */
bool raw_put(struct raw *, const struct scan_chunk *);

#endif
