/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>

#include "check.h"
#include "hash/hash64.h"
#include "meter/meter.h"
#include "mutate.h"
#include "streams.h"

static struct meter meter;

/* Feed bytes in pieces of at most piece: show those that must be seen, pass the rest. */
static void
feed(const unsigned char *bytes, size_t length, size_t piece)
{
	size_t at = 0;

	while (at < length) {
		size_t n = meter_wants(&meter), left = length - at;
		bool seen = n > 0;

		if (!seen)
			n = meter_passes(&meter) < left ? (size_t)meter_passes(&meter) : left;
		n = n < piece ? n : piece;
		n = n < left ? n : left;
		if (!CHECK(n > 0))
			return;
		if (seen)
			meter_see(&meter, bytes + at, n);
		else
			meter_pass(&meter, n);
		at += n;
	}
}

static void
meter_all(const unsigned char *bytes, size_t length, size_t piece)
{
	meter_open(&meter, "input", false);
	feed(bytes, length, piece);
	meter_end(&meter);
	CHECK_NUMBER(meter.wire, length);
}

static const struct streams_made *
made_of(const char *name)
{
	static struct streams_made made;

	free(made.bytes);
	streams_make(&made, streams_find(name));
	return &made;
}

/* Give the header of made another meaning, with a sum that holds. */
static void
reseal_header(unsigned char *bytes)
{
	store64(bytes + 120, hash64(bytes, 120));
}

static void
reseal_record(const unsigned char *stream, unsigned char *record)
{
	store64(record + 56, XXH3_64bits_withSeed(record, 56, load64(stream + 32)));
}

static void
every_kind_is_followed_in_pieces_of_any_size(void)
{
	static const size_t pieces[] = { 1, 7, 64, 100, 4096, 1 << 20 };

	for (size_t i = 0; i < sizeof(streams_plans) / sizeof(streams_plans[0]); i++) {
		const struct streams_plan *plan = &streams_plans[i];
		const struct streams_made *made = made_of(plan->name);
		bool whole = strcmp(plan->name, "aborted") != 0 && strcmp(plan->name, "undo-cut") != 0;

		check_case = plan->name;
		for (size_t j = 0; j < sizeof(pieces) / sizeof(pieces[0]); j++) {
			meter_all(made->bytes, made->length, pieces[j]);
			CHECK(meter.fault.set == !whole);
			CHECK(!meter.foreign.set);
			CHECK_NUMBER(meter.kind, plan->kind);
			if (whole) {
				CHECK_NUMBER(meter.size, plan->size);
				CHECK_NUMBER(meter.position, plan->size);
			}
		}
	}
	check_case = "";
}

static void
data_and_zeros_are_counted_apart(void)
{
	const struct streams_made *made = made_of("holes");

	meter_all(made->bytes, made->length, 4096);

	CHECK_NUMBER(meter.data, 128 << 10);
	CHECK_NUMBER(meter.zero, 128 << 10);
}

static void
the_position_moves_within_a_record(void)
{
	const struct streams_made *made = made_of("example");
	uint64_t before = 0;

	/* Header, ZERO, NOTE-less DATA of 16 bytes: half of its payload. */
	meter_open(&meter, "input", false);
	feed(made->bytes, 128 + 64, 1 << 20);
	CHECK_NUMBER(meter.position, 65536);
	feed(made->bytes + 192, 64 + 8, 1 << 20);
	CHECK_NUMBER(meter.position, 65536 + 8);
	CHECK_NUMBER(meter.data, 8);

	/* A deflated record: never beyond its length, never backwards. */
	made = made_of("image");
	meter_open(&meter, "input", false);
	for (size_t at = 0; at < made->length; at++) {
		feed(made->bytes + at, 1, 1);
		CHECK(meter.position >= before);
		CHECK(meter.position <= 131112);
		before = meter.position;
	}
}

static void
a_cut_is_seen_at_every_byte(void)
{
	const struct streams_made *made = made_of("image");

	for (size_t length = 1; length < made->length; length++) {
		meter_all(made->bytes, length, 1 << 20);
		if (!CHECK(meter.fault.set && strstr(meter.fault.text, "was cut") != NULL))
			break;
		CHECK_NUMBER(meter.fault_kind, METER_CUT);
	}
	meter_all(made->bytes, 0, 1);
	CHECK(!meter.fault.set);
}

/*
 * The sums over headers see every bit but those of the magic, and END's sum sees it, so
 * only payloads of DATA and NOTE, which are not looked at, may hide one.
 */
static void
every_flipped_bit_of_the_headers_is_a_fault(void)
{
	const struct streams_made *made = made_of("example");
	size_t payload = 128 + 64 + 64;

	for (size_t bit = 0; bit < made->length * 8; bit++) {
		bool hidden = bit / 8 < STREAM_MAGIC_SIZE ||
		    (bit / 8 >= payload && bit / 8 < payload + 16);

		made->bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
		meter_all(made->bytes, made->length, 1 << 20);
		if (!CHECK(meter.fault.set == !hidden))
			fprintf(stderr, "bit %zu of byte %zu: %s\n", bit % 8, bit / 8, meter.fault.text);
		CHECK(!meter.foreign.set);
		made->bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
}

static void
a_flipped_bit_of_the_header_s_extension_is_a_fault(void)
{
	const struct streams_made *made = made_of("extended");

	made->bytes[130] ^= 4;
	meter_all(made->bytes, made->length, 1 << 20);

	CHECK(meter.fault.set && strstr(meter.fault.text, "extension") != NULL);
}

static void
a_fault_names_both_places(void)
{
	const struct streams_made *made = made_of("example");

	made->bytes[128 + 64 + 20] ^= 1;
	meter_all(made->bytes, made->length, 1 << 20);

	CHECK_TEXT(meter.fault.text, "input: stream byte 192, device byte 65536: "
	    "record header with a wrong checksum");
	CHECK_NUMBER(meter.fault_kind, METER_BROKEN);
	CHECK_NUMBER(meter.size, METER_UNKNOWN);
}

static void
bytes_behind_the_end_are_a_fault(void)
{
	const struct streams_made *made = made_of("example");

	meter_open(&meter, "input", false);
	feed(made->bytes, made->length, 1 << 20);
	CHECK_NUMBER(meter.state, METER_AFTER);
	feed((const unsigned char *)"x", 1, 1);
	meter_end(&meter);

	CHECK(meter.fault.set && strstr(meter.fault.text, "bytes behind") != NULL);
	CHECK_NUMBER(meter.position, 65552);
}

static void
the_text_of_an_abort_is_escaped(void)
{
	static struct stream_header header;
	struct stream_writer writer;
	unsigned char bytes[4096];
	int ends[2];
	ssize_t n;

	check_pipe(ends);
	header_init(&header, STREAM_IMAGE, 4096);
	header_encode(&header);
	stream_begin(&writer, ends[1], &header);
	stream_put_abort(&writer, "\033[2J\2332Jdisk\n on fire");
	n = read(ends[0], bytes, sizeof(bytes));

	meter_all(bytes, (size_t)n, 1 << 20);

	CHECK(meter.fault.set);
	CHECK_NUMBER(meter.fault_kind, METER_ABORTED);
	CHECK(strstr(meter.fault.text, ": the sending side gave up: ?[2J?2Jdisk? on fire") != NULL);
	close(ends[0]);
	close(ends[1]);
}

static void
what_is_not_understood_is_plain_and_no_fault(void)
{
	static const struct { const char *what; size_t byte; unsigned char value; } rows[] = {
		{ "a higher major version", 8, 2 },
		{ "a required feature", 16, 2 },
		{ "another required feature", 23, 0x80 },
		{ "an unknown kind", 72, 9 },
		{ "an unknown block hash", 73, 7 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct streams_made *made = made_of("image");

		check_case = rows[i].what;
		made->bytes[rows[i].byte] = rows[i].value;
		reseal_header(made->bytes);
		meter_all(made->bytes, made->length, 100);
		CHECK(!meter.fault.set);
		CHECK(meter.foreign.set);
		CHECK_NUMBER(meter.kind, 0);
		CHECK_NUMBER(meter.size, METER_UNKNOWN);
	}
	for (size_t byte = 4; byte < 8; byte++) {
		const struct streams_made *made = made_of("example");

		check_case = "an unknown type, codec or flag";
		made->bytes[128 + byte] = 0x70;
		reseal_record(made->bytes, made->bytes + 128);
		meter_all(made->bytes, made->length, 100);
		CHECK(!meter.fault.set);
		CHECK(meter.foreign.set);
	}
	check_case = "";
}

static void
what_is_understood_and_wrong_is_a_fault(void)
{
	const struct streams_made *made = made_of("example");

	/* A sequence number out of turn, with a sum that holds. */
	store64(made->bytes + 128 + 8, 5);
	reseal_record(made->bytes, made->bytes + 128);
	meter_all(made->bytes, made->length, 1 << 20);

	CHECK(meter.fault.set);
	CHECK_NUMBER(meter.fault_kind, METER_BROKEN);
}

static void
other_bytes_are_plain(void)
{
	const struct streams_made *made = made_of("example");

	meter_all((const unsigned char *)"\x1f\x8b\x08 is gzip", 11, 1 << 20);
	CHECK(!meter.fault.set);
	CHECK_NUMBER(meter.kind, 0);

	meter_open(&meter, "input", true);
	feed(made->bytes, made->length - 1, 1 << 20);
	meter_end(&meter);
	CHECK(!meter.fault.set);
	CHECK_NUMBER(meter.kind, 0);
}

/* True if the project's reader takes these bytes for a good stream, to its last byte. */
static bool
reader_accepts(const unsigned char *bytes, size_t length)
{
	static unsigned char payload[STREAM_PAYLOAD_MAX];
	static struct stream_reader reader;
	static struct input input;
	struct end_summary end;
	struct error error = { 0 };
	struct record record;
	int fd = check_file(bytes, length);
	bool good;

	input_open(&input, fd, -1, "stream");
	good = stream_open(&reader, &input, &error);
	do
		good = good && stream_next(&reader, &record, payload, &error);
	while (good && record.type != RECORD_END && record.type != RECORD_ABORT);
	good = good && record.type == RECORD_END &&
	    stream_finish(&reader, &record, payload, &end, &error);
	close(fd);
	return good;
}

/*
 * Whatever comes: what the reader accepts has no fault here, the pieces do not matter, and
 * no position is beyond the device.
 */
static void
mutated_streams_are_followed_alike(unsigned count)
{
	static unsigned char bytes[65536];
	struct mutation m = { .random = 7 };

	for (unsigned i = 0; i < count; i++) {
		const struct streams_plan *plan =
		    &streams_plans[i % (sizeof(streams_plans) / sizeof(streams_plans[0]))];
		const struct streams_made *made = made_of(plan->name);
		uint64_t position;
		char text[sizeof(meter.fault.text)];

		memcpy(bytes, made->bytes, made->length);
		m = (struct mutation){ .random = m.random, .p = bytes, .length = made->length,
			.capacity = sizeof(bytes) };
		mutate(&m);
		meter_all(bytes, m.length, 1 << 20);
		strcpy(text, meter.fault.text);
		position = meter.position;
		if (meter.size != METER_UNKNOWN)
			CHECK(position <= meter.size);
		meter_all(bytes, m.length, 1 + i % 97);
		CHECK_TEXT(meter.fault.text, text);
		CHECK_NUMBER(meter.position, position);
		if (meter.fault.set && reader_accepts(bytes, m.length))
			CHECK_TEXT(meter.fault.text, "");
	}
}

int
main(void)
{
	every_kind_is_followed_in_pieces_of_any_size();
	data_and_zeros_are_counted_apart();
	the_position_moves_within_a_record();
	a_cut_is_seen_at_every_byte();
	every_flipped_bit_of_the_headers_is_a_fault();
	a_flipped_bit_of_the_header_s_extension_is_a_fault();
	a_fault_names_both_places();
	bytes_behind_the_end_are_a_fault();
	the_text_of_an_abort_is_escaped();
	what_is_not_understood_is_plain_and_no_fault();
	what_is_understood_and_wrong_is_a_fault();
	other_bytes_are_plain();
	mutated_streams_are_followed_alike(1500);
	return check_done();
}
