/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>

#include "base/io.h"
#include "check.h"
#include "read/scan.h"

#define SIZE	((8u << 20) + 12345)

static unsigned char want[SIZE];
static char path[64];
static int file;

/* Data, zeros that are written, and holes, none of them on the grid. */
static void
make_file(void)
{
	static const struct { uint32_t start, length; bool zero; } parts[] = {
		{ 0, 100, false }, { 200000, 70000, false }, { 400000, 500000, true },
		{ 1000000, 4096, false }, { 1100000, 1, false }, { 3000000, 1200000, false },
		{ 6000000, 300000, true }, { 8388608, 1000, false }
	};

	file = memfd_create("scan", 0);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		for (uint32_t at = 0; !parts[i].zero && at < parts[i].length; at++)
			want[parts[i].start + at] = (unsigned char)(at * 2654435761u >> 11 | 1);
		CHECK(pwrite_full(file, want + parts[i].start, parts[i].length, parts[i].start));
	}
	CHECK(ftruncate(file, SIZE) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
}

static void
open_file(struct source *source)
{
	struct error error = { 0 };

	if (!source_open(source, path, SOURCE_DIRECT_AUTO, false, &error))
		errx(2, "%s", error.text);
}

/* What give has seen. */
struct seen {
	struct scan *scan;
	uint64_t next, holes;
	unsigned chunks, stop_after;
	char error[256];
};

/* Whether a chunk's description matches the bytes. */
static void
check_chunk(struct seen *seen, const struct scan_chunk *chunk)
{
	const unsigned char *data = want + seen->scan->offset + chunk->offset;
	unsigned char hashes[SCAN_BLOCKS * BLK128_SIZE];
	uint64_t at;

	CHECK_NUMBER(chunk->offset, seen->next);
	CHECK_NUMBER(chunk->offset % seen->scan->grid, 0);
	CHECK(chunk->length > 0 && chunk->length <= seen->scan->length - chunk->offset);
	if (chunk->hole) {
		CHECK(bytes_are_zero(data, (size_t)chunk->length));
		return;
	}
	CHECK(chunk->length <= seen->scan->chunk);
	CHECK(memcmp(chunk->data, data, (size_t)chunk->length) == 0);
	blk128_blocks(data, (size_t)chunk->length, hashes);
	CHECK(memcmp(chunk->hashes, hashes, BLK128_BLOCKS(chunk->length) * BLK128_SIZE) == 0);
	for (at = 0; at < chunk->length; at += BLK128_BLOCK)
		CHECK(chunk->zero[at / BLK128_BLOCK] == bytes_are_zero(data + at,
		    chunk->length - at < BLK128_BLOCK ? (size_t)(chunk->length - at) : BLK128_BLOCK));
}

static void
mark(void *context, struct scan_chunk *chunk)
{
	(void)context;
	*(uint64_t *)chunk->user = chunk->offset + 1;
}

static bool
give(void *context, struct scan_chunk *chunk)
{
	struct seen *seen = context;

	if (chunk->error.set) {
		snprintf(seen->error, sizeof(seen->error), "%.200s", chunk->error.text);
		return false;
	}
	CHECK_NUMBER(*(uint64_t *)chunk->user, chunk->offset + 1);
	check_chunk(seen, chunk);
	seen->next = chunk->offset + chunk->length;
	seen->holes += chunk->hole ? chunk->length : 0;
	return ++seen->chunks != seen->stop_after;
}

static void
every_range_is_covered_in_order(void)
{
	static const struct { uint64_t offset, length; uint32_t chunk, grid; } cases[] = {
		{ 0, UINT64_MAX, 0, 0 }, { 0, UINT64_MAX, 1 << 20, 1 << 20 },
		{ 0, UINT64_MAX, 65536, 65536 }, { 1, 5000000, 0, 0 }, { 4097, 3000000, 0, 131072 },
		{ 199999, 70002, 0, 0 }, { 4200000, 65536, 0, 0 }, { 4200000, 65537, 0, 0 },
		{ SIZE, UINT64_MAX, 0, 0 }, { SIZE - 1, 1, 0, 0 }, { 8388608, UINT64_MAX, 0, 0 }
	};
	static const unsigned jobs[] = { 1, 2, 5, 64 };
	struct source source;

	open_file(&source);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		for (size_t j = 0; j < sizeof(jobs) / sizeof(*jobs); j++) {
			struct scan scan = {
				.source = &source, .offset = cases[i].offset, .length = cases[i].length,
				.chunk = cases[i].chunk, .grid = cases[i].grid, .jobs = jobs[j], .hash = true,
				.user_size = sizeof(uint64_t), .work = mark, .give = give
			};
			struct seen seen = { .scan = &scan };
			struct error error = { 0 };

			scan.context = &seen;
			CHECK(scan_bound(&scan, &error));
			CHECK(scan_run(&scan, &error));
			CHECK_NUMBER(seen.next, scan.length);
			CHECK(!error.set);
			if (i == 0)
				CHECK(seen.holes > 3000000);
		}
	source_close(&source);
}

static void
ranges_are_held_against_the_source(void)
{
	struct source source;
	struct error error = { 0 };
	struct scan scan = { .source = &source, .offset = SIZE + 1, .length = UINT64_MAX };
	char text[256];

	open_file(&source);
	CHECK(!scan_bound(&scan, &error));
	snprintf(text, sizeof(text), "%s: offset %u lies behind its end at %u", path, SIZE + 1, SIZE);
	CHECK_TEXT(error.text, text);
	error = (struct error){ 0 };
	scan.offset = 1;
	scan.length = SIZE;
	CHECK(!scan_bound(&scan, &error));
	error = (struct error){ 0 };
	scan.length = SIZE - 1;
	CHECK(scan_bound(&scan, &error));
	scan.offset = UINT64_MAX - 5;
	scan.length = 10;
	CHECK(!scan_bound(&scan, &error));
	source_close(&source);
}

/* Nothing may touch the scan once it has returned: it is on the stack. */
static void
give_stops_it_and_no_thread_goes_on(void)
{
	struct source source;
	unsigned round;

	open_file(&source);
	for (round = 1; round < 200; round++) {
		struct scan scan = {
			.source = &source, .length = UINT64_MAX, .chunk = 65536, .jobs = 1 + round % 7,
			.hash = true, .user_size = sizeof(uint64_t), .work = mark, .give = give
		};
		struct seen seen = { .scan = &scan, .stop_after = 1 + round % 20 };
		struct error error = { 0 };

		scan.context = &seen;
		CHECK(scan_bound(&scan, &error));
		CHECK(!scan_run(&scan, &error));
		CHECK(!error.set);
		CHECK_NUMBER(seen.chunks, seen.stop_after);
		memset(&scan, 0xff, sizeof(scan));
		memset(&seen, 0xff, sizeof(seen));
	}
	source_close(&source);
}

static void
a_file_that_was_cut_fails_where_it_ends_now(void)
{
	static const unsigned cuts[] = { 4000000, 3000000, 100, 0, 8388608 };
	char text[256];

	for (size_t i = 0; i < sizeof(cuts) / sizeof(*cuts); i++) {
		struct source source;
		struct scan scan = {
			.source = &source, .length = UINT64_MAX, .jobs = 3, .hash = true,
			.user_size = sizeof(uint64_t), .work = mark, .give = give
		};
		struct seen seen = { .scan = &scan };
		struct error error = { 0 };

		make_file();
		open_file(&source);
		scan.context = &seen;
		CHECK(scan_bound(&scan, &error));
		CHECK(ftruncate(file, cuts[i]) == 0);
		CHECK(!scan_run(&scan, &error));
		snprintf(text, sizeof(text), "%s: at byte %u: it ends here now, but had %u bytes when opened",
		    path, cuts[i], SIZE);
		CHECK_TEXT(error.text, text);
		CHECK_TEXT(seen.error, text);
		source_close(&source);
		close(file);
	}
}

static void
a_pipe_comes_in_full_chunks_to_its_end(void)
{
	static const uint64_t sizes[] = { 0, 1, 65536, 262144, 262145, 600000 };
	static const unsigned jobs[] = { 1, 3 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes) * 2; i++) {
		struct source source;
		uint64_t size = sizes[i / 2];
		struct scan scan = {
			.source = &source, .length = UINT64_MAX, .jobs = jobs[i % 2], .hash = true,
			.user_size = sizeof(uint64_t), .work = mark, .give = give
		};
		struct seen seen = { .scan = &scan };
		struct error error = { 0 };
		int ends[2];

		check_pipe(ends);
		pipe_widen(ends[1]);
		CHECK(write_full(ends[1], want, (size_t)size));
		close(ends[1]);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[0]);
		open_file(&source);
		close(ends[0]);
		scan.context = &seen;
		CHECK(scan_bound(&scan, &error));
		CHECK(scan_run(&scan, &error));
		CHECK_NUMBER(seen.next, size);
		CHECK_NUMBER(seen.chunks, (size + SCAN_CHUNK - 1) / SCAN_CHUNK);
		source_close(&source);
	}
}

int
main(void)
{
	make_file();
	every_range_is_covered_in_order();
	ranges_are_held_against_the_source();
	give_stops_it_and_no_thread_goes_on();
	a_file_that_was_cut_fails_where_it_ends_now();
	a_pipe_comes_in_full_chunks_to_its_end();
	return check_done();
}
