/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "header.h"

static void
a_header_comes_back_as_it_went(void)
{
	struct stream_header out = header_of(STREAM_DELTA), in;
	struct error error = { 0 };

	out.minor = 7;
	out.optional = UINT64_C(0x8000000000000001);
	out.data = 4096;
	out.grid = 4096;
	out.payload_max = 16 << 20;
	out.hash = STREAM_SHA256;
	header_encode(&out);
	memset(&in, 0xee, sizeof(in));
	memcpy(in.bytes, out.bytes, STREAM_HEADER_MIN);

	CHECK(header_decode(&in, &error) == VERDICT_GOOD);
	CHECK(header_decode_rest(&in, &error));
	SAME(minor);
	SAME(length);
	SAME(required);
	SAME(optional);
	CHECK(memcmp(in.id, out.id, STREAM_ID_SIZE) == 0);
	SAME(size);
	SAME(data);
	SAME(grid);
	SAME(payload_max);
	SAME(kind);
	SAME(hash);
	SAME(base_size);
}

/* A value written into a good header, whose sum is then recomputed, and the resulting message. */
struct change {
	const char *what;
	int at, bytes;
	uint64_t value;
	const char *error;	/* NULL: it is accepted */
};

static const struct change header_changes[] = {
	{ "magic", 3, 1, 'k', "not a block stream" },
	{ "major 0", 8, 2, 0, "block stream of version 0, this program knows 1" },
	{ "major 2", 8, 2, 2, "block stream of version 2, this program knows 1" },
	{ "minor", 10, 2, 0xffff, NULL },
	{ "length 127", 12, 4, 127, "header of 127 bytes" },
	{ "length 129", 12, 4, 129, "header of 129 bytes" },
	{ "length 135", 12, 4, 135, "header of 135 bytes" },
	{ "length 136", 12, 4, 136, NULL },
	{ "length 4096", 12, 4, 4096, NULL },
	{ "length 4097", 12, 4, 4097, "header of 4097 bytes" },
	{ "length 2^32-1", 12, 4, UINT32_MAX, "header of 4294967295 bytes" },
	{ "zstd", 16, 8, 1, NULL },
	{ "zstd and striped", 16, 8, 3, "this is lane 1 of 0 of a stream: a share of its records, "
	    "which only blkwrite puts together with the others" },
	{ "striped", 16, 8, 2, "this is lane 1 of 0 of a stream: a share of its records, "
	    "which only blkwrite puts together with the others" },
	{ "required bit 63", 16, 8, FAR,
	    "the stream needs features that this version lacks (bits 0x8000000000000000)" },
	{ "optional bits", 24, 8, UINT64_MAX, NULL },
	{ "size 2^63", 48, 8, FAR, "device of 9223372036854775808 bytes" },
	{ "size 2^63-1", 48, 8, FAR - 1, NULL },
	{ "size unknown", 48, 8, UINT64_MAX, NULL },
	{ "size 2^64-2", 48, 8, UINT64_MAX - 1, "device of 18446744073709551614 bytes" },
	{ "data 2^63", 56, 8, FAR, "9223372036854775808 data bytes to come" },
	{ "data unknown", 56, 8, UINT64_MAX, NULL },
	{ "grid 0", 64, 4, 0, "grid of 0 bytes" },
	{ "grid 2 KiB", 64, 4, 2048, "grid of 2048 bytes" },
	{ "grid 4 KiB", 64, 4, 4096, NULL },
	{ "grid 5000", 64, 4, 5000, "grid of 5000 bytes" },
	{ "grid 1 MiB", 64, 4, 1 << 20, NULL },
	{ "grid 2 MiB", 64, 4, 2 << 20, "grid of 2097152 bytes" },
	{ "payload 0", 68, 4, 0, "largest payload of 0 bytes" },
	{ "payload 1", 68, 4, 1, NULL },
	{ "payload 16 MiB", 68, 4, 16 << 20, NULL },
	{ "payload 16 MiB + 1", 68, 4, (16 << 20) + 1, "largest payload of 16777217 bytes" },
	{ "payload 2^32-1", 68, 4, UINT32_MAX, "largest payload of 4294967295 bytes" },
	{ "kind 0", 72, 1, 0, "unknown kind of stream 0" },
	{ "kind 5", 72, 1, 5, "unknown kind of stream 5" },
	{ "kind 255", 72, 1, 255, "unknown kind of stream 255" },
	{ "hash 0", 73, 1, 0, "unknown kind of block hash 0" },
	{ "hash 3", 73, 1, 3, "unknown kind of block hash 3" },
	{ "reserved bytes of the stripe", 74, 4, UINT32_MAX, NULL },
	{ "base 2^63", 80, 8, FAR, "base of 9223372036854775808 bytes" },
	{ "base unknown", 80, 8, UINT64_MAX, NULL },
	{ "base of an image", 80, 8, 4096, "image with a base of 4096 bytes, which only a delta has" },
	{ "reserved bytes", 112, 8, UINT64_MAX, NULL },
};

static void
store(unsigned char *p, int bytes, uint64_t value)
{
	for (int i = 0; i < bytes; i++)
		p[i] = (unsigned char)(value >> 8 * i);
}

static void
a_header_is_checked_field_by_field(void)
{
	for (size_t i = 0; i < sizeof(header_changes) / sizeof(header_changes[0]); i++) {
		const struct change *change = &header_changes[i];
		struct stream_header header = header_of(STREAM_IMAGE);
		struct error error = { 0 };

		check_case = change->what;
		header_encode(&header);
		store(header.bytes + change->at, change->bytes, change->value);
		store64(header.bytes + 120, hash64(header.bytes, 120));
		CHECK_NUMBER(header_decode(&header, &error) == VERDICT_GOOD, change->error == NULL);
		CHECK_TEXT(error.text, change->error != NULL ? change->error : "");
	}
	check_case = "";
}

/* The reason why a header of this kind, size and base is refused; "" if it is accepted. */
static const char *
refusal_of(enum stream_kind kind, uint64_t size, uint64_t base)
{
	static struct error error;
	struct stream_header header = header_of(kind);

	error = (struct error){ 0 };
	header.size = size;
	header.base_size = base;
	header_encode(&header);
	CHECK((header_decode(&header, &error) == VERDICT_GOOD) == (error.text[0] == '\0'));
	return error.text;
}

static void
only_an_image_may_leave_its_size_open(void)
{
	CHECK_TEXT(refusal_of(STREAM_IMAGE, STREAM_UNKNOWN, STREAM_UNKNOWN), "");
	CHECK_TEXT(refusal_of(STREAM_DELTA, STREAM_UNKNOWN, STREAM_UNKNOWN),
	    "delta that does not say the size of its device");
	CHECK_TEXT(refusal_of(STREAM_MAP, STREAM_UNKNOWN, STREAM_UNKNOWN),
	    "map that does not say the size of its device");
	CHECK_TEXT(refusal_of(STREAM_UNDO, STREAM_UNKNOWN, STREAM_UNKNOWN),
	    "undo log that does not say the size of its device");
}

static void
only_a_delta_has_a_base(void)
{
	CHECK_TEXT(refusal_of(STREAM_DELTA, 4096, 0), "");
	CHECK_TEXT(refusal_of(STREAM_DELTA, 4096, STREAM_UNKNOWN), "");
	CHECK_TEXT(refusal_of(STREAM_IMAGE, 4096, 0), "image with a base of 0 bytes, which only a delta has");
	CHECK_TEXT(refusal_of(STREAM_MAP, 4096, 4096), "map with a base of 4096 bytes, which only a delta has");
	CHECK_TEXT(refusal_of(STREAM_UNDO, 4096, 4096),
	    "undo log with a base of 4096 bytes, which only a delta has");
}

static void
every_bit_of_a_header_is_under_its_sum(void)
{
	struct stream_header header = header_of(STREAM_IMAGE);

	header_encode(&header);
	for (int bit = 0; bit < 8 * STREAM_HEADER_MIN; bit++) {
		struct error error = { 0 };

		header.bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
		CHECK(header_decode(&header, &error) != VERDICT_GOOD);
		header.bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
}

static void
an_extension_has_its_own_sum(void)
{
	struct stream_header header = header_of(STREAM_IMAGE);
	struct error error = { 0 };

	header_encode(&header);
	store32(header.bytes + 12, 160);
	store64(header.bytes + 120, hash64(header.bytes, 120));
	memset(header.bytes + 128, 'x', 24);
	store64(header.bytes + 152, hash64(header.bytes + 128, 24));
	CHECK(header_decode(&header, &error) == VERDICT_GOOD);
	CHECK(header_decode_rest(&header, &error));

	header.bytes[140] ^= 1;
	CHECK(!header_decode_rest(&header, &error));
	CHECK_TEXT(error.text, "header extension with a wrong checksum");
}

/* An unknown value whose checksum holds is of a newer format; anything else is damage. */
static void
a_newer_format_is_not_taken_for_damage(void)
{
	static const struct { size_t at; unsigned value; bool resum; enum verdict verdict; } headers[] = {
		{ 0, 'B', true, VERDICT_BROKEN },		/* magic */
		{ 8, 2, true, VERDICT_FOREIGN },		/* major version */
		{ 8, 2, false, VERDICT_BROKEN },
		{ 16, 4, true, VERDICT_FOREIGN },		/* a required feature */
		{ 64, 1, true, VERDICT_BROKEN },		/* grid */
		{ 72, 9, true, VERDICT_FOREIGN },		/* kind */
		{ 73, 9, true, VERDICT_FOREIGN },		/* hash */
		{ 73, 9, false, VERDICT_BROKEN },
		{ 100, 1, true, VERDICT_GOOD },			/* reserved */
	};
	struct stream_header header, changed;

	header_init(&header, STREAM_IMAGE, 65536);
	header_encode(&header);
	for (size_t i = 0; i < sizeof(headers) / sizeof(*headers); i++) {
		struct error error = { 0 };

		changed = header;
		changed.bytes[headers[i].at] = (unsigned char)headers[i].value;
		if (headers[i].resum)
			store64(changed.bytes + 120, hash64(changed.bytes, 120));
		CHECK_NUMBER(header_decode(&changed, &error), headers[i].verdict);
		CHECK_NUMBER(error.set, headers[i].verdict != VERDICT_GOOD);
	}
}

int
main(void)
{
	a_header_comes_back_as_it_went();
	a_header_is_checked_field_by_field();
	only_an_image_may_leave_its_size_open();
	only_a_delta_has_a_base();
	every_bit_of_a_header_is_under_its_sum();
	an_extension_has_its_own_sum();
	a_newer_format_is_not_taken_for_damage();
	return check_done();
}
