/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mapsum: the map of a source, written, and a source held against one.
 *
 * The source is no pipe.  Progress is counted by progress_add.  False: error names the
 * file and the byte.
 */
#ifndef MAPSUM_H
#define MAPSUM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "device/source.h"
#include "stream/map.h"
#include "sum/sum.h"

/* Write the map of a range of a source to fd. */
bool mapsum_write(struct source *, const struct sum_range *, uint32_t grid, enum stream_hash,
    int fd, struct error *);

struct mapsum_found {
	uint64_t ranges, bytes;		/* that differ */
};

/*
 * Call differs, in order, with each range of the source that is not as the map says,
 * neighbours merged; what the source lacks differs.  What a file has beyond the map's
 * end differs too, but not what a device has: a copy may lie on a larger one.  *found
 * counts them.
 */
bool mapsum_compare(struct source *, const struct sum_range *, struct map_reader *,
    void (*differs)(void *context, uint64_t offset, uint64_t length), void *context,
    struct mapsum_found *found, struct error *);

#endif
