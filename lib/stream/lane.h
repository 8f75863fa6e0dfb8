/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lane: the header of one of several streams that together carry one (blkstream(5), "Lanes").
 *
 * It is the header of the whole stream with required feature 1 set, and the lane's index and
 * the number of lanes in reserved bytes.  Pure functions.
 */
#ifndef LANE_H
#define LANE_H

#include <stdbool.h>

#include "base/error.h"
#include "stream/record.h"

#define LANE_MAX	64		/* lanes of one stream */

struct lane {
	unsigned index, count;		/* index is less than count; count 1 to LANE_MAX */
	unsigned char id[STREAM_ID_SIZE];	/* of the whole stream; set by lane_unmark */
};

/* Make bytes of an encoded header those of a lane. */
void lane_mark(struct stream_header *, const struct lane *);

/*
 * Whether bytes, STREAM_HEADER_MIN of them, are the header of a lane, by magic, checksum
 * and required feature.
 */
bool lane_detect(const unsigned char *bytes);

/*
 * Make bytes of a lane's header those of the whole stream again.  False: error says which of
 * its values cannot be.
 */
bool lane_unmark(struct stream_header *, struct lane *, struct error *);

#endif
