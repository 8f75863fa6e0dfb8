/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * verify: a written target read back and compared with what was sent.
 *
 * What was written is pushed, in order, as block hashes; jobs are popped once a
 * window of it has gathered, so memory stays the same however large the device is,
 * and reading back goes on beside the transfer.  Push, pop and work may come from
 * different threads.
 */
#ifndef VERIFY_H
#define VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "device/target.h"
#include "hash/blk128.h"

/* So much is written before reading back begins. */
#define VERIFY_WINDOW	(64ull << 20)

/* One job reads at most that much data, or looks at that much of zeros. */
#define VERIFY_CHUNK	(256u << 10)
#define VERIFY_ZEROS	(1ull << 30)
#define VERIFY_BLOCKS	(VERIFY_CHUNK / BLK128_BLOCK)

struct verify;

struct verify_job {
	uint64_t offset, length;
	bool zero;
	unsigned char hashes[VERIFY_BLOCKS * BLK128_SIZE];
	unsigned char *room;	/* VERIFY_CHUNK bytes, aligned; the caller's */
	struct error error;	/* set: it could not be read */
};

/* NULL with errno set. */
struct verify *verify_create(struct target *);
void verify_destroy(struct verify *);

/*
 * A range that was written, given by its block hashes, or NULL for zeros.  False with
 * errno ENOMEM.
 */
bool verify_push(struct verify *, uint64_t offset, uint64_t length, const unsigned char *hashes);

/*
 * The next job.  Without drain false until a window has gathered, and again once it
 * is used up.
 */
bool verify_pop(struct verify *, bool drain, struct verify_job *);

/* Read back and compare; what differs is kept for verify_differences. */
void verify_work(struct verify *, struct verify_job *);

/* Bytes that wait to be read back. */
uint64_t verify_pending(struct verify *);

/* A range that read back otherwise than it was sent; neighbours are merged. */
struct verify_range {
	uint64_t offset, length;
};
#define VERIFY_LISTED	20

/*
 * The first ranges, at most VERIFY_LISTED, in ascending order; *more says that there
 * are others, *bytes is the sum of all.  Returns how many are listed.
 */
unsigned verify_differences(struct verify *, struct verify_range *, bool *more, uint64_t *bytes);

#endif
