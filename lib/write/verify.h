/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * verify: a written target read back and compared with what was sent.
 *
 * Ranges that were written are pushed, in order, as block hashes.  Once a window of them has
 * gathered, jobs to read them back are popped.  So reading back goes on beside the
 * transfer, and memory does not grow with the device.  Push, pop and work may be called
 * by different threads.
 */
#ifndef VERIFY_H
#define VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "device/target.h"
#include "hash/blk128.h"

/* That many bytes are written before reading back begins. */
#define VERIFY_WINDOW	(64ull << 20)

/* One job reads at most that much data, or checks that many bytes of zeros. */
#define VERIFY_CHUNK	(256u << 10)
#define VERIFY_ZEROS	(1ull << 30)
#define VERIFY_BLOCKS	(VERIFY_CHUNK / BLK128_BLOCK)

struct verify;

struct verify_job {
	uint64_t offset, length;
	bool zero;
	uint64_t window;	/* its number */
	unsigned char hashes[VERIFY_BLOCKS * BLK128_SIZE];
	unsigned char *room;	/* VERIFY_CHUNK bytes, aligned; the caller's */
	struct error error;	/* set: the range could not be read */
};

/* NULL with errno set. */
struct verify *verify_create(struct target *);
void verify_destroy(struct verify *);

/*
 * Push a range that was written, with its block hashes, or NULL for zeros.  False with errno
 * ENOMEM.
 */
bool verify_push(struct verify *, uint64_t offset, uint64_t length, const unsigned char *hashes);

/*
 * Get the next job.  False: there is none; without drain also until a window has gathered,
 * and again once that window is used up.
 */
bool verify_pop(struct verify *, bool drain, struct verify_job *);

/* Read back and compare; differences are kept for verify_differences. */
void verify_work(struct verify *, struct verify_job *);

/* Bytes still to be read back. */
uint64_t verify_pending(struct verify *);

/* A range that did not read back as it was sent; neighbours are merged. */
struct verify_range {
	uint64_t offset, length;
};
#define VERIFY_LISTED	20

/*
 * List the first ranges, at most VERIFY_LISTED, in ascending order.  *more is true if there
 * are others; *bytes is the total of all.  Returns the number listed.
 */
unsigned verify_differences(struct verify *, struct verify_range *, bool *more, uint64_t *bytes);

#endif
