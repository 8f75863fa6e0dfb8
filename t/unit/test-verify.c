/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <err.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/io.h"
#include "check.h"
#include "write/verify.h"

#define BLOCK	((uint64_t)BLK128_BLOCK)

static char name[] = "/tmp/verify.XXXXXX";
static struct target target;

/* A target of size bytes: of each block all bytes are its number, from 1 on. */
static void
begin(uint64_t size)
{
	static unsigned char block[BLK128_BLOCK];
	struct target_options options = { .length = UINT64_MAX };
	struct error error = { 0 };
	int fd = open(name, O_RDWR | O_TRUNC);

	for (uint64_t at = 0; at < size; at += BLOCK) {
		memset(block, (int)(at / BLOCK + 1), BLOCK);
		if (!pwrite_full(fd, block, size - at < BLOCK ? size - at : BLOCK, at))
			err(2, "%s", name);
	}
	close(fd);
	if (!target_open(&target, name, &options, &error) ||
	    !target_prepare(&target, size, true, &error))
		errx(2, "%s", error.text);
}

static void
end(struct verify *verify)
{
	struct error error = { 0 };

	verify_destroy(verify);
	CHECK(target_close(&target, &error));
}

/* Push blocks first to last; the wrong one, if any, gets another hash. */
static void
push(struct verify *verify, uint64_t first, uint64_t last, uint64_t wrong)
{
	static unsigned char block[BLK128_BLOCK];
	unsigned char hash[BLK128_SIZE];

	for (uint64_t i = first; i <= last; i++) {
		memset(block, (int)(i == wrong ? 255 : i + 1), BLOCK);
		blk128_blocks(block, BLOCK, hash);
		CHECK(verify_push(verify, i * BLOCK, BLOCK, hash));
	}
}

static uint64_t
work_all(struct verify *verify, bool drain)
{
	static unsigned char room[VERIFY_CHUNK] __attribute__((aligned(4096)));
	struct verify_job job = { .room = room };
	uint64_t done = 0;

	while (verify_pop(verify, drain, &job)) {
		verify_work(verify, &job);
		CHECK(!job.error.set);
		CHECK(job.length > 0 && job.length <= (job.zero ? VERIFY_ZEROS : VERIFY_CHUNK));
		done += job.length;
	}
	return done;
}

static void
check_differences(struct verify *verify, const char *want)
{
	struct verify_range list[VERIFY_LISTED];
	char have[2048] = "";
	uint64_t bytes, sum = 0;
	bool more;
	unsigned count = verify_differences(verify, list, &more, &bytes);

	for (unsigned i = 0; i < count; i++) {
		sprintf(have + strlen(have), "%ju+%ju ", (uintmax_t)(list[i].offset / BLOCK),
		    (uintmax_t)(list[i].length / BLOCK));
		sum += list[i].length;
	}
	strcat(have, more ? "..." : ".");
	CHECK_TEXT(have, want);
	if (!more)
		CHECK_NUMBER(bytes, sum);
}

static void
written_data_passes(void)
{
	struct verify *verify;

	begin(40 * BLOCK);
	verify = verify_create(&target);
	push(verify, 0, 39, UINT64_MAX);
	CHECK_NUMBER(verify_pending(verify), 40 * BLOCK);
	CHECK_NUMBER(work_all(verify, true), 40 * BLOCK);
	CHECK_NUMBER(verify_pending(verify), 0);
	check_differences(verify, ".");
	end(verify);
}

static void
a_block_that_differs_is_named(void)
{
	struct verify *verify;

	begin(10 * BLOCK);
	verify = verify_create(&target);
	push(verify, 0, 9, 6);
	work_all(verify, true);
	check_differences(verify, "6+1 .");
	end(verify);
}

/* The last block of a device may be short; the next one is then off the grid. */
static void
a_short_block_ends_a_job(void)
{
	static unsigned char block[100];
	unsigned char hash[BLK128_SIZE];
	struct verify *verify;

	begin(4 * BLOCK);
	verify = verify_create(&target);
	memset(block, 1, sizeof(block));
	blk128_blocks(block, sizeof(block), hash);
	CHECK(verify_push(verify, BLOCK - 100, 100, hash));
	push(verify, 1, 2, UINT64_MAX);
	CHECK_NUMBER(work_all(verify, true), 2 * BLOCK + 100);
	check_differences(verify, ".");
	end(verify);
}

static void
nothing_is_read_before_a_window_has_gathered(void)
{
	struct verify_job job;
	struct verify *verify;
	uint64_t i = 0, pending;

	begin(BLOCK);
	verify = verify_create(&target);
	for (; (i + 1) * BLOCK < VERIFY_WINDOW; i++) {
		push(verify, i, i, UINT64_MAX);
		CHECK(!verify_pop(verify, false, &job));
	}
	push(verify, i, i, UINT64_MAX);
	pending = verify_pending(verify);
	while (verify_pop(verify, false, &job))
		pending -= job.length;
	CHECK_NUMBER(pending, 0);
	push(verify, 0, 0, UINT64_MAX);
	CHECK(!verify_pop(verify, false, &job));
	CHECK(verify_pop(verify, true, &job));
	end(verify);
}

/* Many short pieces are a window too: it is memory that is bounded. */
static void
many_pieces_make_a_window(void)
{
	unsigned char hash[BLK128_SIZE] = { 0 };
	struct verify_job job;
	struct verify *verify;
	unsigned pushed = 0;

	begin(BLOCK);
	verify = verify_create(&target);
	do
		CHECK(verify_push(verify, 1000 * pushed, 10, hash));
	while (++pushed < 100000 && !verify_pop(verify, false, &job));
	CHECK_NUMBER(pushed, VERIFY_WINDOW / BLK128_BLOCK);
	end(verify);
}

/* A ring that grows keeps order and content. */
static void
more_than_a_window_may_be_pushed(void)
{
	struct verify_job job;
	struct verify *verify;
	uint64_t at = 0;

	begin(BLOCK);
	verify = verify_create(&target);
	push(verify, 0, 700, UINT64_MAX);
	for (int i = 0; i < 100; i++)
		CHECK(verify_pop(verify, true, &job));
	at = 400 * BLOCK;
	push(verify, 701, 9999, UINT64_MAX);
	for (; verify_pop(verify, true, &job); at += job.length)
		CHECK_NUMBER(job.offset, at);
	CHECK_NUMBER(at, 10000 * BLOCK);
	end(verify);
}

static void
zeros_outside_of_holes_are_read(void)
{
	static const unsigned char block[BLK128_BLOCK] = { [4711] = 1 };
	struct verify *verify;
	struct error error = { 0 };

	begin(40 * BLOCK);
	CHECK(target_erase(&target, 5 * BLOCK, 30 * BLOCK, &error));
	CHECK(target_write(&target, 17 * BLOCK, block, BLOCK, &error));
	verify = verify_create(&target);
	CHECK(verify_push(verify, 4 * BLOCK, 32 * BLOCK, NULL));
	CHECK_NUMBER(work_all(verify, true), 32 * BLOCK);
	check_differences(verify, "4+1 17+1 35+1 .");
	end(verify);
}

static void
terabytes_of_zeros_come_in_pieces(void)
{
	struct verify *verify;
	struct error error = { 0 };

	begin(BLOCK);
	CHECK(target_grow(&target, 1ull << 40, &error));
	verify = verify_create(&target);
	CHECK(verify_push(verify, BLOCK, (1ull << 40) - BLOCK, NULL));
	CHECK_NUMBER(work_all(verify, false), (1ull << 40) - BLOCK);
	check_differences(verify, ".");
	end(verify);
}

/* Threads find them in any order. */
static void
differences_are_sorted_and_merged_and_the_first_are_kept(void)
{
	static const struct { const char *blocks, *want; } cases[] = {
		{ "3 1 2", "1+3 ." },
		{ "1 3 2", "1+3 ." },
		{ "3 2 1", "1+3 ." },
		{ "5 1 3", "1+1 3+1 5+1 ." },
		{ "4 6 5 1 0", "0+2 4+3 ." },
		{ "8 0 2 4 6 7 5 3 1", "0+9 ." },
	};
	struct verify *verify;

	begin(64 * BLOCK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *next = (char *)cases[i].blocks;

		check_case = cases[i].blocks;
		verify = verify_create(&target);
		while (*next != '\0') {
			uint64_t block = strtoull(next, &next, 10);

			CHECK(verify_push(verify, block * BLOCK, BLOCK, (const unsigned char *)name));
			work_all(verify, true);
		}
		check_differences(verify, cases[i].want);
		verify_destroy(verify);
	}
	check_case = "";
	verify = verify_create(&target);
	for (uint64_t block = 60; block > 0; block -= 2)
		CHECK(verify_push(verify, block * BLOCK, BLOCK, (const unsigned char *)name));
	work_all(verify, true);
	check_differences(verify, "2+1 4+1 6+1 8+1 10+1 12+1 14+1 16+1 18+1 20+1 22+1 24+1 26+1 28+1 "
	    "30+1 32+1 34+1 36+1 38+1 40+1 ...");
	end(verify);
}

static void
an_unreadable_range_is_an_error(void)
{
	static unsigned char room[VERIFY_CHUNK] __attribute__((aligned(4096)));
	struct verify_job job = { .room = room };
	struct verify *verify;

	begin(BLOCK);
	verify = verify_create(&target);
	push(verify, 1, 1, UINT64_MAX);
	CHECK(verify_pop(verify, true, &job));
	verify_work(verify, &job);
	CHECK(job.error.set);
	CHECK(strstr(job.error.text, "reading back at byte 65536: end of file") != NULL);
	end(verify);
}

int
main(void)
{
	int fd = mkstemp(name);

	if (fd == -1)
		err(2, "%s", name);
	close(fd);
	written_data_passes();
	a_block_that_differs_is_named();
	a_short_block_ends_a_job();
	nothing_is_read_before_a_window_has_gathered();
	many_pieces_make_a_window();
	more_than_a_window_may_be_pushed();
	zeros_outside_of_holes_are_read();
	terabytes_of_zeros_come_in_pieces();
	differences_are_sorted_and_merged_and_the_first_are_kept();
	an_unreadable_range_is_an_error();
	unlink(name);
	return check_done();
}
