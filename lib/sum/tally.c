/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>

#include "sum/tally.h"

void
tally_add(struct tally *all, const struct tally *tally)
{
	all->matched += tally->matched;
	all->mismatched += tally->mismatched;
	all->unreadable += tally->unreadable;
}

uint64_t
tally_files(const struct tally *tally)
{
	return tally->matched + tally->mismatched + tally->unreadable;
}

bool
tally_warning(const struct tally *tally, unsigned number, char text[TALLY_TEXT])
{
	const struct {
		uint64_t count;
		const char *one, *many;
	} warnings[TALLY_WARNINGS] = {
		{ tally->malformed, "line is improperly formatted", "lines are improperly formatted" },
		{ tally->unreadable, "listed file could not be read", "listed files could not be read" },
		{ tally->mismatched, "computed checksum did NOT match",
		    "computed checksums did NOT match" },
	};
	uint64_t count = warnings[number].count;

	snprintf(text, TALLY_TEXT, "WARNING: %ju %s", (uintmax_t)count,
	    count == 1 ? warnings[number].one : warnings[number].many);
	return count > 0;
}
