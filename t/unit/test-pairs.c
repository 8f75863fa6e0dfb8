/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>

#include "base/pairs.h"
#include "check.h"
#include "noise.h"

#define MOST	5000

static uint64_t pairs[MOST][2];

/* Sorted, and of the same members: their sums, which a swap that loses one would change. */
static void
check_sorted(size_t count, unsigned column)
{
	uint64_t sum[2] = { 0 }, after[2] = { 0 };
	bool ascends = true;
	size_t i;

	for (i = 0; i < count; i++) {
		sum[0] += pairs[i][0] * 31 ^ pairs[i][1];
		sum[1] += pairs[i][1] * 37 ^ pairs[i][0];
	}
	pairs_sort(pairs, count, column);
	for (i = 0; i < count; i++) {
		after[0] += pairs[i][0] * 31 ^ pairs[i][1];
		after[1] += pairs[i][1] * 37 ^ pairs[i][0];
		ascends = ascends && (i == 0 || pairs[i - 1][column] <= pairs[i][column]);
	}
	CHECK(ascends);
	CHECK_NUMBER(after[0], sum[0]);
	CHECK_NUMBER(after[1], sum[1]);
}

int
main(void)
{
	static const uint64_t below[] = { 1, 2, 255, 256, 257, 70000, 1ull << 33, UINT64_MAX };
	size_t counts[] = { 0, 1, 2, 3, 31, 32, 33, 34, 256, 1000, MOST }, i, j, k;
	static char title[64];

	check_case = title;
	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		for (j = 0; j < sizeof(below) / sizeof(below[0]); j++) {
			snprintf(title, sizeof(title), "%zu below %ju", counts[i], (uintmax_t)below[j]);
			for (k = 0; k < counts[i]; k++) {
				pairs[k][0] = noise(below[j]);
				pairs[k][1] = noise(UINT64_MAX);
			}
			check_sorted(counts[i], 0);
			check_sorted(counts[i], 0);
			check_sorted(counts[i], 1);
		}
	return check_done();
}
