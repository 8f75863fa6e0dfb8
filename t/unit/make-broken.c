/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * make-broken: write broken copies of the block stream on standard input into a folder.
 *
 *	make-broken FOLDER [RANDOM] <stream
 *
 * A copy's name says which readers must refuse it: header-* and structure-* every reader of
 * records, payload-* every reader of payloads, end-* every reader that checks the digest,
 * random-* those that do all of it: RANDOM mutations with their sums made right.  What the
 * oracle accepts is left out: a NOTE, or a BAD, may stand elsewhere too.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/io.h"
#include "base/size.h"
#include "mutate.h"
#include "oracle.h"

#include <err.h>

#define STREAM_MAX	(8u << 20)

static unsigned char whole[STREAM_MAX], bytes[2 * STREAM_MAX];
static size_t whole_length;
static struct mutation m = { .p = bytes, .capacity = sizeof(bytes) };

static void put(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Start again with the whole stream. */
static void
fresh(void)
{
	memcpy(bytes, whole, whole_length);
	m.length = whole_length;
	mutate_index(&m);
}

static bool
is_good(void)
{
	static unsigned char device[STREAM_MAX], hashes[STREAM_MAX / 4096 * 32];
	struct oracle oracle = { .device = device, .hashes = hashes, .capacity = sizeof(device) };

	return oracle_read(&oracle, m.p, m.length);
}

/* Write the mutated stream, unless it is good. */
static void
put(const char *format, ...)
{
	char name[256];
	va_list arguments;
	int fd;

	if (is_good()) {
		fresh();
		return;
	}
	va_start(arguments, format);
	vsnprintf(name, sizeof(name), format, arguments);
	va_end(arguments);
	fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0666);
	if (fd == -1 || !write_full(fd, m.p, m.length) || close(fd) != 0)
		err(2, "%s", name);
	fresh();
}

/* Header fields, with the header's sum made right. */
static void
put_headers(void)
{
	static const struct { const char *name; unsigned at, size; uint64_t value; } fields[] = {
		{ "major-2", 8, 2, 2 }, { "major-0", 8, 2, 0 },
		{ "length-0", 12, 4, 0 }, { "length-127", 12, 4, 127 }, { "length-129", 12, 4, 129 },
		{ "length-192", 12, 4, 192 }, { "length-4097", 12, 4, 4097 },
		{ "length-max", 12, 4, UINT32_MAX },
		{ "striped", 16, 8, 2 }, { "required", 16, 8, UINT64_C(1) << 63 },
		{ "size-too-large", 48, 8, SIZE_LIMIT + 1 }, { "size-2^64-2", 48, 8, UINT64_MAX - 1 },
		{ "data-too-large", 56, 8, SIZE_LIMIT + 1 },
		{ "grid-0", 64, 4, 0 }, { "grid-odd", 64, 4, 65535 }, { "grid-max", 64, 4, 1u << 31 },
		{ "payload-0", 68, 4, 0 }, { "payload-max", 68, 4, UINT32_MAX },
		{ "payload-17M", 68, 4, 17 << 20 },
		{ "kind-0", 72, 1, 0 }, { "kind-5", 72, 1, 5 }, { "hash-0", 73, 1, 0 }, { "hash-9", 73, 1, 9 },
		{ "base-too-large", 80, 8, SIZE_LIMIT + 1 },
	};
	unsigned char value[8];

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		store64(value, fields[i].value);
		memcpy(bytes + fields[i].at, value, fields[i].size);
		store64(bytes + 120, XXH3_64bits(bytes, 120));
		put("header-%s", fields[i].name);
	}
	for (unsigned at = 8; at < 128; at += 7) {
		bytes[at] ^= 0x10;
		put("header-bit-%u", at);
	}
}

/* Before, inside and after each record's header, and in the middle of its payload. */
static void
put_cuts(void)
{
	static const size_t lengths[] = { 8, 9, 127 };
	unsigned count = m.count;

	for (size_t i = 0; i < 3; i++) {
		m.length = lengths[i];
		put("structure-cut-%zu", lengths[i]);
	}
	for (unsigned i = 0; i < count; i++) {
		size_t at = m.at[i], payload = m.at[i + 1] - at - RECORD_SIZE;

		m.length = at;
		put("structure-cut-%u-before", i);
		m.length = at + 33;
		put("structure-cut-%u-inside", i);
		if (payload > 0) {
			m.length = at + RECORD_SIZE;
			put("structure-cut-%u-behind", i);
			m.length = at + RECORD_SIZE + payload / 2;
			put("structure-cut-%u-payload", i);
		}
	}
}

/* As it is, and with sequence numbers and sums made right: the counts in END are left. */
static void
put_both(const char *what, unsigned i)
{
	static unsigned char copy[sizeof(bytes)];
	size_t length = m.length;

	memcpy(copy, bytes, length);
	put("structure-%s-%u", what, i);
	memcpy(bytes, copy, length);
	m.length = length;
	mutate_repair(&m, MUTATE_SEQUENCE | MUTATE_RECORD_SUMS);
	put("structure-%s-%u-numbered", what, i);
}

static void
put_shuffles(void)
{
	unsigned count = m.count;
	unsigned char *stranger;

	for (unsigned i = 0; i < count; i++) {
		size_t at = m.at[i], size = m.at[i + 1] - at;

		mutate_splice(&m, at, 0, bytes + at, size);
		put_both("repeat", i);
		mutate_splice(&m, at, size, bytes, 0);
		put_both("drop", i);
		if (i + 1 < count) {
			mutate_splice(&m, m.at[i + 2], 0, bytes + at, size);
			mutate_splice(&m, at, size, bytes, 0);
			put_both("swap", i);
		}
		stranger = bytes + at;
		store64(stranger + 56, XXH3_64bits_withSeed(stranger, 56, load64(bytes + 32) + 1));
		put("structure-stranger-%u", i);
	}
}

static void
put_record(unsigned i, const char *name, unsigned at, unsigned size, uint64_t number)
{
	unsigned char *record = bytes + m.at[i], value[8];

	store64(value, number);
	if (memcmp(record + at, value, size) == 0)
		return;
	memcpy(record + at, value, size);
	store64(record + 56, XXH3_64bits_withSeed(record, 56, load64(bytes + 32)));
	put("structure-%s-%u", name, i);
}

/* Fields of each record, with its header's sum made right. */
static void
put_records(void)
{
	static const struct { const char *name; unsigned at, size; uint64_t value; } fields[] = {
		{ "type-0", 4, 1, 0 }, { "type-8", 4, 1, 8 }, { "type-map", 4, 1, RECORD_MAP },
		{ "codec-2", 5, 1, 2 }, { "flags-1", 6, 2, 1 }, { "flags-4", 6, 2, 4 },
		{ "sequence-max", 8, 8, UINT64_MAX }, { "sequence-9999", 8, 8, 9999 },
		{ "offset-2^63", 16, 8, UINT64_C(1) << 63 }, { "offset-max", 16, 8, UINT64_MAX - 65535 },
		{ "offset-odd", 16, 8, 1 }, { "offset-far", 16, 8, UINT64_C(1) << 40 },
		{ "length-2^63", 24, 8, UINT64_C(1) << 63 }, { "length-2^63-1", 24, 8, SIZE_LIMIT },
		{ "length-max", 24, 8, UINT64_MAX }, { "length-2^40", 24, 8, UINT64_C(1) << 40 },
		{ "stored-max", 32, 4, UINT32_MAX }, { "stored-2^31", 32, 4, 1u << 31 },
		{ "stored-16M", 32, 4, 16 << 20 },
	};
	unsigned count = m.count;

	for (unsigned i = 0; i < count; i++) {
		for (size_t f = 0; f < sizeof(fields) / sizeof(fields[0]); f++)
			put_record(i, fields[f].name, fields[f].at, fields[f].size, fields[f].value);
		if (load64(bytes + m.at[i] + 16) > 0)
			put_record(i, "overlap", 16, 8, load64(bytes + m.at[i] + 16) - 65536);
		put_record(i, "gap", 16, 8, load64(bytes + m.at[i] + 16) + 65536);
		bytes[m.at[i] + 50] ^= 1;
		put("structure-bit-%u", i);
	}
}

static void
put_payloads(void)
{
	unsigned count = m.count;

	for (unsigned i = 0; i < count; i++) {
		unsigned char *record = bytes + m.at[i];
		size_t stored = m.at[i + 1] - m.at[i] - RECORD_SIZE;

		if (stored == 0)
			continue;
		record[RECORD_SIZE + stored / 2] ^= 4;
		put("payload-bit-%u", i);
		record[40] ^= 1;
		mutate_repair(&m, MUTATE_RECORD_SUMS);
		put("payload-sum-%u", i);
		record[36] ^= 1;
		mutate_repair(&m, MUTATE_RECORD_SUMS);
		put("payload-stored-sum-%u", i);
		if (record[5] != RECORD_DEFLATE)
			continue;
		store64(record + 24, load64(record + 24) - 1);
		mutate_repair(&m, MUTATE_RECORD_SUMS);
		put("structure-inflate-more-%u", i);
		store32(record + 32, (uint32_t)stored + 1);
		mutate_splice(&m, m.at[i + 1], 0, (const unsigned char *)"", 1);
		mutate_repair(&m, MUTATE_PAYLOAD_SUMS | MUTATE_RECORD_SUMS);
		put("payload-inflate-junk-%u", i);
		memset(record + RECORD_SIZE, 0xff, stored);
		mutate_repair(&m, MUTATE_PAYLOAD_SUMS | MUTATE_RECORD_SUMS);
		put("payload-inflate-broken-%u", i);
	}
}

static void
put_ends(void)
{
	static const char *const counts[] = { "size", "records", "data", "zero", "bad" };
	unsigned char *end = bytes + m.at[m.count - 1] + RECORD_SIZE;

	for (unsigned i = 0; i < 5; i++) {
		store64(end + 8 * i, load64(end + 8 * i) + 1);
		mutate_repair(&m, MUTATE_PAYLOAD_SUMS | MUTATE_RECORD_SUMS);
		put("structure-count-%s", counts[i]);
	}
	end[40] ^= 1;
	mutate_repair(&m, MUTATE_PAYLOAD_SUMS | MUTATE_RECORD_SUMS);
	put("end-digest");
	store32(end - 32, 71);
	m.length--;
	mutate_repair(&m, MUTATE_PAYLOAD_SUMS | MUTATE_RECORD_SUMS);
	put("structure-end-short");
	bytes[m.length++] = '\n';
	put("structure-garbage-1");
	memset(bytes + m.length, 0, 5000);
	m.length += 5000;
	put("structure-garbage-5000");
	memcpy(bytes + m.length, whole, whole_length);
	m.length += whole_length;
	put("structure-garbage-stream");
}

static void
put_random(uint64_t count)
{
	m.random = 4;
	for (uint64_t i = 0; i < count; i++) {
		mutate(&m);
		if (m.length >= STREAM_MAGIC_SIZE && memcmp(bytes, STREAM_MAGIC, STREAM_MAGIC_SIZE) == 0)
			put("random-%ju", (uintmax_t)i);
		fresh();
	}
}

int
main(int argc, char **argv)
{
	uint64_t random = 0;
	ssize_t n;

	if (argc < 2 || argc > 3 ||
	    (argc == 3 && !number_parse(argv[2], 0, UINT32_MAX, &random)))
		errx(2, "usage: make-broken folder [random] <stream");
	while ((n = read(0, whole + whole_length, sizeof(whole) - whole_length)) > 0)
		whole_length += (size_t)n;
	if (n == -1 || whole_length == sizeof(whole))
		err(2, "standard input");
	if (chdir(argv[1]) != 0)
		err(2, "%s", argv[1]);
	fresh();
	if (m.count == 0 || bytes[m.at[m.count - 1] + 4] != RECORD_END)
		errx(2, "standard input: no block stream of at most %d records", MUTATE_RECORDS);
	put_headers();
	put_cuts();
	put_shuffles();
	put_records();
	put_payloads();
	put_ends();
	put_random(random);
	return 0;
}
