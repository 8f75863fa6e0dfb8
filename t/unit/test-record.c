/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "header.h"

static void
a_record_comes_back_as_it_went(void)
{
	struct stream_header header = header_of(STREAM_DELTA);
	struct record in = { 0 }, out = {
		.type = RECORD_DATA, .codec = RECORD_DEFLATE, .flags = RECORD_OLD_HASHES,
		.sequence = UINT64_MAX, .offset = 64 * KIB, .length = 128 * KIB,
		.stored = 128 * KIB - 1, .stored_sum = 0x80000001,
		.sum = UINT64_C(0x8000000000000002), .old = UINT64_C(0x8000000000000003),
	};
	unsigned char bytes[RECORD_SIZE];
	struct error error = { 0 };

	record_encode(&out, header.id, bytes);

	CHECK(record_decode(&in, &header, bytes, &error) == VERDICT_GOOD);
	SAME(type);
	SAME(codec);
	SAME(flags);
	SAME(sequence);
	SAME(offset);
	SAME(length);
	SAME(stored);
	SAME(stored_sum);
	SAME(sum);
	SAME(old);
	for (int bit = 0; bit < 8 * RECORD_SIZE; bit++) {
		bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
		CHECK(record_decode(&in, &header, bytes, &error) != VERDICT_GOOD);
		bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	header.id[0] ^= 1;
	memset(&error, 0, sizeof(error));
	CHECK(record_decode(&in, &header, bytes, &error) != VERDICT_GOOD);
	CHECK_TEXT(error.text, "record header with a wrong checksum");
}

struct row {
	enum stream_kind kind;
	struct record record;
	const char *error;	/* NULL: it is accepted */
};

#define R(kind, ...)	STREAM_ ## kind, { __VA_ARGS__ }
#define DATA		.type = RECORD_DATA
#define ZERO		.type = RECORD_ZERO
#define BAD		.type = RECORD_BAD
#define NOTE		.type = RECORD_NOTE
#define MAP		.type = RECORD_MAP
#define END		.type = RECORD_END
#define ABORT		.type = RECORD_ABORT
#define SPAN(at, size)	.offset = (at), .length = (size)
#define PLAIN(at, size)	.offset = (at), .length = (size), .stored = (uint32_t)(size)

static const struct row rows[] = {
	{ R(IMAGE, .type = 0), "unknown record type 0" },
	{ R(IMAGE, .type = 8), "unknown record type 8" },
	{ R(IMAGE, .type = 255), "unknown record type 255" },
	/* Which types a kind has. */
	{ R(IMAGE, DATA, PLAIN(0, 512)), NULL },
	{ R(DELTA, DATA, PLAIN(0, 512)), NULL },
	{ R(UNDO, DATA, PLAIN(0, 512)), NULL },
	{ R(MAP, DATA, PLAIN(0, 512)), "DATA record in a stream of kind 3" },
	{ R(MAP, MAP, SPAN(0, 512), .stored = 16), NULL },
	{ R(IMAGE, MAP, SPAN(0, 512), .stored = 16), "MAP record in a stream of kind 1" },
	{ R(DELTA, MAP, SPAN(0, 512), .stored = 16), "MAP record in a stream of kind 2" },
	{ R(UNDO, MAP, SPAN(0, 512), .stored = 16), "MAP record in a stream of kind 4" },
	{ R(IMAGE, BAD, SPAN(0, 512)), NULL },
	{ R(DELTA, BAD, SPAN(0, 512)), NULL },
	{ R(MAP, BAD, SPAN(0, 512)), "BAD record in a stream of kind 3" },
	{ R(UNDO, BAD, SPAN(0, 512)), "BAD record in a stream of kind 4" },
	{ R(MAP, ZERO, SPAN(0, 512)), NULL },
	{ R(UNDO, ZERO, SPAN(0, 512)), NULL },
	{ R(MAP, NOTE), NULL },
	{ R(UNDO, ABORT), NULL },
	/* Lengths and bounds. */
	{ R(IMAGE, DATA), "DATA record of 0 bytes" },
	{ R(IMAGE, ZERO), "ZERO record of 0 bytes" },
	{ R(IMAGE, BAD), "BAD record of 0 bytes" },
	{ R(MAP, MAP), "MAP record of 0 bytes" },
	{ R(IMAGE, NOTE, SPAN(0, 1)), "NOTE record of 1 bytes" },
	{ R(IMAGE, END, SPAN(0, 1), .stored = 72), "END record of 1 bytes" },
	{ R(IMAGE, ABORT, SPAN(0, 1)), "ABORT record of 1 bytes" },
	{ R(IMAGE, ZERO, SPAN(0, FAR - 1)), NULL },
	{ R(IMAGE, ZERO, SPAN(0, FAR)), "ZERO record beyond any device" },
	{ R(IMAGE, ZERO, SPAN(1, FAR - 1)), "ZERO record beyond any device" },
	{ R(IMAGE, ZERO, SPAN(FAR - 1, 1)), "ZERO record beyond any device" },
	{ R(IMAGE, ZERO, SPAN(FAR, 1)), "ZERO record beyond any device" },
	{ R(IMAGE, ZERO, SPAN(UINT64_MAX, 1)), "ZERO record beyond any device" },
	{ R(IMAGE, ZERO, SPAN(4096, UINT64_MAX - 4095)), "ZERO record beyond any device" },
	{ R(IMAGE, NOTE, .offset = FAR), "NOTE record beyond any device" },
	/* Payloads. */
	{ R(IMAGE, DATA, PLAIN(0, 256 * KIB)), NULL },
	{ R(IMAGE, DATA, PLAIN(0, 256 * KIB + 1)),
	    "DATA record with a payload of 262145 bytes, at most 262144 are allowed" },
	{ R(IMAGE, DATA, SPAN(0, FAR - 1), .stored = 1),
	    "DATA record with a payload of 9223372036854775807 bytes, at most 262144 are allowed" },
	{ R(IMAGE, DATA, SPAN(0, 512), .stored = 511), "DATA record stores 511 bytes for 512" },
	{ R(IMAGE, DATA, SPAN(0, 512), .stored = 513), "DATA record stores 513 bytes for 512" },
	{ R(IMAGE, DATA, SPAN(0, 512), .stored = UINT32_MAX),
	    "DATA record with a payload of 4294967295 bytes, at most 262144 are allowed" },
	{ R(IMAGE, DATA, SPAN(0, 512), .codec = 1, .stored = 511), NULL },
	{ R(IMAGE, DATA, SPAN(0, 512), .codec = 1, .stored = 512), "DATA record stores 512 bytes for 512" },
	{ R(IMAGE, DATA, SPAN(0, 512), .codec = 1, .stored = 0), "DATA record stores 0 bytes for 512" },
	{ R(IMAGE, DATA, PLAIN(0, 512), .codec = 2), "DATA record with unknown codec 2" },
	{ R(IMAGE, DATA, PLAIN(0, 512), .codec = 255), "DATA record with unknown codec 255" },
	{ R(IMAGE, NOTE, .codec = 1, .stored = 10), "NOTE record with unknown codec 1" },
	{ R(IMAGE, ZERO, SPAN(0, 512), .codec = 1), "ZERO record with unknown codec 1" },
	{ R(IMAGE, END, .codec = 1, .stored = 72), "END record with unknown codec 1" },
	{ R(IMAGE, ZERO, SPAN(0, 512), .stored = 1),
	    "ZERO record with a payload of 1 bytes, at most 0 are allowed" },
	{ R(IMAGE, BAD, SPAN(0, 512), .stored = 512),
	    "BAD record with a payload of 512 bytes, at most 0 are allowed" },
	{ R(IMAGE, NOTE, .stored = 4096), NULL },
	{ R(IMAGE, NOTE, .stored = 4097),
	    "NOTE record with a payload of 4097 bytes, at most 4096 are allowed" },
	{ R(IMAGE, ABORT, .stored = 4097),
	    "ABORT record with a payload of 4097 bytes, at most 4096 are allowed" },
	{ R(IMAGE, END, .stored = 72), NULL },
	{ R(IMAGE, END, .stored = 4096), NULL },
	{ R(IMAGE, END, .stored = 4097),
	    "END record with a payload of 4097 bytes, at most 4096 are allowed" },
	{ R(MAP, MAP, SPAN(0, 64 * KIB + 1), .stored = 32), NULL },
	{ R(MAP, MAP, SPAN(0, 64 * KIB + 1), .stored = 16), "MAP record stores 16 bytes for 32" },
	{ R(MAP, MAP, SPAN(0, 1024 * KIB * KIB), .stored = 1024 * 256), NULL },
	{ R(MAP, MAP, SPAN(0, 1024 * KIB * KIB + 1), .stored = 16),
	    "MAP record with a payload of 262160 bytes, at most 262144 are allowed" },
	{ R(MAP, MAP, SPAN(0, FAR - 1), .stored = 16),
	    "MAP record with a payload of 2251799813685248 bytes, at most 262144 are allowed" },
	{ R(MAP, MAP, SPAN(0, 64 * KIB), .codec = 1, .stored = 15), NULL },
	/* The target's old data. */
	{ R(IMAGE, DATA, PLAIN(0, 512), .flags = 1), "DATA record with flags 0x1" },
	{ R(IMAGE, DATA, PLAIN(0, 512), .flags = 2), "DATA record with flags 0x2" },
	{ R(IMAGE, DATA, PLAIN(0, 512), .flags = 4), "unknown record flags 0x4" },
	{ R(DELTA, DATA, PLAIN(0, 512), .flags = 3), "unknown record flags 0x3" },
	{ R(DELTA, DATA, PLAIN(0, 512), .flags = 0x8000), "unknown record flags 0x8000" },
	{ R(DELTA, DATA, PLAIN(512, 512), .flags = 1, .old = 5), NULL },
	{ R(DELTA, ZERO, SPAN(512, 512), .flags = 1), NULL },
	{ R(UNDO, DATA, PLAIN(512, 512), .flags = 1), NULL },
	{ R(DELTA, BAD, SPAN(512, 512), .flags = 1), "BAD record with flags 0x1" },
	{ R(DELTA, NOTE, .flags = 1), "NOTE record with flags 0x1" },
	{ R(MAP, ZERO, SPAN(0, 512), .flags = 1), "ZERO record with flags 0x1" },
	{ R(DELTA, ZERO, SPAN(0, 16 << 20), .flags = 1), NULL },
	{ R(DELTA, ZERO, SPAN(0, (16 << 20) + 1), .flags = 1), "checked record of 16777217 bytes" },
	{ R(DELTA, ZERO, SPAN(0, (16 << 20) + 1)), NULL },
	{ R(DELTA, ZERO, SPAN(64 * KIB, 128 * KIB), .flags = 2), NULL },
	{ R(DELTA, ZERO, SPAN(64 * KIB, 128 * KIB + 1), .flags = 2),
	    "ZERO record is checked by block hashes but covers no whole blocks" },
	{ R(DELTA, ZERO, SPAN(32 * KIB, 32 * KIB), .flags = 2),
	    "ZERO record is checked by block hashes but covers no whole blocks" },
	{ R(DELTA, ZERO, SPAN(960 * KIB, 64 * KIB - 512), .flags = 2),
	    "ZERO record is checked by block hashes but covers no whole blocks" },
};

static void
a_record_is_checked_field_by_field(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct stream_header header = header_of(rows[i].kind);
		struct error error = { 0 };
		unsigned char bytes[RECORD_SIZE];
		struct record record;
		char name[32];

		snprintf(name, sizeof(name), "row %zu", i);
		check_case = name;
		record_encode(&rows[i].record, header.id, bytes);
		CHECK_NUMBER(record_decode(&record, &header, bytes, &error) == VERDICT_GOOD,
		    rows[i].error == NULL);
		CHECK_TEXT(error.text, rows[i].error != NULL ? rows[i].error : "");
		check_case = "";
	}
}

static void
block_hashes_reach_a_short_end_only_of_both_devices(void)
{
	struct stream_header header = header_of(STREAM_DELTA);
	struct record record = {
		DATA, .flags = RECORD_OLD_HASHES, PLAIN(960 * KIB, 64 * KIB - 512)
	};
	unsigned char bytes[RECORD_SIZE];
	struct error error = { 0 };

	record_encode(&record, header.id, bytes);
	header.size = header.base_size;
	CHECK(record_decode(&record, &header, bytes, &error) == VERDICT_GOOD);
	header.base_size = 1024 * KIB;
	CHECK(record_decode(&record, &header, bytes, &error) != VERDICT_GOOD);
	header.base_size = STREAM_UNKNOWN;
	CHECK(record_decode(&record, &header, bytes, &error) != VERDICT_GOOD);
}

static void
sizes_of_maps_follow_grid_and_hash(void)
{
	struct stream_header header = header_of(STREAM_MAP);
	struct record record = { MAP, SPAN(0, 3 * 4096 + 1) };

	CHECK_NUMBER(record_plain_size(&record, &header), 16);
	header.grid = 4096;
	CHECK_NUMBER(record_plain_size(&record, &header), 64);
	header.hash = STREAM_SHA256;
	CHECK_NUMBER(record_plain_size(&record, &header), 128);
}

static void
an_end_comes_back_and_may_grow(void)
{
	struct end_summary out = {
		.size = 1, .records = 2, .data = 3, .zero = 4, .bad = 5,
		.digest = "digest of device", .base_digest = "digest of a base",
	}, in;
	unsigned char payload[RECORD_END_SIZE + 8];
	struct error error = { 0 };

	end_encode(&out, payload);
	CHECK(end_decode(&in, payload, RECORD_END_SIZE, &error));
	CHECK(memcmp(&in, &out, sizeof(in)) == 0);
	CHECK(end_decode(&in, payload, RECORD_END_SIZE + 8, &error));
	CHECK(!end_decode(&in, payload, RECORD_END_SIZE - 1, &error));
	CHECK_TEXT(error.text, "END record of 71 bytes");
}

/* An unknown value whose checksum holds is of a newer format; anything else is damage. */
static void
a_newer_format_is_not_taken_for_damage(void)
{
	static const struct { size_t at; unsigned value; bool resum; enum verdict verdict; } records[] = {
		{ 0, 'X', true, VERDICT_BROKEN },
		{ 4, 8, true, VERDICT_FOREIGN },		/* type */
		{ 4, 0, true, VERDICT_BROKEN },
		{ 5, 3, true, VERDICT_FOREIGN },		/* codec */
		{ 6, 4, true, VERDICT_FOREIGN },		/* flags */
		{ 6, 4, false, VERDICT_BROKEN },
		{ 32, 1, true, VERDICT_BROKEN },		/* stored */
		{ 32, 0, true, VERDICT_GOOD },
	};
	struct record zero = { .type = RECORD_ZERO, .length = 65536 }, record;
	struct stream_header header;
	unsigned char bytes[RECORD_SIZE];

	header_init(&header, STREAM_IMAGE, 65536);
	for (size_t i = 0; i < sizeof(records) / sizeof(*records); i++) {
		struct error error = { 0 };

		record_seal(&zero, "");
		record_encode(&zero, header.id, bytes);
		bytes[records[i].at] = (unsigned char)records[i].value;
		if (records[i].resum)
			store64(bytes + 56, hash64_seeded(bytes, 56, load64(header.id)));
		CHECK_NUMBER(record_decode(&record, &header, bytes, &error), records[i].verdict);
		CHECK_NUMBER(error.set, records[i].verdict != VERDICT_GOOD);
	}
}

int
main(void)
{
	a_record_comes_back_as_it_went();
	a_record_is_checked_field_by_field();
	block_hashes_reach_a_short_end_only_of_both_devices();
	sizes_of_maps_follow_grid_and_hash();
	an_end_comes_back_and_may_grow();
	a_newer_format_is_not_taken_for_damage();
	CHECK_TEXT(record_name(RECORD_ABORT), "ABORT");
	CHECK_TEXT(record_name(9), "unknown");
	return check_done();
}
