/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "base/io.h"
#include "check.h"
#include "hash/blk128.h"
#include "noise.h"
#include "streams.h"
#include "sum/mapsum.h"
#include "sum/sum.h"

#define SIZE	((3u << 20) + 77)

static unsigned char device[SIZE];
static struct sum_left *kept;

/* The digest as the modules of hash/ compute it, in one piece. */
static const char *
expected(enum checksum_kind kind, const unsigned char *data, size_t length)
{
	static unsigned char hashes[BLK128_BLOCKS(SIZE) * BLK128_SIZE], raw[BLK128_SIZE];
	static char digits[CHECKSUM_HEX];
	struct checksum *sum;
	struct blk128 *digest;

	if (kind != CHECKSUM_BLK128) {
		sum = checksum_create(kind);
		checksum_add(sum, data, length);
		checksum_finish(sum, digits);
		checksum_destroy(sum);
		return digits;
	}
	digest = blk128_create();
	blk128_blocks(data, length, hashes);
	blk128_add(digest, hashes, length);
	blk128_finish(digest, raw);
	blk128_destroy(digest);
	return blk128_hex(raw, digits);
}

static void
check_source(uint64_t offset, uint64_t length, unsigned jobs, enum checksum_kind kind)
{
	struct sum_range range = { .offset = offset, .length = length, .jobs = jobs };
	struct source source;
	struct error error = { 0 };
	struct sum_digests sums = { .count = 2, .kinds = { CHECKSUM_SHA1, kind } };

	noise_source(&source, device, SIZE, "device");
	CHECK(sum_source(&source, &range, &sums, &kept, &error));
	CHECK_TEXT(sums.digits[1], expected(kind, device + offset,
	    length == UINT64_MAX ? SIZE - offset : length));
	CHECK_TEXT(sums.digits[0], expected(CHECKSUM_SHA1, device + offset,
	    length == UINT64_MAX ? SIZE - offset : length));
	source_close(&source);
}

static void
a_source_with_holes_has_the_digest_of_its_bytes(void)
{
	for (int kind = 0; kind < CHECKSUM_KINDS; kind++) {
		check_case = checksum_name((enum checksum_kind)kind);
		check_source(0, UINT64_MAX, 1, (enum checksum_kind)kind);
		check_source(0, UINT64_MAX, 3, (enum checksum_kind)kind);
		check_source(1, (1 << 20) + 5, 3, (enum checksum_kind)kind);
		check_source(SIZE - 10, UINT64_MAX, 2, (enum checksum_kind)kind);
	}
	check_case = "";
}

static void
a_range_beyond_the_end_is_refused(void)
{
	struct sum_range range = { .offset = SIZE, .length = 1, .jobs = 1 };
	struct source source;
	struct error error = { 0 };
	struct sum_digests sums = { .count = 1, .kinds = { CHECKSUM_MD5 } };

	noise_source(&source, device, SIZE, "device");
	CHECK(!sum_source(&source, &range, &sums, &kept, &error) && error.set);
	source_close(&source);
}

/*
 * Digest the first bytes of a stream.  Each input is static and is used once, for the
 * thread of a digest that failed may still wait for it.
 */
static bool
sum_made(const struct streams_made *made, size_t length, uint64_t offset, char *digits,
    struct error *error)
{
	struct sum_range range = { .offset = offset, .length = UINT64_MAX, .jobs = 2 };
	static struct input inputs[8];
	static size_t used;
	struct sum_digests sums = { .count = 1, .kinds = { CHECKSUM_SHA256 } };
	bool done;
	struct input *input = &inputs[used++];

	if (used > sizeof(inputs) / sizeof(inputs[0]))
		errx(2, "more streams than inputs");
	input_open(input, check_file(made->bytes, length), -1, "stream");
	done = sum_stream(input, &range, &sums, &kept, error);
	strcpy(digits, sums.digits[0]);
	return done;
}

static void
a_stream_has_the_digest_of_its_image(void)
{
	static struct streams_made made;
	static const char *const names[] = { "empty", "image", "holes", "bad", "unsized" };
	char digits[CHECKSUM_HEX];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct error error = { 0 };

		check_case = names[i];
		streams_make(&made, streams_find(names[i]));
		CHECK(sum_made(&made, made.length, 0, digits, &error));
		CHECK_TEXT(digits, expected(CHECKSUM_SHA256, made.after, made.plan->size));
		free(made.bytes);
	}
	CHECK(kept == NULL);
	check_case = "";
}

static void
a_cut_stream_and_a_range_of_a_stream_have_no_digest(void)
{
	static struct streams_made made;
	struct error cut = { 0 }, range = { 0 }, delta = { 0 };
	char digits[CHECKSUM_HEX];

	streams_make(&made, streams_find("image"));
	CHECK(!sum_made(&made, made.length - 1, 0, digits, &cut) && cut.set);
	CHECK(strstr(cut.text, "the stream was cut") != NULL);
	CHECK(kept != NULL);
	CHECK(!sum_made(&made, made.length, 1, digits, &range) && range.set);
	free(made.bytes);
	streams_make(&made, streams_find("delta"));
	CHECK(!sum_made(&made, made.length, 0, digits, &delta) && delta.set);
	free(made.bytes);
}

static void
a_missing_file_is_recognised_by_errno(void)
{
	struct sum_range range = { .length = UINT64_MAX, .jobs = 1 };
	struct sum_left *left = NULL;
	struct error error = { 0 };
	struct sum_digests sums = { .count = 1, .kinds = { CHECKSUM_MD5 } };

	CHECK(!sum_file("/nonexistent", &range, &sums, &left, &error));
	CHECK_NUMBER(error.number, ENOENT);
	CHECK(left == NULL);
}

static char differences[256];

static void
note_difference(void *context, uint64_t offset, uint64_t length)
{
	char *end = differences + strlen(differences);

	(void)context;
	snprintf(end, sizeof(differences) - (size_t)(end - differences), "%ju+%ju ",
	    (uintmax_t)offset, (uintmax_t)length);
}

/* Write the map of device, change it, and compare. */
static void
check_map(uint32_t grid, enum stream_hash hash, const char *want, uint64_t ranges, uint64_t total)
{
	static struct map_reader map;
	static unsigned char changed[SIZE];
	struct sum_range range = { .length = UINT64_MAX, .jobs = 2 };
	int fd = memfd_create("map", MFD_CLOEXEC);
	struct source source;
	struct input input;
	struct mapsum_found found;
	struct error error = { 0 };

	noise_source(&source, device, SIZE, "device");
	CHECK(mapsum_write(&source, &range, grid, hash, fd, &error));
	source_close(&source);
	memcpy(changed, device, SIZE);
	changed[0] ^= 1;
	changed[2 << 20] ^= 1;
	changed[(2 << 20) + grid] ^= 1;

	noise_source(&source, changed, SIZE - 1, "changed");
	lseek(fd, 0, SEEK_SET);
	input_open(&input, fd, -1, "map");
	differences[0] = '\0';
	CHECK(map_open(&map, &input, &error) &&
	    mapsum_compare(&source, &range, &map, note_difference, NULL, &found, &error));
	CHECK_TEXT(differences, want);
	CHECK_NUMBER(found.ranges, ranges);
	CHECK_NUMBER(found.bytes, total);
	map_close(&map);
	source_close(&source);
	close(fd);
}

static void
ranges_that_differ_from_a_map_are_merged_and_named(void)
{
	check_map(4096, STREAM_XXH3_128, "0+4096 2097152+8192 3145728+77 ", 3, 12365);
	check_map(BLK128_BLOCK, STREAM_XXH3_128, "0+65536 2097152+131072 3145728+77 ", 3, 196685);
	check_map(4096, STREAM_SHA256, "0+4096 2097152+8192 3145728+77 ", 3, 12365);
	check_map(1 << 20, STREAM_SHA256, "0+1048576 2097152+1048653 ", 2, 2097229);
}

int
main(void)
{
	noise_scribble(device, SIZE, 40);
	memset(device + (1 << 20), 0, 1 << 19);
	device[SIZE - 1] = 1;
	a_source_with_holes_has_the_digest_of_its_bytes();
	a_range_beyond_the_end_is_refused();
	a_stream_has_the_digest_of_its_image();
	a_cut_stream_and_a_range_of_a_stream_have_no_digest();
	a_missing_file_is_recognised_by_errno();
	ranges_that_differ_from_a_map_are_merged_and_named();
	return check_done();
}
