/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>

#include <bsd/stdlib.h>

#include "check.h"
#include "codec.h"

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
what_is_packed_unpacks_at_every_level(void)
{
	for (int level = 1; level <= 9; level++) {
		struct record record = data_record(text, LENGTH);
		const struct record before = record;
		const unsigned char *payload = codec_pack(codec, level, &record, text, packed);
		struct error error;

		CHECK(payload == packed);
		CHECK_NUMBER(record.codec, RECORD_DEFLATE);
		CHECK(record.stored < LENGTH / 2);
		CHECK_NUMBER(record.sum, before.sum);
		CHECK_NUMBER(record.stored_sum, (uint32_t)sum64(packed, record.stored));
		CHECK(codec_check_stored(&record, payload, &error));
		CHECK(unpack(&record, payload, &error));
		CHECK(memcmp(plain, text, LENGTH) == 0);
	}
}

static void
what_gains_nothing_is_left_as_it_is(void)
{
	struct record records[] = {
		data_record(noise, LENGTH), data_record(noise, 1), data_record(noise, 100),
	};

	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		struct record record = records[i];
		struct error error;

		CHECK(codec_pack(codec, 6, &record, noise, packed) == noise);
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

/* A deflated record whose payload was tampered with and its stored sum set anew. */
static void
refuse_inflating(struct record record, const unsigned char *payload, const char *why)
{
	struct error error;

	record.stored_sum = (uint32_t)sum64(payload, record.stored);
	CHECK(!unpack(&record, payload, &error));
	CHECK(strstr(error.text, why) != NULL);
}

static void
inflating_uses_and_gives_exactly_what_is_said(void)
{
	struct record record = data_record(text, LENGTH);
	const char *wrong = "DATA record does not inflate to the 65536 bytes that it says";

	codec_pack(codec, 6, &record, text, packed);
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
	check_case = "a reserved block type";
	packed[0] |= 7;
	refuse_inflating(record, packed, wrong);
	check_case = "";
}

static void
hashes_of_a_map_are_packed_alike(void)
{
	struct record record = {
		.type = RECORD_MAP, .length = 100 * 65536 - 5, .stored = 100 * DIGEST_SIZE,
	};
	const unsigned char *out;
	struct error error = { 0 };

	record_seal(&record, text);
	codec_pack(codec, 6, &record, text, packed);
	CHECK_NUMBER(record.codec, RECORD_DEFLATE);

	CHECK(codec_unpack(codec, &record, &header, packed, plain, &out, &error));
	CHECK(out == plain && memcmp(plain, text, 100 * DIGEST_SIZE) == 0);
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
	what_is_packed_unpacks_at_every_level();
	what_gains_nothing_is_left_as_it_is();
	a_changed_payload_is_refused();
	inflating_uses_and_gives_exactly_what_is_said();
	hashes_of_a_map_are_packed_alike();
	codec_destroy(codec);
	codec_destroy(NULL);
	return check_done();
}
