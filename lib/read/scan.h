/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * scan: a range of a source, read and hashed on several threads, given in order.
 *
 * The range comes as chunks: data of up to a chunk's size, or a hole of any length.
 * Together they cover it without a gap; all begin on the grid, counted from where the
 * range begins.
 */
#ifndef SCAN_H
#define SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "device/source.h"
#include "hash/blk128.h"

#define SCAN_CHUNK	(256u << 10)	/* by default */
#define SCAN_CHUNK_MAX	(1u << 20)
#define SCAN_BLOCKS	(SCAN_CHUNK_MAX / BLK128_BLOCK)
#define SCAN_BAD	(SCAN_CHUNK_MAX / 512 + 2)

struct scan_chunk {
	uint64_t offset, length;	/* from where the range begins */
	bool hole;			/* all zero, not read; data is not valid */
	unsigned char *data;		/* aligned; lives until give returns */
	unsigned char hashes[SCAN_BLOCKS * BLK128_SIZE];	/* of data, with hash */
	bool zero[SCAN_BLOCKS];		/* which blocks of data are all zero */
	struct source_bad bad[SCAN_BAD];	/* from where the chunk begins; zeroed in data */
	unsigned bad_count;
	struct error error;		/* set: the chunk could not be read */
	void *user;			/* work's */
};

struct scan {
	struct source *source;
	uint64_t offset, length;	/* UINT64_MAX: up to the end, which a pipe only finds */
	uint32_t chunk;			/* a multiple of grid, up to SCAN_CHUNK_MAX; 0: SCAN_CHUNK */
	uint32_t grid;			/* a multiple of BLK128_BLOCK; 0: BLK128_BLOCK */
	unsigned jobs;			/* threads; pool_jobs of them are the chunks in memory */
	bool skip_bad;			/* list sectors that the medium lost instead of failing */
	bool hash;			/* fill hashes and zero */
	size_t user_size;		/* zeroed memory at each chunk's user */
	void (*work)(void *context, struct scan_chunk *);	/* beside others; or NULL */
	bool (*give)(void *context, struct scan_chunk *);	/* in order; false stops */
	void *context;
	void *kept;			/* by a thread that waits for a pipe after a failure */
};

/*
 * Check offset and length against the source and set length where it was left open.
 * A device of no bytes is an error: one without a medium, or not set up.  False: error
 * is filled.
 */
bool scan_bound(struct scan *, struct error *);

/*
 * Run it.  True if all was given.  False: error is set, by an unreadable chunk, which
 * was given last with its error, or for want of memory or threads; or not set, where
 * give returned false of its own.  After a failure a thread may still wait for a pipe:
 * the struct scan and its source must then live as long as the process.
 */
bool scan_run(struct scan *, struct error *);

#endif
