/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "check.h"
#include "noise.h"
#include "write/sectors.h"

static unsigned char old[SECTORS_RANGE], new[SECTORS_RANGE], held[SECTORS_RANGE];
static unsigned char note[SECTORS_NOTE_MAX];

/* What a range that lies at offset holds: the sectors of a mask from new, the others from old. */
static void
mix(uint64_t offset, size_t length, uint64_t mask)
{
	for (size_t i = 0; i < length; i++) {
		uint64_t sector = (offset + i) / SECTORS_UNIT - offset / SECTORS_UNIT;

		held[i] = (mask >> sector % 64 & 1) != 0 ? new[i] : old[i];
	}
}

static enum sectors_verdict
compare(uint64_t offset, size_t length, size_t noted)
{
	return sectors_compare(offset, held, length, old, note, noted);
}

static void
every_mixture_is_known_by_its_note(void)
{
	static const struct { uint64_t offset; size_t length; } ranges[] = {
		{ 0, 512 }, { 0, 4096 }, { 5, 7 }, { 500, 24 }, { 1023, 2 }, { 65536, SECTORS_RANGE },
		{ 65537, SECTORS_RANGE }, { 511, 1 }, { 700, 4000 },
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		uint64_t offset = ranges[i].offset;
		size_t length = ranges[i].length, noted = sectors_note(offset, new, length, note);

		CHECK(noted <= SECTORS_NOTE_MAX && noted <= RECORD_NOTE_MAX);
		for (uint64_t mask = 0; mask < 300; mask++) {
			mix(offset, length, mask * UINT64_C(0x9e3779b97f4a7c15));
			CHECK_NUMBER(compare(offset, length, noted), SECTORS_MIXED);
			held[mask * 7919 % length] ^= 1;
			CHECK_NUMBER(compare(offset, length, noted), SECTORS_OTHER);
		}
	}
}

static void
zeros_that_are_restored_count(void)
{
	size_t noted = sectors_note(0, new, 4096, note);

	memset(held, 0, 1024);
	memcpy(held + 1024, new + 1024, 3072);
	CHECK_NUMBER(sectors_compare(0, held, 4096, NULL, note, noted), SECTORS_MIXED);
	held[1023] = 1;
	CHECK_NUMBER(sectors_compare(0, held, 4096, NULL, note, noted), SECTORS_OTHER);
}

/* Other notes, and that of another record, are none. */
static void
without_a_note_a_restored_sector_makes_it_likely(void)
{
	size_t noted = sectors_note(0, new, 4096, note);

	mix(0, 4096, 2);
	CHECK_NUMBER(compare(0, 4096, 0), SECTORS_LIKELY);
	CHECK_NUMBER(compare(0, 4096, noted - 4), SECTORS_LIKELY);
	CHECK_NUMBER(compare(1, 4096, noted), SECTORS_LIKELY);
	note[0] = 'x';
	CHECK_NUMBER(compare(0, 4096, noted), SECTORS_LIKELY);
	memset(held, 0x55, sizeof(held));
	CHECK_NUMBER(compare(0, 4096, 0), SECTORS_OTHER);
}

int
main(void)
{
	for (size_t i = 0; i < SECTORS_RANGE; i++) {
		old[i] = (unsigned char)(noise(255) + 1);
		new[i] = (unsigned char)(noise(255) + 1);
	}
	every_mixture_is_known_by_its_note();
	zeros_that_are_restored_count();
	without_a_note_a_restored_sector_makes_it_likely();
	return check_done();
}
