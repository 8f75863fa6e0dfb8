/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/size.h"
#include "check.h"
#include "device/target.h"
#include "write/commit.h"

/* A target in a file, and the commit of its first MiB. */

static char folder[] = "/tmp/target.XXXXXX";
static char name[64];
static struct target target;
static struct error error;

static const unsigned char *
filled(int byte)
{
	static unsigned char bytes[8u << 20];

	memset(bytes, byte, sizeof(bytes));
	return bytes;
}

/* Make a file of size bytes that are all 0xaa, and open it as a target. */
static bool
begin(uint64_t size, struct target_options options)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd == -1 || !pwrite_full(fd, filled(0xaa), size, 0))
		err(2, "%s", name);
	close(fd);
	error = (struct error){ 0 };
	return target_open(&target, name, &options, &error);
}

static uint64_t
file_size(void)
{
	struct stat status;

	return stat(name, &status) == 0 ? (uint64_t)status.st_size : UINT64_MAX;
}

/* Whether length bytes of the file from at on are all the same. */
static bool
holds(uint64_t at, uint64_t length, int byte)
{
	unsigned char *seen = malloc(length);
	int fd = open(name, O_RDONLY);
	bool same = pread_full(fd, seen, length, at) == (ssize_t)length &&
	    memcmp(seen, filled(byte), length) == 0;

	close(fd);
	free(seen);
	return same;
}

static void
nothing_goes_outside_of_the_range(void)
{
	static const struct { uint64_t offset, length; bool fits; } cases[] = {
		{ 0, 1000, true }, { 999, 1, true }, { 1000, 0, true }, { 0, 1001, false },
		{ 999, 2, false }, { 1000, 1, false }, { 1001, 0, false }, { UINT64_MAX, 2, false },
		{ 1, UINT64_MAX, false }, { UINT64_MAX - 5, 10, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint64_t offset = cases[i].offset, length = cases[i].length;

		CHECK(begin(4000, (struct target_options){ .offset = 1500, .length = 1000 }));
		CHECK(target_write(&target, offset, filled(1), length, &error) == cases[i].fits);
		error.set = false;
		CHECK(target_erase(&target, offset, length, &error) == cases[i].fits);
		CHECK(target_discard(&target, offset, length) == cases[i].fits);
		CHECK(holds(0, 1500, 0xaa) && holds(2500, 1500, 0xaa));
		CHECK_NUMBER(file_size(), 4000);
		error.set = false;
		CHECK(target_close(&target, &error));
	}
}

static void
a_range_is_held_against_the_largest_size(void)
{
	CHECK(begin(10, (struct target_options){ .offset = SIZE_LIMIT, .length = UINT64_MAX }));
	CHECK(target_fits(&target, 0, &error) && !target_fits(&target, 1, &error));
	CHECK(target_close(&target, &error));
	CHECK(!begin(10, (struct target_options){ .offset = SIZE_LIMIT + 1, .length = UINT64_MAX }));
	CHECK(!begin(10, (struct target_options){ .offset = 2, .length = SIZE_LIMIT - 1 }));
	CHECK(begin(10, (struct target_options){ .offset = 2, .length = SIZE_LIMIT - 2 }));
	CHECK(target_close(&target, &error));
}

static void
it_grows_and_never_shrinks_before_the_cut(void)
{
	CHECK(begin(4000, (struct target_options){ .length = UINT64_MAX }));
	CHECK(target_prepare(&target, 1000, false, &error));
	CHECK_NUMBER(file_size(), 4000);
	CHECK(target_grow(&target, 5000, &error));
	CHECK(target_grow(&target, 4500, &error));
	CHECK_NUMBER(file_size(), 5000);
	CHECK(target_cut(&target, 1000, true, &error));
	CHECK_NUMBER(file_size(), 1000);
	CHECK(target_close(&target, &error));

	CHECK(begin(4000, (struct target_options){ .length = UINT64_MAX, .confined = true }));
	CHECK(target_cut(&target, 1000, true, &error));
	CHECK_NUMBER(file_size(), 4000);
	CHECK(target_close(&target, &error));
}

/* Where it was never written it is zero without a system call; else it is made so. */
static void
zeros_before_and_behind_the_old_end(void)
{
	CHECK(begin(100000, (struct target_options){ .offset = 10, .length = UINT64_MAX }));
	CHECK(target_prepare(&target, 299990, false, &error));
	CHECK(target_zero(&target, 90000, 100000, &error));
	CHECK(holds(0, 90010, 0xaa) && holds(90010, 209990, 0));
	CHECK(target_write(&target, 200000, filled(1), 5000, &error));
	CHECK(target_erase(&target, 200000, 5000, &error));
	CHECK(holds(90010, 209990, 0));
	CHECK(target_close(&target, &error));
}

static void
what_cannot_be_prepared_is_not_created(void)
{
	struct target_options options = { .length = 5000, .create = true };
	struct stat status;

	unlink(name);
	error = (struct error){ 0 };
	CHECK(target_open(&target, name, &options, &error));
	CHECK(stat(name, &status) == -1);
	CHECK(!target_prepare(&target, 5001, false, &error));
	CHECK(stat(name, &status) == -1);
	error = (struct error){ 0 };
	CHECK(target_prepare(&target, 5000, false, &error));
	CHECK(target.created && file_size() == 5000);
	CHECK(target_close(&target, &error));
}

static void
it_reads_back_what_was_written(void)
{
	unsigned char *room = buffer_create(VERIFY_CHUNK);

	CHECK(begin(300000, (struct target_options){ .offset = 777, .length = UINT64_MAX }));
	CHECK(target_prepare(&target, 262144, true, &error));
	CHECK(target_write(&target, 0, filled(3), 262144, &error));
	CHECK(target_read(&target, 0, room, 262144, &error));
	CHECK(memcmp(room, filled(3), 262144) == 0);
	CHECK(target_read(&target, 1000, room, 999, &error));
	CHECK(!target_read(&target, 262144, room, 262144, &error));
	CHECK(strstr(error.text, ": reading back at byte 300000: end of file") != NULL);
	error.set = false;
	CHECK(target_close(&target, &error));
	free(room);
}

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

int
main(void)
{
	if (mkdtemp(folder) == NULL)
		err(2, "%s", folder);
	snprintf(name, sizeof(name), "%s/disk", folder);
	nothing_goes_outside_of_the_range();
	a_range_is_held_against_the_largest_size();
	it_grows_and_never_shrinks_before_the_cut();
	zeros_before_and_behind_the_old_end();
	what_cannot_be_prepared_is_not_created();
	it_reads_back_what_was_written();
	the_first_mebibyte_comes_last();
	of_a_small_range_all_is_held_back();
	a_commit_that_fails_says_so();
	unlink(name);
	rmdir(folder);
	return check_done();
}
