/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <search.h>
#include <stdlib.h>

#include "check.h"
#include "write/overlap.h"

#define SPACE	400u

/* Random ranges, checked with a map of bytes. */
static void
it_agrees_with_a_map_of_bytes(void)
{
	srandom(1);
	for (unsigned round = 0; round < 300; round++) {
		struct overlap overlap = { 0 };
		bool map[SPACE] = { false };

		for (unsigned i = 0; i < 60; i++) {
			uint64_t length = 1 + (uint64_t)random() % (round % 5 == 0 ? 40 : 8);
			uint64_t offset = (uint64_t)random() % (SPACE - length);
			bool have, want = memchr(map + offset, true, length) != NULL;

			CHECK(overlap_add(&overlap, offset, length, &have));
			CHECK_NUMBER(have, want);
			if (!want)
				memset(map + offset, true, length);
		}
		overlap_free(&overlap);
	}
}

static unsigned nodes;

static void
count_node(const void *node, VISIT visit, int depth)
{
	(void)node;
	(void)depth;
	nodes += visit == postorder || visit == leaf;
}

/* The usual log ascends, or nearly: ranges that touch become one. */
static void
ranges_that_touch_overlap_nothing(void)
{
	struct overlap overlap = { 0 };
	bool overlaps;

	for (uint64_t i = 0; i < 300000; i++) {
		uint64_t at = i % 2 == 0 ? i + 1 : i - 1;	/* neighbours are swapped */

		if (!overlap_add(&overlap, at << 16, 1 << 16, &overlaps) || overlaps)
			CHECK(false);
	}
	twalk(overlap.tree, count_node);
	CHECK(nodes == 1 || nodes == 2);
	CHECK(overlap_add(&overlap, (299999ull << 16) + 65535, 1, &overlaps) && overlaps);
	CHECK(overlap_add(&overlap, 300000ull << 16, 1, &overlaps) && !overlaps);
	overlap_free(&overlap);
	CHECK(overlap_add(&overlap, 0, INT64_MAX, &overlaps) && !overlaps);
	CHECK(overlap_add(&overlap, INT64_MAX - 1, 1, &overlaps) && overlaps);
	overlap_free(&overlap);
}

int
main(void)
{
	it_agrees_with_a_map_of_bytes();
	ranges_that_touch_overlap_nothing();
	return check_done();
}
