/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Streams written as words: "D0+64" is DATA at 0 of 64 KiB, Z ZERO, B BAD, M MAP, n NOTE, a
 * ABORT, e END; offsets and lengths are in KiB, or in bytes with a b after them.  Sequence
 * numbers and the offsets of n, a and e are right by themselves.
 */
#include <stdlib.h>

#include "base/io.h"
#include "base/size.h"
#include "check.h"
#include "stream/order.h"

#define KIB		UINT64_C(1024)
#define UNKNOWN		STREAM_UNKNOWN
#define OUTSIDE(type)	type " record of 65536 bytes lies outside the device of 262144"
#define OVERLAP(type)	type " record overlaps the one before it, which ends at 65536"
#define NOT_INSIDE	"BAD range is not inside the record that follows it"

struct row {
	enum stream_kind kind;
	uint64_t size;
	const char *records;
	const char *error;	/* of the last record; NULL: all are accepted */
};

static const struct row rows[] = {
	/* Images have no gap, and begin records on the grid. */
	{ STREAM_IMAGE, 0, "e", NULL },
	{ STREAM_IMAGE, 256 * KIB, "D0+64 Z64+128 D192+64 e", NULL },
	{ STREAM_IMAGE, 256 * KIB, "n D0+256 n n e", NULL },
	{ STREAM_IMAGE, 256 * KIB, "D0+64 D128+64", "DATA record leaves out 65536 bytes before it" },
	{ STREAM_IMAGE, 256 * KIB, "Z64+64", "ZERO record leaves out 65536 bytes before it" },
	{ STREAM_IMAGE, 256 * KIB, "D0+64 D0+64", OVERLAP("DATA") },
	{ STREAM_IMAGE, 256 * KIB, "D0+64 D63+64", OVERLAP("DATA") },
	{ STREAM_IMAGE, 256 * KIB, "D0+64 D64+256",
	    "DATA record of 262144 bytes lies outside the device of 262144" },
	{ STREAM_IMAGE, 256 * KIB, "D0+256 D256+64", OUTSIDE("DATA") },
	{ STREAM_IMAGE, 256 * KIB, "Z512+64", OUTSIDE("ZERO") },
	{ STREAM_IMAGE, 256 * KIB, "D0+63 D63+64", "DATA record does not begin on the grid" },
	{ STREAM_IMAGE, UNKNOWN, "D0+64 D64+1b", NULL },
	{ STREAM_IMAGE, UNKNOWN, "D0+64 D64+1b D65537b+64", "DATA record does not begin on the grid" },
	/* BAD lies inside the record that follows it. */
	{ STREAM_IMAGE, 256 * KIB, "B0+64 D0+64 B64+4 B68+4 B100+4 D64+192 e", NULL },
	{ STREAM_IMAGE, 256 * KIB, "B60+4 n D0+64", NULL },
	{ STREAM_IMAGE, 256 * KIB, "B60+8 D0+64", NOT_INSIDE },
	{ STREAM_IMAGE, 256 * KIB, "B64+4 D0+64", NOT_INSIDE },
	{ STREAM_IMAGE, 256 * KIB, "B0+4 B64+4 D0+64", NOT_INSIDE },
	{ STREAM_IMAGE, 256 * KIB, "D0+64 B60+8", "BAD record overlaps the one before it, which ends at 65536" },
	{ STREAM_IMAGE, 256 * KIB, "B8+8 B8+8", "BAD record overlaps the one before it, which ends at 16384" },
	{ STREAM_IMAGE, 256 * KIB, "B8+8 B4+4", "BAD record overlaps the one before it, which ends at 16384" },
	{ STREAM_IMAGE, 256 * KIB, "D0+256 B256+64", OUTSIDE("BAD") },
	{ STREAM_IMAGE, UNKNOWN, "D0+64 B64+4 e", "BAD range is not inside a record that follows it" },
	{ STREAM_IMAGE, UNKNOWN, "D0+64 B64+4 a", NULL },
	/* Maps are images on their own grid. */
	{ STREAM_MAP, 256 * KIB, "M0+68 Z68+60 M128+128 e", NULL },
	{ STREAM_MAP, UNKNOWN, "M0+4 M4+1b", NULL },
	{ STREAM_MAP, UNKNOWN, "M0+1b M1b+4", "MAP record does not begin on the grid" },
	{ STREAM_MAP, UNKNOWN, "Z0+5000b M5000b+4", "MAP record does not begin on the grid" },
	{ STREAM_MAP, 256 * KIB, "M4+4", "MAP record leaves out 4096 bytes before it" },
	/* Deltas ascend, with gaps, anywhere. */
	{ STREAM_DELTA, 256 * KIB, "e", NULL },
	{ STREAM_DELTA, 256 * KIB, "D5b+7b Z13b+1b B20b+5b D255+1 e", NULL },
	{ STREAM_DELTA, 256 * KIB, "D0+64 Z0+4", OVERLAP("ZERO") },
	{ STREAM_DELTA, 256 * KIB, "B0+64 D60+64", OVERLAP("DATA") },
	{ STREAM_DELTA, 256 * KIB, "D0+64 B60+64", OVERLAP("BAD") },
	{ STREAM_DELTA, 256 * KIB, "D224+64", OUTSIDE("DATA") },
	/* Undo logs go anywhere on the device, any number of times. */
	{ STREAM_UNDO, 256 * KIB, "D64+64 D0+64 D64+64 Z0+4 e", NULL },
	{ STREAM_UNDO, 256 * KIB, "D64+64 D224+64", OUTSIDE("DATA") },
	/* Nothing follows the end. */
	{ STREAM_IMAGE, 0, "e e", "record behind the end" },
	{ STREAM_IMAGE, 0, "e n", "record behind the end" },
	{ STREAM_IMAGE, 256 * KIB, "D0+64 a D64+64", "record behind the end" },
	{ STREAM_IMAGE, 256 * KIB, "a", NULL },
};

static enum record_type
type_of(char letter)
{
	static const char letters[] = "DZBnMea";

	return (enum record_type)(strchr(letters, letter) - letters + 1);
}

static uint64_t
number_of(const char **text)
{
	char *end;
	uint64_t number = strtoull(*text, &end, 10);

	if (*end == 'b')
		end++;
	else
		number *= KIB;
	*text = end;
	return number;
}

/* The next record of a row; false after the last. */
static bool
next(const char **text, const struct order *order, struct record *record)
{
	const char *p = *text + strspn(*text, " ");

	if (*p == '\0')
		return false;
	*record = (struct record){ .sequence = order->sequence, .offset = order->offset };
	record->type = type_of(*p++);
	if (*p >= '0' && *p <= '9') {
		record->offset = number_of(&p);
		p++;
		record->length = number_of(&p);
	}
	*text = p;
	return true;
}

static struct stream_header
header_of(enum stream_kind kind, uint64_t size)
{
	struct stream_header header;

	header_init(&header, kind, size);
	header.grid = 4096;
	return header;
}

static void
records_follow_in_order(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct stream_header header = header_of(rows[i].kind, rows[i].size);
		const char *left = rows[i].records;
		struct error error = { 0 };
		struct record record;
		struct order order;

		check_case = rows[i].records;
		order_start(&order, &header);
		while (next(&left, &order, &record) && order_check(&order, &record, &error))
			continue;
		CHECK_TEXT(left, "");
		CHECK_TEXT(error.text, rows[i].error != NULL ? rows[i].error : "");
	}
	check_case = "";
}

/* Feed records that must all be good. */
static struct order
order_of(const struct stream_header *header, const char *records)
{
	struct error error = { 0 };
	struct record record;
	struct order order;

	order_start(&order, header);
	while (next(&records, &order, &record))
		CHECK(order_check(&order, &record, &error));
	return order;
}

static void
sequence_numbers_have_no_gap(void)
{
	struct stream_header header = header_of(STREAM_IMAGE, 256 * KIB);
	struct order order = order_of(&header, "n n");
	struct record record = { .type = RECORD_NOTE };
	static const uint64_t wrong[] = { 0, 1, 3, UINT64_MAX };

	for (size_t i = 0; i < 4; i++) {
		struct error error = { 0 };

		record.sequence = wrong[i];
		CHECK(!order_check(&order, &record, &error));
		CHECK(strstr(error.text, "where record 2 should be") != NULL);
	}
}

static void
records_without_a_range_stand_where_the_last_ended(void)
{
	struct stream_header header = header_of(STREAM_IMAGE, 256 * KIB);
	struct order order = order_of(&header, "D0+64");
	static const enum record_type types[] = { RECORD_NOTE, RECORD_END, RECORD_ABORT };

	for (size_t i = 0; i < 3; i++) {
		struct record record = { .type = types[i], .sequence = 1, .offset = 4096 };
		struct error error = { 0 };

		CHECK(!order_check(&order, &record, &error));
		CHECK(strstr(error.text, "record at 4096, but the last range ended at 65536") != NULL);
	}
}

static void
counts_match_the_records_before(void)
{
	struct stream_header header = header_of(STREAM_IMAGE, 256 * KIB);
	struct order order = order_of(&header, "n D0+64 B68+8 B100+4 Z64+128 D192+64 e");
	struct end_summary end, good = {
		.size = 256 * KIB, .records = 6, .data = 128 * KIB, .zero = 128 * KIB, .bad = 12 * KIB,
	};
	uint64_t *counts[] = { &end.size, &end.records, &end.data, &end.zero, &end.bad };
	struct error error = { 0 };

	CHECK(order_check_end(&order, &good, &error));
	for (size_t i = 0; i < 5; i++)
		for (int step = -1; step <= 1; step += 2) {
			end = good;
			*counts[i] += (uint64_t)step;
			CHECK(!order_check_end(&order, &end, &error));
		}
	error.set = false;
	end = good;
	end.zero--;
	CHECK(!order_check_end(&order, &end, &error));
	CHECK_TEXT(error.text, "END counts 6 records, 131072 data, 131071 zero and 12288 bad bytes; "
	    "6, 131072, 131072 and 12288 came");
}

static void
counts_of_a_delta_match_the_records_before(void)
{
	struct stream_header header = header_of(STREAM_DELTA, 256 * KIB);
	struct order order = order_of(&header, "B0+1 D1+2 Z3+4 n B8+16 D32+32 Z64+64 e");
	struct error error = { 0 };
	struct end_summary end = {
		.size = 256 * KIB, .records = 7, .data = 34 * KIB, .zero = 68 * KIB, .bad = 17 * KIB,
	};

	CHECK(order_check_end(&order, &end, &error));
	CHECK_TEXT(error.text, "");
}

static void
the_size_at_the_end_agrees(void)
{
	static const struct { enum stream_kind kind; uint64_t header, end; bool good; } cases[] = {
		{ STREAM_IMAGE, UNKNOWN, 64 * KIB, true },
		{ STREAM_IMAGE, UNKNOWN, 64 * KIB - 1, false },
		{ STREAM_IMAGE, UNKNOWN, 64 * KIB + 1, false },
		{ STREAM_IMAGE, 64 * KIB, 64 * KIB, true },
		{ STREAM_IMAGE, 128 * KIB, 64 * KIB, false },
		{ STREAM_IMAGE, 128 * KIB, 128 * KIB, false },
		{ STREAM_MAP, 128 * KIB, 128 * KIB, false },
		{ STREAM_DELTA, 128 * KIB, 128 * KIB, true },
		{ STREAM_DELTA, 128 * KIB, 64 * KIB, false },
		{ STREAM_DELTA, UNKNOWN, 64 * KIB, true },
		{ STREAM_DELTA, UNKNOWN, 1024 * KIB, true },
		{ STREAM_DELTA, UNKNOWN, 64 * KIB - 1, false },
		{ STREAM_DELTA, UNKNOWN, SIZE_LIMIT, true },
		{ STREAM_DELTA, UNKNOWN, SIZE_LIMIT + 1, false },
		{ STREAM_DELTA, UNKNOWN, UINT64_MAX, false },
		{ STREAM_UNDO, 128 * KIB, 128 * KIB, true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct stream_header header = header_of(cases[i].kind, cases[i].header);
		struct order order = order_of(&header, "Z0+64 e");
		struct end_summary end = { .size = cases[i].end, .records = 1, .zero = 64 * KIB };
		struct error error = { 0 };
		char name[32];

		snprintf(name, sizeof(name), "case %zu", i);
		check_case = name;
		CHECK_NUMBER(order_check_end(&order, &end, &error), cases[i].good);
	}
	check_case = "";
}

static void
a_summary_has_what_a_reader_expects(void)
{
	struct stream_header header = header_of(STREAM_IMAGE, UNKNOWN);
	struct order order = order_of(&header, "B4+8 D0+64 Z64+1b");
	struct error error = { 0 };
	struct record record = { .type = RECORD_END, .sequence = 3, .offset = 65537 };
	struct end_summary end;

	order_summary(&order, &end);

	CHECK(order_check(&order, &record, &error));
	CHECK(order_check_end(&order, &end, &error));
	CHECK_NUMBER(end.size, 65537);
	CHECK(bytes_are_zero(end.digest, BLK128_SIZE) && bytes_are_zero(end.base_digest, BLK128_SIZE));
}

int
main(void)
{
	records_follow_in_order();
	sequence_numbers_have_no_gap();
	records_without_a_range_stand_where_the_last_ended();
	counts_match_the_records_before();
	counts_of_a_delta_match_the_records_before();
	the_size_at_the_end_agrees();
	a_summary_has_what_a_reader_expects();
	return check_done();
}
