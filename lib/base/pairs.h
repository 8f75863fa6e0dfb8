/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pairs: long lists of two numbers each, sorted in place.
 *
 * A list may fill most of the memory, so there is no room for a second one, and may come
 * from a stranger, so no order of it may take longer than others.
 */
#ifndef PAIRS_H
#define PAIRS_H

#include <stddef.h>
#include <stdint.h>

/* Sort by the number in column 0 or 1, ascending; equal ones end in any order. */
void pairs_sort(uint64_t (*pairs)[2], size_t count, unsigned column);

#endif
