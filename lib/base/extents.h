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
	struct extent *list;	/* after extents_settle: ascending and disjoint */
	size_t count, room;
};

/*
 * Add a range, in any order; ranges may overlap.  The caller has checked that offset +
 * length is at most SIZE_LIMIT. Repeated ranges do not take memory for long.  False with
 * errno ENOMEM.
 */
bool extents_add(struct extents *, uint64_t offset, uint64_t length);

/* Sort, join ranges that touch or overlap, and clip them to [start, end). */
void extents_settle(struct extents *, uint64_t start, uint64_t end);

/* Bytes in all ranges, once settled. */
uint64_t extents_total(const struct extents *);

void extents_free(struct extents *);

#endif
