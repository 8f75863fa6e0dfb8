/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>

#include "extents.h"

bool
extents_add(struct extents *extents, uint64_t offset, uint64_t length)
{
	struct extent *last = extents->list + extents->count - 1;

	if (length == 0)
		return true;
	if (extents->count > 0 && offset >= last->offset && offset <= last->offset + last->length) {
		if (offset + length > last->offset + last->length)
			last->length = offset + length - last->offset;
		return true;
	}
	if (extents->count == extents->room) {
		size_t room = extents->room == 0 ? 256 : 2 * extents->room;
		struct extent *larger = reallocarray(extents->list, room, sizeof(*larger));

		if (larger == NULL)
			return false;
		extents->list = larger;
		extents->room = room;
	}
	extents->list[extents->count++] = (struct extent){ offset, length };
	return true;
}

static int
extent_compare(const void *a, const void *b)
{
	const struct extent *left = a, *right = b;

	return left->offset < right->offset ? -1 : left->offset > right->offset;
}

void
extents_settle(struct extents *extents, uint64_t start, uint64_t end)
{
	struct extent *out = extents->list;
	size_t i, kept = 0;
	bool sorted = true;

	for (i = 1; i < extents->count && sorted; i++)
		sorted = out[i - 1].offset <= out[i].offset;
	if (!sorted)
		qsort(extents->list, extents->count, sizeof(*extents->list), extent_compare);
	for (i = 0; i < extents->count; i++) {
		uint64_t from = extents->list[i].offset, to = from + extents->list[i].length;

		from = from < start ? start : from;
		to = to > end ? end : to;
		if (from >= to)
			continue;
		if (kept > 0 && from <= out[kept - 1].offset + out[kept - 1].length) {
			if (to > out[kept - 1].offset + out[kept - 1].length)
				out[kept - 1].length = to - out[kept - 1].offset;
			continue;
		}
		out[kept++] = (struct extent){ from, to - from };
	}
	extents->count = kept;
}

uint64_t
extents_total(const struct extents *extents)
{
	uint64_t total = 0;
	size_t i;

	for (i = 0; i < extents->count; i++)
		total += extents->list[i].length;
	return total;
}

void
extents_free(struct extents *extents)
{
	free(extents->list);
	*extents = (struct extents){ 0 };
}
