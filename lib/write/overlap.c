/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <search.h>
#include <stdlib.h>

#include "base/extents.h"
#include "write/overlap.h"

/* Ranges in the tree are apart, so those that overlap a key are equal to it. */
static int
compare(const void *one, const void *other)
{
	const struct extent *a = one, *b = other;

	if (a->offset + a->length <= b->offset)
		return -1;
	return a->offset >= b->offset + b->length;
}

/* A range in the tree that has one of these bytes, or NULL. */
static struct extent *
find(const struct overlap *overlap, uint64_t offset, uint64_t length)
{
	struct extent key = { offset, length };
	void *node = tfind(&key, &overlap->tree, compare);

	return node != NULL ? *(struct extent **)node : NULL;
}

/* Take a range out of the tree.  Returns its length. */
static uint64_t
take_out(struct overlap *overlap, struct extent *range)
{
	uint64_t length = range->length;

	tdelete(range, &overlap->tree, compare);
	free(range);
	return length;
}

static bool
insert(struct overlap *overlap, uint64_t offset, uint64_t length)
{
	struct extent *range = malloc(sizeof(*range));

	if (range == NULL)
		return false;
	*range = (struct extent){ offset, length };
	if (tsearch(range, &overlap->tree, compare) != NULL)
		return true;
	free(range);
	return false;
}

bool
overlap_add(struct overlap *overlap, uint64_t offset, uint64_t length, bool *overlaps)
{
	struct extent *left = NULL, *right;

	*overlaps = find(overlap, offset, length) != NULL;
	if (*overlaps)
		return true;
	if (offset > 0)
		left = find(overlap, offset - 1, 1);
	right = find(overlap, offset + length, 1);
	if (left != NULL)
		left->length += length + (right != NULL ? take_out(overlap, right) : 0);
	else if (right != NULL)
		*right = (struct extent){ offset, length + right->length };
	else
		return insert(overlap, offset, length);
	return true;
}

void
overlap_free(struct overlap *overlap)
{
	tdestroy(overlap->tree, free);
	overlap->tree = NULL;
}
