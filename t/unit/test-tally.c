/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "check.h"
#include "sum/tally.h"

static void
warnings_are_those_of_md5sum(void)
{
	static const struct {
		struct tally tally;
		const char *words[TALLY_WARNINGS];
	} rows[] = {
		{ { .lines = 9, .sums = 9, .matched = 9 }, { NULL, NULL, NULL } },
		{ { .malformed = 1, .unreadable = 1, .mismatched = 1 }, {
			"WARNING: 1 line is improperly formatted",
			"WARNING: 1 listed file could not be read",
			"WARNING: 1 computed checksum did NOT match" } },
		{ { .malformed = 2, .unreadable = 3, .mismatched = UINT64_MAX }, {
			"WARNING: 2 lines are improperly formatted",
			"WARNING: 3 listed files could not be read",
			"WARNING: 18446744073709551615 computed checksums did NOT match" } },
	};
	char text[TALLY_TEXT];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		for (unsigned n = 0; n < TALLY_WARNINGS; n++) {
			const char *want = rows[i].words[n];

			CHECK(tally_warning(&rows[i].tally, n, text) == (want != NULL));
			if (want != NULL)
				CHECK_TEXT(text, want);
		}
}

static void
files_of_several_lists_add_up(void)
{
	const struct tally list = { .matched = 1, .mismatched = 2, .unreadable = 3 };
	struct tally all = { 0 };

	CHECK_NUMBER(tally_files(&all), 0);
	tally_add(&all, &list);
	tally_add(&all, &list);
	CHECK_NUMBER(tally_files(&all), 12);
	CHECK_NUMBER(all.mismatched, 4);
	CHECK_NUMBER(all.unreadable, 6);
}

int
main(void)
{
	warnings_are_those_of_md5sum();
	files_of_several_lists_add_up();
	return check_done();
}
