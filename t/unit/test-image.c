/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>

#include "base/io.h"
#include "check.h"
#include "hash/hash64.h"
#include "read/image.h"

#define BLOCKS	4
#define SIZE	(BLOCKS * BLK128_BLOCK)

static struct image image;
static struct scan_chunk chunk;
static struct image_runs runs;
static unsigned char data[SIZE], device[4 * SIZE];
static uint64_t device_size;
static int file;

static void
begin(void)
{
	struct stream_header header;

	file = memfd_create("image", 0);
	device_size = 0;
	header_init(&header, STREAM_IMAGE, STREAM_UNKNOWN);
	header_encode(&header);
	CHECK(image_begin(&image, file, &header));
	chunk.data = data;
	chunk.user = &runs;
}

/* A chunk whose blocks are D (data) or z (zeros), the last of them short by `missing`. */
static void
put_chunk(const char *blocks, uint32_t missing)
{
	chunk.offset = device_size;
	chunk.hole = false;
	chunk.length = strlen(blocks) * BLK128_BLOCK - missing;
	for (size_t i = 0; blocks[i] != '\0'; i++) {
		size_t length = blocks[i + 1] == '\0' ? BLK128_BLOCK - missing : BLK128_BLOCK;

		memset(data + i * BLK128_BLOCK, blocks[i] == 'z' ? 0 : (int)(i + 1), length);
		chunk.zero[i] = blocks[i] == 'z';
	}
	blk128_blocks(data, (size_t)chunk.length, chunk.hashes);
	memcpy(device + device_size, data, (size_t)chunk.length);
	device_size += chunk.length;
	image_split(&chunk);
	CHECK(image_put(&image, &chunk));
	chunk.bad_count = 0;
}

static void
put_hole(uint64_t length)
{
	chunk.offset = device_size;
	chunk.hole = true;
	chunk.length = length;
	memset(device + device_size, 0, (size_t)length);
	device_size += length;
	image_split(&chunk);
	CHECK(image_put(&image, &chunk));
}

static void
add_bad(uint32_t start, uint32_t length)
{
	chunk.bad[chunk.bad_count++] = (struct source_bad){ .start = start, .length = length };
}

/* The records that were written, in KiB: "D0+64 Z64+64 e". */
static void
check_records(const char *want)
{
	static unsigned char payload[STREAM_PAYLOAD_MAX];
	static struct stream_reader reader;
	static struct input input;
	char have[512] = "", *out = have;
	unsigned char hashes[4 * BLOCKS * BLK128_SIZE], digest[BLK128_SIZE];
	struct error error = { 0 };
	struct end_summary end;
	struct record record;
	struct blk128 *whole = blk128_create();

	CHECK(lseek(file, 0, SEEK_SET) == 0);
	input_open(&input, file, -1, "image");
	CHECK(stream_open(&reader, &input, &error));
	do {
		if (!CHECK(stream_next(&reader, &record, payload, &error)))
			errx(1, "%s", error.text);
		if (record.type == RECORD_DATA) {
			CHECK(memcmp(payload, device + record.offset, record.length) == 0);
			CHECK_NUMBER(record.sum, hash64(payload, record.stored));
		}
		out += sprintf(out, "%c", "?DZBNMea"[record.type]);
		if (record.length > 0)
			out += sprintf(out, "%g+%g ", (double)record.offset / 1024, (double)record.length / 1024);
	} while (record.type != RECORD_END && record.type != RECORD_ABORT);
	CHECK_TEXT(have, want);
	if (record.type == RECORD_END) {
		CHECK(stream_finish(&reader, &record, payload, &end, &error));
		blk128_blocks(device, (size_t)device_size, hashes);
		blk128_add(whole, hashes, device_size);
		blk128_finish(whole, digest);
		CHECK(memcmp(digest, end.digest, BLK128_SIZE) == 0);
	}
	blk128_destroy(whole);
	image_destroy(&image);
	close(file);
}

static void
runs_of_data_and_zeros_are_records(void)
{
	begin();
	put_chunk("DDzD", 0);
	put_chunk("zzzz", 0);
	put_chunk("zDDz", 0);
	put_chunk("Dz", 100);
	CHECK(image_end(&image));
	check_records("D0+128 Z128+64 D192+64 Z256+320 D576+128 Z704+64 D768+64 Z832+63.9023 e");
}

static void
holes_join_the_zeros_beside_them(void)
{
	begin();
	put_hole(BLK128_BLOCK);
	put_chunk("zzDz", 0);
	put_hole(3 * BLK128_BLOCK);
	put_hole(BLK128_BLOCK);
	CHECK(image_end(&image));
	check_records("Z0+192 D192+64 Z256+320 e");
}

static void
an_empty_device_is_a_complete_image(void)
{
	begin();
	CHECK(image_end(&image));
	check_records("e");
}

static void
bad_ranges_lie_in_the_record_that_follows(void)
{
	begin();
	put_chunk("zz", 0);
	add_bad(1024, 512);
	add_bad(65536 - 512, 1024);
	add_bad(2 * 65536 + 2048, 512);
	put_chunk("DzzD", 0);
	put_hole(BLK128_BLOCK);
	CHECK(image_end(&image));
	check_records("Z0+128 B129+0.5 B191.5+0.5 D128+64 B192+0.5 B258+0.5 Z192+128 D320+64 Z384+64 e");
}

static void
a_completely_lost_block_is_zero_and_bad(void)
{
	begin();
	add_bad(0, BLK128_BLOCK);
	put_chunk("zD", 0);
	add_bad(BLK128_BLOCK, BLK128_BLOCK);
	put_chunk("Dz", 0);
	CHECK(image_end(&image));
	check_records("B0+64 Z0+64 D64+64 D128+64 B192+64 Z192+64 e");
}

static void
an_abort_follows_the_zeros(void)
{
	begin();
	put_chunk("Dzz", 0);
	CHECK(image_abort(&image, "no more"));
	check_records("D0+64 Z64+128 a");
}

int
main(void)
{
	runs_of_data_and_zeros_are_records();
	holes_join_the_zeros_beside_them();
	an_empty_device_is_a_complete_image();
	bad_ranges_lie_in_the_record_that_follows();
	a_completely_lost_block_is_zero_and_bad();
	an_abort_follows_the_zeros();
	return check_done();
}
