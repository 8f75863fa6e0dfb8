/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/size.h"
#include "disk.h"
#include "write/verify.h"

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
a_range_is_checked_against_the_largest_size(void)
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
zeros_before_and_after_the_old_end(void)
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
a_target_that_cannot_be_prepared_is_not_created(void)
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
it_gets_its_old_size_back(void)
{
	CHECK(begin(4000, (struct target_options){ .length = UINT64_MAX }));
	CHECK(target_prepare(&target, 5000, false, &error));
	target_ungrow(&target);
	CHECK_NUMBER(file_size(), 4000);
	target_ungrow(&target);
	CHECK(holds(0, 4000, 0xaa));
	CHECK(target_close(&target, &error));
}

int
main(void)
{
	disk_folder();
	nothing_goes_outside_of_the_range();
	a_range_is_checked_against_the_largest_size();
	it_grows_and_never_shrinks_before_the_cut();
	zeros_before_and_after_the_old_end();
	a_target_that_cannot_be_prepared_is_not_created();
	it_reads_back_what_was_written();
	it_gets_its_old_size_back();
	return disk_done();
}
