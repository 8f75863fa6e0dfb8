/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mapdiff: a range of a source held against a map of another device.
 *
 * The source is read and hashed on several threads while the map streams in; there is
 * no way back to the map's side, so it costs one pass of both and no round trip.
 */
#ifndef MAPDIFF_H
#define MAPDIFF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "device/source.h"
#include "stream/map.h"

/* At most so long is a run of data: a block of the map, or as many as are in this. */
#define MAPDIFF_RUN	(256u << 10)

/* Blocks in a row that are not as the map says. */
struct mapdiff_run {
	uint64_t offset, length;	/* of the source */
	const unsigned char *data;	/* NULL: zeros */
	bool checked;			/* old is set: the run covers whole blocks of the map */
	uint64_t old;			/* XXH3-64 over the map's hashes of them */
};

struct mapdiff {
	struct source *source;
	uint64_t offset, length;	/* UINT64_MAX: up to the end; on success what was compared */
	unsigned jobs;
	struct map_reader *map;
	bool beyond;			/* data beyond the map's end differs, too */

	/* Called in order; false stops. */
	bool (*differs)(void *context, const struct mapdiff_run *);
	/* The source was compared up to there; false stops.  May be NULL. */
	bool (*passed)(void *context, uint64_t offset);
	void *context;

	unsigned char digest[BLK128_SIZE];	/* of what was compared; set when it is done */
};

/*
 * Compare, and read the map to its end.  A block of which only a part is in the source,
 * or in the map, is compared where the map has a hash of just that part, and differs
 * where it has none.  False: error is set; or, where differs or passed returned false, it is not.
 */
bool mapdiff_run(struct mapdiff *, struct error *);

#endif
