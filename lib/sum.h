/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sum: a digest, or a map, of a device, a file, or what comes out of a pipe.
 *
 * Progress is counted by progress_add.  False: error names the file and the byte.
 */
#ifndef SUM_H
#define SUM_H

#include <stdbool.h>
#include <stdint.h>

#include "checksum.h"
#include "error.h"
#include "input.h"
#include "map.h"
#include "source.h"

struct sum_range {
	uint64_t offset;
	uint64_t length;	/* UINT64_MAX: up to the end */
	unsigned jobs;
};

/* The digest of a range of a source that is no pipe. */
bool sum_source(struct source *, const struct sum_range *, enum checksum_kind,
    char digits[CHECKSUM_HEX], struct error *);

/*
 * The digest of a pipe: of its bytes, or, where it is a block stream of an image, of
 * that image.  A length is of raw bytes only.
 */
bool sum_input(struct input *, const struct sum_range *, enum checksum_kind,
    char digits[CHECKSUM_HEX], struct error *);

/* Write the map of a range of a source to fd. */
bool sum_map(struct source *, const struct sum_range *, uint32_t grid, enum stream_hash, int fd,
    struct error *);

/*
 * Compare a range of a source with a map: differs is called, in order, with each range
 * of it that is not as the map says, neighbours merged.  Bytes of the source behind the
 * map's end are not looked at; those that it lacks differ.
 */
bool sum_compare(struct source *, const struct sum_range *, struct map_reader *,
    void (*differs)(void *context, uint64_t offset, uint64_t length), void *context,
    struct error *);

#endif
