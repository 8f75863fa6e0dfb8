/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sum: digests of a device, a file, a pipe, or the image in a block stream.
 *
 * Progress is counted by progress_add.  False: error names the file and the byte.  Where a
 * pipe or a stream was read, a thread may then still wait for it: the source or input must
 * live as long as the process, and so must *left, a list that what the thread uses is added
 * to.  It begins as NULL, and nobody looks at it: it keeps that memory reachable.
 */
#ifndef SUM_H
#define SUM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "device/evidence.h"
#include "device/source.h"
#include "hash/checksum.h"
#include "pipe/input.h"
#include "stream/container.h"
#include "stream/record.h"

struct sum_range {
	uint64_t offset;
	uint64_t length;	/* UINT64_MAX: up to the end */
	unsigned jobs;
	const char *backing;	/* the file in which the files' server keeps them; NULL: not known */
	const struct container **holds;	/* is set to what a file is, by its beginning; NULL: not wanted */
	struct evidence *evidence;	/* NULL: the page cache will do */
};

/* Which digests are wanted, and what they are, in the same order. */
struct sum_digests {
	unsigned count;
	enum checksum_kind kinds[CHECKSUM_KINDS];
	char digits[CHECKSUM_KINDS][CHECKSUM_HEX];
};

/* One more of that name, as -a takes it; twice is once.  False: error is filled. */
bool sum_add_kind(struct sum_digests *, const char *name, struct error *);

struct sum_left;

/* Open a file as evidence, or not, by range->evidence.  False: error is filled. */
bool sum_open(struct source *, const char *file, const struct sum_range *, struct error *);

/* The digests of a range of a source, which is read once. */
bool sum_source(struct source *, const struct sum_range *, struct sum_digests *,
    struct sum_left **left, struct error *);

/* The digests of the image in a block stream, which is checked; it has no ranges. */
bool sum_stream(struct input *, const struct sum_range *, struct sum_digests *,
    struct sum_left **left, struct error *);

/* The map of that image to standard output, in order; after a failure it ends with ABORT. */
bool sum_stream_map(struct input *, const struct sum_range *, uint32_t grid, enum stream_hash,
    struct sum_left **left, struct error *);

/*
 * The digests of a file by its name.  "-" is standard input, which may be a block stream; a
 * file that has a name is always read as bytes.
 */
bool sum_file(const char *file, const struct sum_range *, struct sum_digests *,
    struct sum_left **left, struct error *);

#endif
