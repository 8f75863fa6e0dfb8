/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * listing: ranges printed as they are found, neighbours as one, with a total.
 *
 * As text a range is a line of offset and length, which changes_read takes, and the
 * total a comment; as JSON each is an object on a line.
 */
#ifndef LISTING_H
#define LISTING_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/extents.h"

struct listing {
	FILE *out;
	bool json;
	struct extent pending;		/* the next range may join it */
	uint64_t ranges, bytes;
};

/* Ranges ascend. */
void listing_add(struct listing *, uint64_t offset, uint64_t length);

/* The last range and the total. */
void listing_finish(struct listing *);

#endif
