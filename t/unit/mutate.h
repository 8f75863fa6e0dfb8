/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mutate: streams changed at random, and their sums recomputed, so that the change gets
 * past them.
 */
#ifndef MUTATE_H
#define MUTATE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#ifdef HAVE_ZSTD
#include <zstd.h>
#endif

#include <libdeflate.h>

#include "base/bytes.h"
#include "stream/record.h"

#define MUTATE_RECORDS	64

struct mutation {
	uint64_t random;		/* state of the generator */
	unsigned char *p;
	size_t length, capacity;
	size_t at[MUTATE_RECORDS + 1];	/* where records begin, and where the last ends */
	unsigned count;
};

enum mutate_repair {
	MUTATE_HEADER = 1, MUTATE_RECORD_SUMS = 2, MUTATE_PAYLOAD_SUMS = 4,
	MUTATE_SEQUENCE = 8, MUTATE_COUNTS = 16, MUTATE_EVERYTHING = 31,
};

static inline uint64_t
mutate_random(struct mutation *m, uint64_t below)
{
	uint64_t z = m->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	z ^= z >> 31;
	return below > 0 ? z % below : z;
}

/* Find the records: as far as one follows the other. */
static inline void
mutate_index(struct mutation *m)
{
	size_t at = STREAM_HEADER_MIN;

	m->count = 0;
	if (m->length < at)
		return;
	if (load32(m->p + 12) >= at && load32(m->p + 12) <= m->length)
		at = load32(m->p + 12);
	while (m->count < MUTATE_RECORDS && m->length - at >= RECORD_SIZE &&
	    memcmp(m->p + at, "BREC", 4) == 0) {
		uint64_t size = RECORD_SIZE + (uint64_t)load32(m->p + at + 32);

		m->at[m->count++] = at;
		at = size > m->length - at ? m->length : at + size;
	}
	m->at[m->count] = at;
}

static inline void
mutate_repair_header(struct mutation *m)
{
	uint32_t length = load32(m->p + 12);

	store64(m->p + 120, XXH3_64bits(m->p, 120));
	if (length >= STREAM_HEADER_MIN + 8 && length <= m->length)
		store64(m->p + length - 8, XXH3_64bits(m->p + 128, length - 136));
}

/* Both sums of a payload; the plain one only where it is stored plain or inflates. */
static inline void
mutate_repair_payload(const struct mutation *m, unsigned char *record, size_t stored)
{
	static struct libdeflate_decompressor *decompressor;
	static unsigned char plain[1 << 20];
	const unsigned char *payload = record + RECORD_SIZE;
	uint64_t sum = XXH3_64bits(payload, stored);
	size_t made;

	(void)m;
	store32(record + 36, (uint32_t)sum);
	if (record[5] == RECORD_DEFLATE) {
		if (decompressor == NULL)
			decompressor = libdeflate_alloc_decompressor();
		if (libdeflate_deflate_decompress(decompressor, payload, stored, plain, sizeof(plain),
		    &made) != LIBDEFLATE_SUCCESS)
			return;
		sum = XXH3_64bits(plain, made);
	}
#ifdef HAVE_ZSTD
	if (record[5] == RECORD_ZSTD) {
		made = ZSTD_decompress(plain, sizeof(plain), payload, stored);
		if (ZSTD_isError(made))
			return;
		sum = XXH3_64bits(plain, made);
	}
#endif
	store64(record + 40, sum);
}

/* The counts that END must have for the records before it. */
static inline void
mutate_repair_counts(struct mutation *m, unsigned end)
{
	unsigned char *payload = m->p + m->at[end] + RECORD_SIZE;
	uint64_t data = 0, zero = 0, bad = 0;

	if (m->at[end + 1] - m->at[end] < RECORD_SIZE + RECORD_END_SIZE)
		return;
	for (unsigned i = 0; i < end; i++) {
		const unsigned char *record = m->p + m->at[i];
		uint64_t length = load64(record + 24);

		if (record[4] == RECORD_DATA || record[4] == RECORD_MAP)
			data += length;
		else if (record[4] == RECORD_ZERO)
			zero += length;
		else if (record[4] == RECORD_BAD)
			bad += length;
	}
	store64(payload + 8, end);
	store64(payload + 16, data);
	store64(payload + 24, zero);
	store64(payload + 32, bad);
	if (mutate_random(m, 2) == 0)
		memset(payload + 40, 0, 2 * BLK128_SIZE);
}

static inline void
mutate_repair(struct mutation *m, unsigned what)
{
	mutate_index(m);
	if (m->length < STREAM_HEADER_MIN)
		return;
	if (what & MUTATE_HEADER)
		mutate_repair_header(m);
	for (unsigned i = 0; i < m->count; i++) {
		unsigned char *record = m->p + m->at[i];

		if (what & MUTATE_SEQUENCE)
			store64(record + 8, i);
		if ((what & MUTATE_COUNTS) && record[4] == RECORD_END)
			mutate_repair_counts(m, i);
		if (what & MUTATE_PAYLOAD_SUMS)
			mutate_repair_payload(m, record, m->at[i + 1] - m->at[i] - RECORD_SIZE);
		if (what & MUTATE_RECORD_SUMS)
			store64(record + 56, XXH3_64bits_withSeed(record, 56, load64(m->p + 32)));
	}
}

/* A number that is wrong in an interesting way. */
static inline uint64_t
mutate_number(struct mutation *m, uint64_t now)
{
	static const uint64_t known[] = {
		0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 63, 64, 72, 127, 128, 136, 512, 4095, 4096, 4097,
		65535, 65536, 65537, 1 << 20, 16 << 20, (16 << 20) + 1, INT32_MAX, UINT32_MAX,
		UINT64_C(1) << 32, INT64_MAX, UINT64_C(1) << 63, UINT64_MAX - 63, UINT64_MAX,
	};

	switch (mutate_random(m, 8)) {
	case 0:
		return now + 1;
	case 1:
		return now - 1;
	case 2:
		return now ^ UINT64_C(1) << mutate_random(m, 64);
	case 3:
		return now + (mutate_random(m, 17) << 12) - (UINT64_C(8) << 12);
	case 4:
		return now + (mutate_random(m, 9) << 16) - (UINT64_C(4) << 16);
	case 5:
		return mutate_random(m, 0);
	default:
		return known[mutate_random(m, sizeof(known) / sizeof(known[0]))];
	}
}

struct mutate_field {
	unsigned char at, bytes;
};

static inline void
mutate_one_field(struct mutation *m, unsigned char *base, const struct mutate_field *fields,
    size_t count)
{
	struct mutate_field field = fields[mutate_random(m, count)];
	unsigned char bytes[8] = { 0 };

	memcpy(bytes, base + field.at, field.bytes);
	store64(bytes, mutate_number(m, load64(bytes)));
	memcpy(base + field.at, bytes, field.bytes);
}

static inline void
mutate_field(struct mutation *m)
{
	static const struct mutate_field header[] = {
		{ 8, 2 }, { 10, 2 }, { 12, 4 }, { 16, 8 }, { 24, 8 }, { 32, 8 }, { 48, 8 }, { 56, 8 },
		{ 64, 4 }, { 68, 4 }, { 72, 1 }, { 73, 1 }, { 74, 4 }, { 80, 8 }, { 88, 8 },
	};
	static const struct mutate_field record[] = {
		{ 4, 1 }, { 5, 1 }, { 6, 2 }, { 8, 8 }, { 16, 8 }, { 24, 8 }, { 32, 4 }, { 36, 4 },
		{ 40, 8 }, { 48, 8 },
	};
	static const struct mutate_field end[] = {
		{ 64, 8 }, { 72, 8 }, { 80, 8 }, { 88, 8 }, { 96, 8 }, { 104, 8 }, { 120, 8 },
	};
	unsigned which = (unsigned)mutate_random(m, m->count + 1);

	if (which == 0)
		mutate_one_field(m, m->p, header, sizeof(header) / sizeof(header[0]));
	else if (m->at[which] - m->at[which - 1] >= 128 && m->p[m->at[which - 1] + 4] == RECORD_END &&
	    mutate_random(m, 2) == 0)
		mutate_one_field(m, m->p + m->at[which - 1], end, sizeof(end) / sizeof(end[0]));
	else
		mutate_one_field(m, m->p + m->at[which - 1], record, sizeof(record) / sizeof(record[0]));
}

/* Replace size bytes at a place by others.  False: it does not fit. */
static inline bool
mutate_splice(struct mutation *m, size_t at, size_t size, const unsigned char *data, size_t length)
{
	unsigned char *copy;

	if (m->length - size > m->capacity - length)
		return false;
	copy = malloc(length + 1);
	memcpy(copy, data, length);
	memmove(m->p + at + length, m->p + at + size, m->length - at - size);
	memcpy(m->p + at, copy, length);
	m->length += length - size;
	free(copy);
	mutate_index(m);
	return true;
}

/* Repeat, drop, swap or move records, or cut the stream. */
static inline void
mutate_records(struct mutation *m)
{
	unsigned a, b;
	unsigned char *copy;
	size_t size;

	if (m->count < 2)
		return;
	a = (unsigned)mutate_random(m, m->count);
	b = (unsigned)mutate_random(m, m->count);
	size = m->at[a + 1] - m->at[a];
	switch (mutate_random(m, 4)) {
	case 0:
		mutate_splice(m, m->at[b], 0, m->p + m->at[a], size);
		break;
	case 1:
		mutate_splice(m, m->at[a], size, m->p, 0);
		break;
	case 2:
		copy = malloc(size);
		memcpy(copy, m->p + m->at[a], size);
		mutate_splice(m, m->at[a], size, m->p, 0);
		mutate_splice(m, m->at[b < m->count ? b : m->count], 0, copy, size);
		free(copy);
		break;
	default:
		m->length = m->at[b] + mutate_random(m, m->at[b + 1] - m->at[b] + 1);
		mutate_index(m);
		break;
	}
}

/* Change the payload of a record in place, or its size and the length that goes with it. */
static inline void
mutate_payload(struct mutation *m)
{
	unsigned char junk[64], *record;
	size_t stored, n;
	unsigned a;

	if (m->count == 0)
		return;
	a = (unsigned)mutate_random(m, m->count);
	record = m->p + m->at[a];
	stored = m->at[a + 1] - m->at[a] - RECORD_SIZE;
	if (stored > 0 && mutate_random(m, 2) == 0) {
		record[RECORD_SIZE + mutate_random(m, stored)] ^= (unsigned char)(1 << mutate_random(m, 8));
		return;
	}
	for (n = 0; n < sizeof(junk); n++)
		junk[n] = (unsigned char)mutate_random(m, 256);
	n = mutate_random(m, sizeof(junk)) + 1;
	if (stored >= n && mutate_random(m, 2) == 0) {
		store32(record + 32, (uint32_t)(stored - n));
		mutate_splice(m, m->at[a + 1] - n, n, junk, 0);
		n = -n;
	} else if (m->capacity - m->length >= n) {
		store32(record + 32, (uint32_t)(stored + n));
		mutate_splice(m, m->at[a + 1], 0, junk, n);
	}
	if (record[4] == RECORD_DATA && mutate_random(m, 2) == 0)
		store64(record + 24, load64(record + 24) + n);
}

/* One to three changes, then sums made right: all of them, mostly. */
static inline void
mutate(struct mutation *m)
{
	unsigned steps = 1 + (unsigned)mutate_random(m, 3);

	mutate_index(m);
	for (unsigned i = 0; i < steps && m->length >= STREAM_HEADER_MIN; i++)
		switch (mutate_random(m, 5)) {
		case 0:
			mutate_records(m);
			break;
		case 1:
			mutate_payload(m);
			break;
		default:
			mutate_field(m);
			break;
		}
	mutate_repair(m, mutate_random(m, 4) == 0 ? (unsigned)mutate_random(m, 32) :
	    mutate_random(m, 3) == 0 ? MUTATE_EVERYTHING & ~MUTATE_SEQUENCE : MUTATE_EVERYTHING);
}

#endif
