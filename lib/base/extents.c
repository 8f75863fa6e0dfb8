/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>

#include "base/extents.h"
#include "base/pairs.h"
#include "base/size.h"

#define ROOM_FIRST	256u

/* From here on a full list is settled before it grows. */
#define ROOM_SETTLED	(1u << 20)

_Static_assert(sizeof(struct extent) == sizeof(uint64_t[2]), "extents are sorted as pairs");

/* Make room for one more. */
static bool
extents_grow(struct extents *extents)
{
	size_t room = extents->room == 0 ? ROOM_FIRST : 2 * extents->room;
	struct extent *larger;

	if (extents->room >= ROOM_SETTLED) {
		extents_settle(extents, 0, SIZE_LIMIT);
		if (extents->count <= extents->room / 2)
			return true;
	}
	larger = reallocarray(extents->list, room, sizeof(*larger));
	if (larger == NULL)
		return false;
	extents->list = larger;
	extents->room = room;
	return true;
}

bool
extents_add(struct extents *extents, uint64_t offset, uint64_t length)
{
	struct extent *last;

	if (length == 0)
		return true;
	if (extents->count > 0) {
		last = &extents->list[extents->count - 1];
		if (offset >= last->offset && offset <= last->offset + last->length) {
			if (offset + length > last->offset + last->length)
				last->length = offset + length - last->offset;
			return true;
		}
	}
	if (extents->count == extents->room && !extents_grow(extents))
		return false;
	extents->list[extents->count++] = (struct extent){ offset, length };
	return true;
}

static bool
extents_ascend(const struct extents *extents)
{
	size_t i;

	for (i = 1; i < extents->count; i++)
		if (extents->list[i].offset < extents->list[i - 1].offset)
			return false;
	return true;
}

void
extents_settle(struct extents *extents, uint64_t start, uint64_t end)
{
	struct extent *out = extents->list;
	size_t i, kept = 0;

	if (!extents_ascend(extents))
		pairs_sort((uint64_t (*)[2])extents->list, extents->count, 0);
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
