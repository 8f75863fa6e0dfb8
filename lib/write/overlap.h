/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * overlap: detects a range that overlaps an earlier one, in any order.
 *
 * Ranges that touch are joined.  Each one that touches no other takes 64 bytes of memory,
 * which is what the header of its record takes in a stream.
 */
#ifndef OVERLAP_H
#define OVERLAP_H

#include <stdbool.h>
#include <stdint.h>

/* Empty when zeroed. */
struct overlap {
	void *tree;
};

/*
 * Add a range of length bytes, more than 0, unless it overlaps one that was added before:
 * *overlaps says so.  One thread at a time.  False with errno ENOMEM.
 */
bool overlap_add(struct overlap *, uint64_t offset, uint64_t length, bool *overlaps);

/* Free the memory; empty afterwards. */
void overlap_free(struct overlap *);

#endif
