/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "read/losses.h"

void
losses_note(struct losses *losses, uint64_t offset, const struct scan_chunk *chunk)
{
	const struct source_bad *bad;

	for (bad = chunk->bad; bad < chunk->bad + chunk->bad_count; bad++) {
		uint64_t start = offset + chunk->offset + bad->start;

		if (losses->start + losses->length != start || losses->number != bad->number)
			losses_end(losses);
		if (losses->length == 0) {
			losses->start = start;
			losses->number = bad->number;
			losses->ranges++;
		}
		losses->length += bad->length;
		losses->bytes += bad->length;
	}
	if (losses->start + losses->length < offset + chunk->offset + chunk->length)
		losses_end(losses);
}

void
losses_end(struct losses *losses)
{
	if (losses->length == 0)
		return;
	if (losses->ranges <= LOSSES_LISTED)
		losses->say("%s: at byte %ju: %s, %ju bytes skipped", losses->name, (uintmax_t)losses->start,
		    strerror(losses->number), (uintmax_t)losses->length);
	else if (losses->ranges == LOSSES_LISTED + 1)
		losses->say("%s: further bad ranges are only counted", losses->name);
	losses->length = 0;
}
