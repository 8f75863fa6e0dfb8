/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <sys/sysmacros.h>

#include "check.h"
#include "device/dm.h"
#include "device/stack.h"

static void
a_device_is_two_numbers_and_nothing_else(void)
{
	static const struct { const char *text; unsigned major, minor; const char *rest; } rows[] = {
		{ "253:1", 253, 1, "" },
		{ "253:1 8:16 P 16", 253, 1, "8:16 P 16" },
		{ "0:0", 0, 0, "" },
		{ "1048575:1048575", 1048575, 1048575, "" },
		{ "1048576:0", 0, 0, NULL },
		{ "0:1048576", 0, 0, NULL },
		{ "99999999999999999999:1", 0, 0, NULL },
		{ "253", 0, 0, NULL },
		{ "253:", 0, 0, NULL },
		{ ":1", 0, 0, NULL },
		{ "-1:1", 0, 0, NULL },
		{ " 253:1", 0, 0, NULL },
		{ "253:+1", 0, 0, NULL },
		{ "253:1x", 0, 0, NULL },
		{ "253 :1", 0, 0, NULL },
		{ "/dev/dm-1", 0, 0, NULL },
		{ "", 0, 0, NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *rest = NULL;
		dev_t device = 0;

		check_case = rows[i].text;
		CHECK_NUMBER(dm_parse_device(rows[i].text, &device, &rest), rows[i].rest != NULL);
		if (rows[i].rest == NULL)
			continue;
		CHECK_NUMBER(device, makedev(rows[i].major, rows[i].minor));
		CHECK_TEXT(rest, rows[i].rest);
	}
	check_case = "";
}

static void
the_block_of_an_era_device_is_in_its_table(void)
{
	static const struct { const char *type, *params; uint64_t block; } rows[] = {
		{ "era", "253:1 253:2 128", 65536 },
		{ "era", "253:1 253:2 1", 512 },
		{ "era", "253:1 253:2 0", 0 },
		{ "era", "253:1 253:2 4294967296", 0 },
		{ "era", "253:1 253:2 128 more", 0 },
		{ "era", "253:1 128", 0 },
		{ "era", "", 0 },
		{ "linear", "253:1 253:2 128", 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct dm_target table = { .targets = 1 };

		check_case = rows[i].params;
		snprintf(table.type, sizeof(table.type), "%s", rows[i].type);
		snprintf(table.params, sizeof(table.params), "%s", rows[i].params);
		CHECK_NUMBER(dm_parse_era(&table), rows[i].block);
	}
	check_case = "";
}

/* A table of one line that shows another device byte for byte, and where it begins there. */
static void
a_piece_of_a_device_is_in_its_table(void)
{
	static const struct { unsigned targets; const char *type, *params; uint64_t begins; } rows[] = {
		{ 1, "linear", "8:17 2048", 1048576 },
		{ 1, "linear", "8:17 0", 0 },
		{ 1, "snapshot-origin", "8:17", 0 },
		{ 1, "snapshot-origin", "8:17 0", UINT64_MAX },
		{ 1, "linear", "8:17", UINT64_MAX },
		{ 1, "linear", "8:17 -1", UINT64_MAX },
		{ 1, "linear", "8:17 18014398509481984", UINT64_MAX },
		{ 1, "linear", "/dev/sdb1 0", UINT64_MAX },
		{ 2, "linear", "8:17 2048", UINT64_MAX },
		{ 0, "linear", "8:17 2048", UINT64_MAX },
		{ 1, "snapshot", "8:17 8:18 P 16", UINT64_MAX },
		{ 1, "crypt", "aes 00 0 8:17 2048", UINT64_MAX },
		{ 1, "flakey", "8:17 2048 1 0", UINT64_MAX },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct dm_target table = { .targets = rows[i].targets };
		uint64_t begins;
		dev_t below;

		check_case = rows[i].params;
		snprintf(table.type, sizeof(table.type), "%s", rows[i].type);
		snprintf(table.params, sizeof(table.params), "%s", rows[i].params);
		CHECK_NUMBER(dm_parse_piece(&table, &below, &begins), rows[i].begins != UINT64_MAX);
		if (rows[i].begins == UINT64_MAX)
			continue;
		CHECK_NUMBER(begins, rows[i].begins);
		CHECK_NUMBER(below, makedev(8, 17));
	}
	check_case = "";
}

/* A number that no block device has. */
static void
a_missing_device_is_named(void)
{
	struct error error = { 0 };
	dev_t holders[DM_HOLDERS_MAX];
	char path[64];
	size_t count;

	CHECK(!dm_holders(makedev(4000, 4000), holders, &count, &error) && error.set);
	CHECK(strstr(error.text, "4000:4000") != NULL);
	error.set = false;
	CHECK(!stack_path(makedev(4000, 4000), path, sizeof(path), &error) && error.set);
	CHECK(strstr(error.text, "4000:4000") != NULL);
}

int
main(void)
{
	a_device_is_two_numbers_and_nothing_else();
	the_block_of_an_era_device_is_in_its_table();
	a_piece_of_a_device_is_in_its_table();
	a_missing_device_is_named();
	return check_done();
}
