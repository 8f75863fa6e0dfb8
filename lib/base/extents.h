/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * extents: a set of byte ranges of a device, 16 bytes of memory each.
 */
#ifndef EXTENTS_H
#define EXTENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct extent {
	uint64_t offset, length;
};

struct extents {
	struct extent *list;	/* after extents_settle: ascending, apart from each other */
	size_t count, room;
};

/*
 * Add a range, in any order, over others or not.  The caller has checked that offset +
 * length is at most SIZE_LIMIT.  What was added twice does not take memory twice for
 * long.  False with errno ENOMEM.
 */
bool extents_add(struct extents *, uint64_t offset, uint64_t length);

/* Sort, join what touches or overlaps, and cut off what is not in [start, end). */
void extents_settle(struct extents *, uint64_t start, uint64_t end);

/* Bytes in all of them, once settled. */
uint64_t extents_total(const struct extents *);

void extents_free(struct extents *);

#endif
