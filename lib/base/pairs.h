/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pairs: sorts long lists of pairs of numbers in place.
 *
 * A list may fill most of the memory, so there is no room for a copy; and it may come from
 * a stranger, so no order of it may take longer than another.
 */
#ifndef PAIRS_H
#define PAIRS_H

#include <stddef.h>
#include <stdint.h>

/* Sort by the number in column 0 or 1, ascending; equal ones in any order. */
void pairs_sort(uint64_t (*pairs)[2], size_t count, unsigned column);

#endif
