/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/bytes.h"
#include "check.h"
#include "stream/codec.h"
#include "zip/gzip.h"

static void
a_header_is_what_the_manual_says(void)
{
	static const unsigned char want[GZIP_HEADER] = {
		0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 3, 20, 0, 'B', 'K', 16, 0,
		0x78, 0x56, 0x03, 0, 1, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1,
	};
	struct gzip_member member = { 0x35678, true, 0x0102030405060708 }, back;
	unsigned char out[GZIP_HEADER];
	struct error error = { 0 };

	gzip_header_encode(&member, out);

	CHECK(memcmp(out, want, sizeof(want)) == 0);
	CHECK(gzip_begins(out, 2));
	CHECK(!gzip_begins(out, 1));
	CHECK(gzip_is_ours(out, sizeof(out)));
	CHECK(!gzip_is_ours(out, sizeof(out) - 1));
	CHECK(gzip_header_decode(&back, out, &error));
	CHECK_NUMBER(back.data, member.data);
	CHECK_NUMBER(back.last, 1);
	CHECK_NUMBER(back.offset, member.offset);
}

/* Only time, flags and system may differ. */
static void
each_byte_of_a_header_counts(void)
{
	struct gzip_member member = { 100, false, 0 };
	unsigned char out[GZIP_HEADER];

	gzip_header_encode(&member, out);
	for (size_t i = 0; i < 16; i++) {
		out[i] ^= 0x20;
		CHECK_NUMBER(gzip_is_ours(out, sizeof(out)), i >= 4 && i < 10);
		out[i] ^= 0x20;
	}
}

static void
a_length_is_bounded(void)
{
	static const struct {
		uint32_t data, flags;
		bool good;
	} cases[] = {
		{ 1, 0, true }, { GZIP_DATA_MAX, 1, true }, { 0, 0, false },
		{ GZIP_DATA_MAX + 1, 0, false }, { UINT32_MAX, 0, false }, { 1, 2, false },
		{ 1, 0x80000001, false },
	};
	struct gzip_member member = { 1, false, 0 };
	unsigned char out[GZIP_HEADER];

	gzip_header_encode(&member, out);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct error error = { 0 };

		store32(out + 16, cases[i].data);
		store32(out + 20, cases[i].flags);
		CHECK_NUMBER(gzip_header_decode(&member, out, &error), cases[i].good);
		CHECK_NUMBER(error.set, !cases[i].good);
	}
}

static void
stored_blocks_inflate(void)
{
	static unsigned char plain[GZIP_PLAIN], packed[GZIP_DATA_MAX], back[GZIP_PLAIN];
	static const size_t lengths[] = { 1, 65534, 65535, 65536, 131070, 131071, GZIP_PLAIN };
	unsigned char heads[GZIP_STORED_BLOCKS][GZIP_STORED_HEAD];
	struct iovec parts[2 * GZIP_STORED_BLOCKS];
	struct codec *codec = codec_create();

	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = (unsigned char)(i * i >> 7);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		size_t length = lengths[i], packed_length = 0;
		int count = gzip_store(plain, length, heads, parts);

		for (int k = 0; k < count; k++) {
			memcpy(packed + packed_length, parts[k].iov_base, parts[k].iov_len);
			packed_length += parts[k].iov_len;
		}
		CHECK_NUMBER(packed_length, gzip_stored_size(length));
		CHECK(codec_inflate(codec, packed, packed_length, back, length));
		CHECK(memcmp(back, plain, length) == 0);
	}
	codec_destroy(codec);
}

static void
a_trailer_is_checked(void)
{
	unsigned char trailer[GZIP_TRAILER];
	struct error sum = { 0 }, length = { 0 }, none = { 0 };

	CHECK_NUMBER(gzip_crc(gzip_crc(0, "12345", 5), "6789", 4), 0xcbf43926);
	gzip_trailer_encode(0xcbf43926, 9, trailer);
	CHECK(memcmp(trailer, "\x26\x39\xf4\xcb\x09\0\0", 8) == 0);
	CHECK(gzip_trailer_check(trailer, 0xcbf43926, 9, &none));
	CHECK(!gzip_trailer_check(trailer, 0xcbf43927, 9, &sum));
	CHECK_TEXT(sum.text, "gzip member with a wrong checksum");
	CHECK(!gzip_trailer_check(trailer, 0xcbf43926, 8, &length));
	CHECK_TEXT(length.text, "gzip member with a wrong length");
}

/* The result of header_skip for a header, and the bytes that it leaves unread. */
static void
check_skip(const void *header, size_t length, const char *wrong, size_t left)
{
	struct error error = { 0 };
	struct input input;
	unsigned char rest[100];
	int fd = check_file(header, length);

	input_open(&input, fd, -1, "file");
	CHECK(gzip_header_skip(&input, &error) == (wrong == NULL));
	if (wrong != NULL)
		CHECK_TEXT(error.text, wrong);
	else
		CHECK_NUMBER(input_read(&input, rest, sizeof(rest)), left);
	close(fd);
}

static void
headers_of_other_programs_are_skipped(void)
{
	check_skip("\x1f\x8b\x08\0tttt\0\3data", 14, NULL, 4);
	check_skip("\x1f\x8b\x08\1tttt\0\3data", 14, NULL, 4);
	check_skip("\x1f\x8b\x08\x08tttt\0\3name\0data", 19, NULL, 4);
	check_skip("\x1f\x8b\x08\x18tttt\0\3\0comment\0data", 23, NULL, 4);
	check_skip("\x1f\x8b\x08\x04tttt\0\3\3\0abcdata", 19, NULL, 4);
	check_skip("\x1f\x8b\x08\x04tttt\0\3\0\0data", 16, NULL, 4);
	check_skip("\x1f\x8b\x08\x02tttt\0\3\0\0data", 16, "gzip header with a wrong checksum", 0);
	check_skip("\x1f\x8b\x08\x20tttt\0\3data", 14, "gzip member with unknown flags 0x20", 0);
	check_skip("\x1f\x8b\x07\0tttt\0\3data", 14, "gzip member of unknown method 7", 0);
	check_skip("\x1f\x9d\x08\0tttt\0\3data", 14, "not in gzip format", 0);
	check_skip("\x1f\x8b\x08\x08tttt\0\3name", 14, "unexpected end of file", 0);
	check_skip("\x1f\x8b\x08\x04tttt\0\3\xff\xff" "abc", 15, "unexpected end of file", 0);
	check_skip("\x1f\x8b\x08\0ttt", 7, "unexpected end of file", 0);
	check_skip("", 0, "unexpected end of file", 0);
}

int
main(void)
{
	a_header_is_what_the_manual_says();
	each_byte_of_a_header_counts();
	a_length_is_bounded();
	stored_blocks_inflate();
	a_trailer_is_checked();
	headers_of_other_programs_are_skipped();
	return check_done();
}
