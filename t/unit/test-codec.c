/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>

#include <bsd/stdlib.h>

#include "check.h"
#include "hash/hash64.h"
#include "stream/codec.h"

#define LENGTH	65536

static struct codec *codec;
static struct stream_header header;
static unsigned char text[LENGTH], noise[LENGTH], packed[2 * LENGTH], plain[LENGTH];

static struct record
data_record(const unsigned char *data, uint32_t length)
{
	struct record record = { .type = RECORD_DATA, .length = length, .stored = length };

	record_seal(&record, data);
	return record;
}

/* Unpack a record from memory of exactly its size, so that a read beyond it is seen. */
static bool
unpack(const struct record *record, const unsigned char *payload, struct error *error)
{
	unsigned char *exact = malloc(record->stored), *out = malloc(record->length);
	const unsigned char *result;
	bool ok;

	memcpy(exact, payload, record->stored);
	memset(error, 0, sizeof(*error));
	ok = codec_unpack(codec, record, &header, exact, out, &result, error);
	if (ok) {
		CHECK(result == (record->codec == RECORD_STORED ? exact : out));
		memcpy(plain, result, record->length);
	}
	free(exact);
	free(out);
	return ok;
}

static void
what_is_packed_unpacks_at_every_level(enum record_codec method)
{
	for (int level = 1; level <= 9; level++) {
		struct record record = data_record(text, LENGTH);
		const struct record before = record;
		const unsigned char *payload = codec_pack(codec, method, level, &record, text, packed);
		struct error error;

		CHECK(payload == packed);
		CHECK_NUMBER(record.codec, method);
		CHECK(record.stored < LENGTH / 2);
		CHECK_NUMBER(record.sum, before.sum);
		CHECK_NUMBER(record.stored_sum, (uint32_t)hash64(packed, record.stored));
		CHECK(codec_check_stored(&record, payload, &error));
		CHECK(unpack(&record, payload, &error));
		CHECK(memcmp(plain, text, LENGTH) == 0);
	}
}

static void
what_gains_nothing_is_left_as_it_is(enum record_codec method)
{
	struct record records[] = {
		data_record(noise, LENGTH), data_record(noise, 1), data_record(noise, 100),
	};

	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		struct record record = records[i];
		struct error error;

		CHECK(codec_pack(codec, method, 6, &record, noise, packed) == noise);
		CHECK(memcmp(&record, &records[i], sizeof(record)) == 0);
		CHECK(unpack(&record, noise, &error));
	}
	CHECK(!codec_worthwhile(noise, LENGTH));
	CHECK(codec_worthwhile(text, LENGTH));
	CHECK(codec_worthwhile(noise, 0));
}

static void
a_changed_payload_is_refused(void)
{
	struct record record = data_record(text, LENGTH);
	struct error error;

	CHECK(codec_check_stored(&record, text, (error.set = false, &error)));
	text[77] ^= 1;
	CHECK(!unpack(&record, text, &error));
	CHECK_TEXT(error.text, "DATA record with a wrong checksum");
	memset(&error, 0, sizeof(error));
	CHECK(!codec_check_stored(&record, text, &error));
	text[77] ^= 1;

	record.sum ^= UINT64_C(1) << 40;
	CHECK(!unpack(&record, text, &error));
	CHECK_TEXT(error.text, "DATA record with a wrong checksum of its plain bytes");
}

/* A deflated record with a changed payload and a recomputed stored sum. */
static void
refuse_inflating(struct record record, const unsigned char *payload, const char *why)
{
	struct error error;

	record.stored_sum = (uint32_t)hash64(payload, record.stored);
	CHECK(!unpack(&record, payload, &error));
	CHECK(strstr(error.text, why) != NULL);
}

static void
inflating_uses_and_gives_exactly_what_is_said(enum record_codec method)
{
	struct record record = data_record(text, LENGTH);
	const char *wrong = "DATA record does not inflate to the 65536 bytes that it says";

	codec_pack(codec, method, 6, &record, text, packed);
	memset(packed + record.stored, 0, 16);

	check_case = "a byte behind the final block";
	record.stored++;
	refuse_inflating(record, packed, wrong);
	check_case = "a byte short";
	record.stored -= 2;
	refuse_inflating(record, packed, wrong);
	record.stored++;
	check_case = "more than said";
	record.length = LENGTH - 1;
	refuse_inflating(record, packed, "does not inflate to the 65535 bytes");
	check_case = "less than said";
	record.length = LENGTH + 1;
	refuse_inflating(record, packed, "does not inflate to the 65537 bytes");
	check_case = "other bytes than summed";
	record.length = LENGTH;
	record.sum++;
	refuse_inflating(record, packed, "wrong checksum of its plain bytes");
	record.sum--;
	check_case = "another codec";
	record.codec = method == RECORD_ZSTD ? RECORD_DEFLATE : RECORD_ZSTD;
	refuse_inflating(record, packed, wrong);
	record.codec = method;
	check_case = "a reserved block type, or no magic";
	packed[0] |= 7;
	refuse_inflating(record, packed, wrong);
	check_case = "";
}

static void
hashes_of_a_map_are_packed_alike(enum record_codec method)
{
	struct record record = {
		.type = RECORD_MAP, .length = 100 * 65536 - 5, .stored = 100 * BLK128_SIZE,
	};
	const unsigned char *out;
	struct error error = { 0 };

	record_seal(&record, text);
	codec_pack(codec, method, 6, &record, text, packed);
	CHECK_NUMBER(record.codec, method);

	CHECK(codec_unpack(codec, &record, &header, packed, plain, &out, &error));
	CHECK(out == plain && memcmp(plain, text, 100 * BLK128_SIZE) == 0);
}

/* A payload that is not one frame, or that contradicts the record. */
static void
a_payload_of_zstd_is_one_frame(void)
{
	static const unsigned char skippable[] = { 0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 0 };
	static const unsigned char empty[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0 };
	static const unsigned char terabytes[] = { 0x28, 0xb5, 0x2f, 0xfd, 0xe0,
		0, 0, 0, 0, 0, 1, 0, 0, 3, 0, 0x80, 'a' };
	static const unsigned char dictionary[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x21, 9, 1, 0x0b, 0, 0, 'a' };
	const char *wrong = "DATA record does not inflate to the 65536 bytes that it says";
	struct record record = data_record(text, LENGTH);
	struct record small = { .type = RECORD_DATA, .codec = RECORD_ZSTD, .length = LENGTH };

	codec_pack(codec, RECORD_ZSTD, 3, &record, text, packed);
	check_case = "a frame to pass over behind it";
	memcpy(packed + record.stored, skippable, sizeof(skippable));
	record.stored += sizeof(skippable);
	refuse_inflating(record, packed, wrong);
	check_case = "an empty frame behind it";
	record.stored -= sizeof(skippable);
	memcpy(packed + record.stored, empty, sizeof(empty));
	record.stored += sizeof(empty);
	refuse_inflating(record, packed, wrong);
	check_case = "nothing but a frame to pass over";
	small.stored = sizeof(skippable);
	refuse_inflating(small, skippable, wrong);
	check_case = "2^40 bytes, the frame says";
	small.stored = sizeof(terabytes);
	refuse_inflating(small, terabytes, wrong);
	check_case = "a dictionary";
	small.stored = sizeof(dictionary);
	refuse_inflating(small, dictionary, wrong);
	check_case = "";
}

static void
run(enum record_codec method)
{
	what_is_packed_unpacks_at_every_level(method);
	what_gains_nothing_is_left_as_it_is(method);
	inflating_uses_and_gives_exactly_what_is_said(method);
	hashes_of_a_map_are_packed_alike(method);
}

static void
a_stream_of_zstd_is_known_where_it_can_be_read(void)
{
	struct error error = { 0 };

	CHECK(codec_knows(&header, &error));
	header_require(&header, STREAM_REQUIRED_ZSTD);
	CHECK(codec_knows(&header, &error) == codec_has(RECORD_ZSTD));
	CHECK(error.set != codec_has(RECORD_ZSTD));
	header_require(&header, 0);
}

int
main(void)
{
	codec = codec_create();
	if (codec == NULL)
		err(2, "codec");
	header_init(&header, STREAM_IMAGE, LENGTH);
	arc4random_buf(noise, sizeof(noise));
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = "the quick brown fox"[i * i / 1000 % 19];
	a_changed_payload_is_refused();
	a_stream_of_zstd_is_known_where_it_can_be_read();
	run(RECORD_DEFLATE);
	if (codec_has(RECORD_ZSTD)) {
		run(RECORD_ZSTD);
		a_payload_of_zstd_is_one_frame();
	}
	codec_destroy(codec);
	codec_destroy(NULL);
	return check_done();
}
