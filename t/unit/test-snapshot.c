/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <sys/sysmacros.h>

#include "check.h"
#include "diff/snapshot.h"

static struct dm_target
target(const char *type, const char *params)
{
	struct dm_target target = { .targets = 1, .sectors = 8192, .read_only = true };

	snprintf(target.type, sizeof(target.type), "%s", type);
	snprintf(target.params, sizeof(target.params), "%s", params);
	return target;
}

static void
a_table_gives_origin_store_and_size(void)
{
	struct dm_target table = target("snapshot", "253:1 253:2 P 8");
	struct snapshot snapshot = { .name = "/dev/vg/old" };
	struct error error = { 0 };

	CHECK(snapshot_table(&snapshot, &table, &error) && !error.set);
	CHECK_NUMBER(snapshot.origin, makedev(253, 1));
	CHECK_NUMBER(snapshot.cow, makedev(253, 2));
	CHECK_NUMBER(snapshot.size, 8192 * 512);
	CHECK(snapshot.read_only);
}

static void
other_tables_are_refused_with_a_remedy(void)
{
	static const struct { const char *type, *params; unsigned targets; const char *words; } rows[] = {
		{ "snapshot-merge", "253:1 253:2 P 8", 1, "wait for the merge, then use --map" },
		{ "error", "", 1, "wait for the merge, then use --map" },
		{ "thin", "253:4 1", 1, "its target is thin (thin volumes: thin_delta and --changes)" },
		{ "snapshot", "253:1 253:2 P 8", 2, "no classic snapshot" },
		{ "snapshot", "253:1 253:2 N 8", 1, "make a persistent one, or use --map" },
		{ "snapshot", "253:1", 1, "table not understood: 253:1" },
		{ "snapshot", "vg-web vg-cow P 8", 1, "table not understood" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct dm_target table = target(rows[i].type, rows[i].params);
		struct snapshot snapshot = { .name = "/dev/vg/old" };
		struct error error = { 0 };

		check_case = rows[i].words;
		table.targets = rows[i].targets;
		CHECK(!snapshot_table(&snapshot, &table, &error));
		CHECK(strncmp(error.text, "/dev/vg/old: ", 13) == 0);
		CHECK(strstr(error.text, rows[i].words) != NULL);
	}
	check_case = "";
}

static void
a_status_gives_the_sectors_in_use_or_a_reason(void)
{
	static const struct { const char *type, *params, *words; } rows[] = {
		{ "snapshot", "32/2048 16", NULL },
		{ "snapshot", "Invalid", "the snapshot overflowed" },
		{ "snapshot", "Overflow", "the snapshot overflowed" },
		{ "snapshot", "Merge failed", "status not understood: Merge failed" },
		{ "snapshot", "32/2048", "status not understood" },
		{ "snapshot", "16/2048 32", "status not understood" },
		{ "snapshot", "4096/2048 16", "status not understood" },
		{ "snapshot", "", "status not understood" },
		{ "snapshot-merge", "32/2048 16", "being merged" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct dm_target status = target(rows[i].type, rows[i].params);
		struct snapshot snapshot = { .name = "/dev/vg/old" };
		uint64_t allocated = 0, metadata = 0;
		struct error error = { 0 };

		check_case = rows[i].params;
		CHECK_NUMBER(snapshot_status(&snapshot, &status, &allocated, &metadata, &error),
		    rows[i].words == NULL);
		if (rows[i].words != NULL) {
			CHECK(strstr(error.text, rows[i].words) != NULL);
			continue;
		}
		CHECK_NUMBER(allocated, 32);
		CHECK_NUMBER(metadata, 16);
	}
	check_case = "";
}

static void
a_file_that_is_no_block_device_is_refused(void)
{
	struct snapshot snapshot;
	struct error error = { 0 };

	CHECK(!snapshot_open(&snapshot, "/dev/null", &error));
	CHECK_TEXT(error.text, "/dev/null: not a block device (a store in a file is read by --store)");
	error.set = false;
	CHECK(!snapshot_open(&snapshot, "/nonexistent/snapshot", &error));
	CHECK_TEXT(error.text, "/nonexistent/snapshot: No such file or directory");
}

int
main(void)
{
	a_table_gives_origin_store_and_size();
	other_tables_are_refused_with_a_remedy();
	a_status_gives_the_sectors_in_use_or_a_reason();
	a_file_that_is_no_block_device_is_refused();
	return check_done();
}
