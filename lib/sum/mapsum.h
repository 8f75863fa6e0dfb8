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
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "device/source.h"
#include "stream/map.h"
#include "sum/sum.h"

/* Write the map of a range of a source to fd. */
bool mapsum_write(struct source *, const struct sum_range *, uint32_t grid, enum stream_hash,
    int fd, struct error *);

/* A map is of what has a size, and can be read anywhere.  *locked: a program has locked it for writing. */
bool mapsum_may_read(const struct source *, bool *locked, struct error *);

struct mapsum_found {
	uint64_t ranges, bytes;		/* that differ */
};

/* A file that is compared with a map.  It must live as long as the process. */
struct mapsum_check {
	struct map_reader map;
	struct source source;
	const struct sum_range *range;
	const char *file;
	bool locked;			/* as mapsum_may_read says */
	struct mapsum_found found;
	uint64_t beyond;		/* bytes of a device behind the map's, which are not compared */
	unsigned next;			/* of mapsum_check_next */
};

/* Begin to read the map, and open the file: the one that the map names, if file is NULL. */
bool mapsum_check_open(struct mapsum_check *, struct input *map, const char *file,
    const struct sum_range *, struct error *);

/*
 * Call differs, in order, with each range of the source that does not match the map, adjacent
 * ranges merged; bytes that the source lacks differ.  Bytes of a file beyond the map's end
 * differ, too; those of a device do not, since a copy may be on a larger device.
 */
bool mapsum_check_run(struct mapsum_check *,
    void (*differs)(void *context, uint64_t offset, uint64_t length), void *context, struct error *);

/* The next line of the report on the result; false: no more. */
bool mapsum_check_next(struct mapsum_check *, char *line, size_t size);

/* The same as mapsum_check_run, of a source and a map that are open. */
bool mapsum_compare(struct source *, const struct sum_range *, struct map_reader *,
    void (*differs)(void *context, uint64_t offset, uint64_t length), void *context,
    struct mapsum_found *found, struct error *);

#endif
