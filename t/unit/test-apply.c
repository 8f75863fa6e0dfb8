/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "disk.h"
#include "hash/hash64.h"
#include "stream/map.h"
#include "write/apply.h"

/* A target that is all 0xaa, and a piece that brings 0x55 or zeros. */

#define SIZE	(8u << 20)
#define GRID	4096u

static struct stream_header header = { .grid = GRID, .hash = STREAM_XXH3_128 };
static struct apply apply;
static unsigned char *room;

static void
open_target(uint64_t size)
{
	CHECK(begin(size, (struct target_options){ .length = UINT64_MAX }));
	CHECK(target_prepare(&target, size, true, &error));
	apply = (struct apply){ .header = &header, .target = &target };
}

static struct piece
piece_of(uint64_t offset, uint64_t length, bool zero)
{
	static unsigned char data[SIZE];
	struct piece piece = { .offset = offset, .length = length, .zero = zero };

	memset(data, 0x55, sizeof(data));
	piece.data = zero ? NULL : data;
	piece.record = (struct record){ .type = zero ? RECORD_ZERO : RECORD_DATA, .offset = offset,
	    .length = length };
	return piece;
}

/* The record's old data: length times that byte, by its bytes or its hashes. */
static void
set_old(struct piece *piece, int byte, bool hashes)
{
	const unsigned char *old = filled(byte);
	static unsigned char list[SIZE / GRID * MAP_HASH_MAX];

	piece->record.flags = hashes ? RECORD_OLD_HASHES : RECORD_OLD_BYTES;
	piece->record.old = hash64(old, (size_t)piece->length);
	if (!hashes)
		return;
	map_hash_blocks(header.hash, header.grid, old, (size_t)piece->length, list);
	piece->record.old = hash64(list,
	    (size_t)(piece->length + GRID - 1) / GRID * map_hash_size(header.hash));
}

static enum apply_verdict
verdict_of(const struct piece *piece)
{
	enum apply_verdict verdict = APPLY_NEITHER;

	CHECK(apply_check(&apply, piece, room, &verdict, &error));
	return verdict;
}

static void
check_verdict(bool zero, bool hashes, enum stream_hash hash, uint64_t offset, uint64_t length)
{
	struct piece piece = piece_of(offset, length, zero);

	header.hash = hash;
	open_target(SIZE - 1000);
	set_old(&piece, 0xaa, hashes);
	CHECK_NUMBER(verdict_of(&piece), APPLY_WRITE);
	set_old(&piece, 0xbb, hashes);
	CHECK_NUMBER(verdict_of(&piece), APPLY_NEITHER);
	CHECK(target_write(&target, offset, filled(zero ? 0 : 0x55), (size_t)length, &error));
	CHECK_NUMBER(verdict_of(&piece), APPLY_DONE);
	CHECK(target_write(&target, offset + length - 1, filled(0xaa), 1, &error));
	CHECK_NUMBER(verdict_of(&piece), APPLY_NEITHER);
	CHECK(target_write(&target, offset + length - 1, filled(zero ? 0 : 0x55), 1, &error));
	CHECK(target_write(&target, offset, filled(0xaa), 1, &error));
	CHECK_NUMBER(verdict_of(&piece), APPLY_NEITHER);
	CHECK(target_close(&target, &error));
}

/* Short records, records larger than one read, and the last block of the device. */
static void
old_new_and_neither_are_told_apart(void)
{
	static const struct { uint64_t offset, length; } ranges[] = {
		{ 0, GRID }, { 8192, 1 << 20 }, { 1 << 20, (3 << 20) + GRID }, { SIZE - GRID, GRID - 1000 },
		{ 0, SIZE - 1000 },
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++)
		for (unsigned zero = 0; zero < 2; zero++) {
			check_verdict(zero, false, STREAM_XXH3_128, ranges[i].offset, ranges[i].length);
			check_verdict(zero, true, STREAM_XXH3_128, ranges[i].offset, ranges[i].length);
			check_verdict(zero, true, STREAM_SHA256, ranges[i].offset, ranges[i].length);
		}
	check_verdict(false, false, STREAM_XXH3_128, 12345, 77);
}

static void
a_record_that_does_not_say_what_it_replaces_is_written(void)
{
	struct piece piece = piece_of(0, 100, false);

	open_target(4096);
	CHECK_NUMBER(verdict_of(&piece), APPLY_WRITE);
	CHECK(target_close(&target, &error));
}

/* Ranges beyond a file's old end read as zeros, also once it is longer. */
static void
behind_the_old_end_there_were_zeros(void)
{
	struct piece piece = piece_of(5000, 100, false);

	open_target(5000);
	CHECK(target_grow(&target, 10000, &error));
	set_old(&piece, 0, false);
	CHECK_NUMBER(verdict_of(&piece), APPLY_WRITE);
	CHECK(target_close(&target, &error));
}

static void
a_target_that_cannot_be_read_is_an_error(void)
{
	struct piece piece = piece_of(0, 4096, false);
	enum apply_verdict verdict;

	open_target(4096);
	set_old(&piece, 0xaa, false);
	CHECK(truncate(name, 100) == 0);
	CHECK(!apply_check(&apply, &piece, room, &verdict, &error));
	CHECK(strstr(error.text, ": reading back at byte 100: end of file") != NULL);
	error.set = false;
	CHECK(target_close(&target, &error));
}

static void
a_piece_is_written_from_where_it_is_told_on(void)
{
	struct piece data = piece_of(1000, 50000, false), zeros = piece_of(100000, 50000, true);

	open_target(SIZE);
	CHECK(apply_write(&apply, &data, 0, room, &error));
	CHECK(apply_write(&apply, &zeros, 20000, room, &error));
	CHECK(holds(0, 1000, 0xaa) && holds(1000, 50000, 0x55) && holds(51000, 69000, 0xaa));
	CHECK(holds(120000, 30000, 0) && holds(150000, 1000, 0xaa));
	CHECK(apply_write(&apply, &data, 50000, room, &error));
	CHECK(target_close(&target, &error));
}

static void
once_withdrawn_nothing_is_written(void)
{
	struct piece piece = piece_of(0, 4096, false);

	open_target(SIZE);
	CHECK(apply_withdraw(&apply) && apply_withdraw(&apply));
	CHECK(!apply_write(&apply, &piece, 0, room, &error) && error.set);
	CHECK(holds(0, SIZE, 0xaa));
	error.set = false;
	CHECK(target_close(&target, &error));

	open_target(SIZE);
	CHECK(apply_touch(&apply, &error) && apply_touch(&apply, &error));
	CHECK(!apply_withdraw(&apply));
	CHECK(apply_write(&apply, &piece, 0, room, &error));
	CHECK(holds(0, 4096, 0x55));
	CHECK(target_close(&target, &error));
}

int
main(void)
{
	room = buffer_create(APPLY_ROOM);
	disk_folder();
	old_new_and_neither_are_told_apart();
	a_record_that_does_not_say_what_it_replaces_is_written();
	behind_the_old_end_there_were_zeros();
	a_target_that_cannot_be_read_is_an_error();
	a_piece_is_written_from_where_it_is_told_on();
	once_withdrawn_nothing_is_written();
	free(room);
	return disk_done();
}
