/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * image: the chunks of a scan (scan.h) leave as a stream of kind image (blkstream(5)).
 *
 * image_split is the scan's work, which any thread does; everything else is one
 * thread's at a time.
 */
#ifndef IMAGE_H
#define IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "hash/blk128.h"
#include "read/scan.h"
#include "stream/stream.h"

/* A part of a chunk that becomes one record. */
struct image_run {
	uint32_t start, length;		/* bytes in the chunk */
	bool zero;
	struct record record;		/* of data, sealed */
};

/* The contents of a chunk's user memory (scan.user_size). */
struct image_runs {
	struct image_run run[SCAN_BLOCKS];
	unsigned count;
};

struct image {
	struct stream_writer stream;
	struct blk128 *digest;
	uint64_t zero_start, zero_length;	/* zeros that have not left yet */
	uint64_t zero_read;			/* of them, found by reading */
	double zero_since;
};

/* Write the header, which was encoded.  False with errno set, as from all of them. */
bool image_begin(struct image *, int fd, const struct stream_header *);
void image_destroy(struct image *);

/* Cut a hashed chunk into runs of zero blocks and of others, and seal the others. */
void image_split(struct scan_chunk *);

/* Write the records of the next chunk, which was split, and digest it. */
bool image_put(struct image *, const struct scan_chunk *);

/* Write what is gathered, and END. */
bool image_end(struct image *);

/* Write what is gathered, and ABORT. */
bool image_abort(struct image *, const char *text);

#endif
