/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/pairs.h"

/* Shorter lists are sorted by insertion. */
#define FEW	32

static void
swap(uint64_t *a, uint64_t *b)
{
	uint64_t first = a[0], second = a[1];

	a[0] = b[0], a[1] = b[1];
	b[0] = first, b[1] = second;
}

static void
sort_few(uint64_t (*pairs)[2], size_t count, unsigned column)
{
	size_t i, j;

	for (i = 1; i < count; i++)
		for (j = i; j > 0 && pairs[j][column] < pairs[j - 1][column]; j--)
			swap(pairs[j], pairs[j - 1]);
}

/* Radix sort by the byte at shift, then each of its 256 parts by the bytes below. */
static void
sort_bytes(uint64_t (*pairs)[2], size_t count, unsigned column, unsigned shift)
{
	size_t next[256], end[256] = { 0 }, i, start = 0;
	unsigned part;

	if (count <= FEW) {
		sort_few(pairs, count, column);
		return;
	}
	for (i = 0; i < count; i++)
		end[pairs[i][column] >> shift & 0xff]++;
	for (part = 0; part < 256; part++) {
		next[part] = start;
		start = end[part] += start;
	}
	for (part = 0; part < 256; part++)
		while (next[part] < end[part]) {
			unsigned home = pairs[next[part]][column] >> shift & 0xff;

			if (home != part)
				swap(pairs[next[part]], pairs[next[home]]);
			next[home]++;
		}
	for (part = 0, start = 0; shift > 0 && part < 256; start = end[part++])
		sort_bytes(pairs + start, end[part] - start, column, shift - 8);
}

void
pairs_sort(uint64_t (*pairs)[2], size_t count, unsigned column)
{
	uint64_t all = 0;
	unsigned shift = 0;
	size_t i;

	for (i = 0; i < count; i++)
		all |= pairs[i][column];
	while (shift < 56 && all >> shift > 0xff)
		shift += 8;
	sort_bytes(pairs, count, column, shift);
}
