/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "diff/listing.h"

static void
listing_print(struct listing *listing)
{
	struct extent *pending = &listing->pending;

	if (pending->length == 0)
		return;
	fprintf(listing->out, listing->json ? "{\"offset\":%ju,\"length\":%ju}\n" : "%ju %ju\n",
	    (uintmax_t)pending->offset, (uintmax_t)pending->length);
	listing->ranges++;
	listing->bytes += pending->length;
	pending->length = 0;
}

void
listing_add(struct listing *listing, uint64_t offset, uint64_t length)
{
	struct extent *pending = &listing->pending;

	if (pending->offset + pending->length != offset)
		listing_print(listing);
	if (pending->length == 0)
		pending->offset = offset;
	pending->length += length;
}

void
listing_finish(struct listing *listing)
{
	listing_print(listing);
	fprintf(listing->out, listing->json ? "{\"ranges\":%ju,\"bytes\":%ju}\n" :
	    "# %ju ranges, %ju bytes\n", (uintmax_t)listing->ranges, (uintmax_t)listing->bytes);
}
