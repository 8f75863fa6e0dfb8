/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "disk.h"
#include "write/commit.h"

static void
check_described(const struct commit *commit, const char *want)
{
	char now[512], *text = now;

	commit_describe(commit, now, sizeof(now));
	if (strncmp(text, name, strlen(name)) == 0)
		text += strlen(name) + 1;
	CHECK_TEXT(text, want);
}

static void
the_first_mebibyte_comes_last(void)
{
	struct commit commit;

	CHECK(begin(3 << 20, (struct target_options){ .length = UINT64_MAX }));
	CHECK(commit_create(&commit, &target, true, &error));
	check_described(&commit, "is as it was");
	CHECK(target_prepare(&target, 2 << 20, false, &error));
	CHECK(commit_begin(&commit, 2 << 20, &error));
	check_described(&commit, "is incomplete: its first MiB is zero");
	CHECK(holds(0, 1 << 20, 0) && holds(1 << 20, 2 << 20, 0xaa));

	CHECK_NUMBER(commit_keep(&commit, 0, 65536, filled(5)), 65536);
	CHECK_NUMBER(commit_keep(&commit, 65536, 100000, NULL), 100000);
	CHECK_NUMBER(commit_keep(&commit, 165536, 2000000, filled(5)), COMMIT_SIZE - 165536);
	CHECK_NUMBER(commit_keep(&commit, COMMIT_SIZE, 10, filled(5)), 0);
	CHECK(holds(0, 1 << 20, 0));

	CHECK(commit_finish(&commit, &error));
	check_described(&commit, "is complete");
	CHECK(holds(0, 65536, 5) && holds(65536, 100000, 0) && holds(165536, 883040, 5));
	CHECK(holds(1 << 20, 2 << 20, 0xaa));

	commit_revoke(&commit);
	check_described(&commit, "is incomplete: its first MiB is zero");
	CHECK(holds(0, 1 << 20, 0) && holds(1 << 20, 2 << 20, 0xaa));
	free(commit.head);
	CHECK(target_close(&target, &error));
}

static void
of_a_small_range_all_is_held_back(void)
{
	struct commit commit;

	CHECK(begin(10000, (struct target_options){ .offset = 100, .length = UINT64_MAX }));
	CHECK(commit_create(&commit, &target, true, &error));
	CHECK(commit_begin(&commit, 5000, &error));
	check_described(&commit, "is incomplete: its 5000 bytes from byte 100 on are zero");
	CHECK_NUMBER(commit_keep(&commit, 0, 5000, filled(9)), 5000);
	CHECK(commit_finish(&commit, &error));
	CHECK(holds(0, 100, 0xaa) && holds(100, 5000, 9) && holds(5100, 4900, 0xaa));
	free(commit.head);
	CHECK(target_close(&target, &error));
}

static void
a_commit_that_fails_says_so(void)
{
	struct commit commit;
	int fd;

	CHECK(begin(2 << 20, (struct target_options){ .length = UINT64_MAX }));
	CHECK(commit_create(&commit, &target, true, &error));
	fd = target.medium.fd;
	target.medium.fd = -1;
	CHECK(!commit_begin(&commit, 2 << 20, &error));
	check_described(&commit, "is spoilt: its first MiB may be zero in part");
	target.medium.fd = fd;
	error.set = false;
	CHECK(commit_begin(&commit, 2 << 20, &error));
	commit_keep(&commit, 0, 1 << 20, filled(5));
	target.medium.fd = -1;
	CHECK(!commit_finish(&commit, &error));
	commit_revoke(&commit);
	check_described(&commit, "is incomplete, and its first MiB may not be zero");
	target.medium.fd = fd;
	error.set = false;
	commit_revoke(&commit);
	check_described(&commit, "is incomplete: its first MiB is zero");
	free(commit.head);
	CHECK(target_close(&target, &error));
}

/* Where each step began and ended, in words. */
static char steps[256];

static bool
note_step(void *context, uint64_t start, uint64_t end, struct error *failure)
{
	const uint64_t *fail_at = context;
	size_t used = strlen(steps);

	snprintf(steps + used, sizeof(steps) - used, "%ju-%ju ", (uintmax_t)start, (uintmax_t)end);
	return start != *fail_at || error_set(failure, "at %ju", (uintmax_t)start);
}

static void
the_beginning_is_the_last_step(void)
{
	static const struct { uint64_t length, fail_at; const char *steps; } cases[] = {
		{ 1 << 20, 1, "131072-1048576 4096-131072 0-4096 " },
		{ 131073, 1, "131072-131073 4096-131072 0-4096 " },
		{ 131072, 1, "4096-131072 0-4096 " }, { 4097, 1, "4096-4097 0-4096 " },
		{ 4096, 1, "0-4096 " }, { 1, 1, "0-1 " }, { 0, 1, "" },
		{ 1 << 20, 131072, "131072-1048576 " }, { 1 << 20, 4096, "131072-1048576 4096-131072 " },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint64_t fail_at = cases[i].fail_at;

		steps[0] = '\0';
		error = (struct error){ 0 };
		CHECK(commit_by_steps(cases[i].length, note_step, &fail_at, &error) == (fail_at == 1));
		CHECK(error.set == (fail_at != 1));
		CHECK_TEXT(steps, cases[i].steps);
	}
}

/* As it was held, whatever the order in which it came. */
static void
what_was_held_is_read_back(void)
{
	static unsigned char room[VERIFY_CHUNK] __attribute__((aligned(4096)));
	struct verify_job job = { .room = room };
	struct verify_range list[VERIFY_LISTED];
	struct verify *verify;
	struct commit commit;
	uint64_t bytes;
	bool more;

	CHECK(begin(2 << 20, (struct target_options){ .length = UINT64_MAX }));
	CHECK(target_prepare(&target, 2 << 20, true, &error));
	CHECK(commit_create(&commit, &target, false, &error));
	CHECK(commit_begin(&commit, 2 << 20, &error));
	commit_keep(&commit, 500000, 1 << 20, filled(7));
	commit_keep(&commit, 0, 500000, filled(6));
	CHECK(commit_finish(&commit, &error));
	CHECK(target_write(&target, 600000, filled(8), 1, &error));
	verify = verify_create(&target);
	CHECK(commit_verify(&commit, verify));
	while (verify_pop(verify, true, &job))
		verify_work(verify, &job);
	CHECK_NUMBER(verify_differences(verify, list, &more, &bytes), 1);
	CHECK_NUMBER(list[0].offset, 600000 / BLK128_BLOCK * BLK128_BLOCK);
	CHECK_NUMBER(bytes, BLK128_BLOCK);
	verify_destroy(verify);
	free(commit.head);
	CHECK(target_close(&target, &error));
}

int
main(void)
{
	disk_folder();
	the_first_mebibyte_comes_last();
	of_a_small_range_all_is_held_back();
	a_commit_that_fails_says_so();
	the_beginning_is_the_last_step();
	what_was_held_is_read_back();
	return disk_done();
}
