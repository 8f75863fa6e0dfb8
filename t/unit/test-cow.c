/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>

#include "check.h"
#include "store.h"

#define CHUNKS	256u		/* of the origin */
#define ORIGIN	((CHUNKS - 1) * STORE_CHUNK + 100)

static unsigned char bytes[(CHUNKS + 16) * STORE_CHUNK];

static bool
read_store(struct cow *cow, struct source *source, uint64_t size, struct error *error)
{
	noise_source(source, bytes, size, "store");
	return cow_read(cow, source, ORIGIN, error);
}

static void
make_store(uint64_t count)
{
	memset(bytes, 0, sizeof(bytes));
	store_fill(bytes, count, CHUNKS);
}

/* All chunks and their old data are found again, in whatever way they are looked up. */
static void
check_whole(uint64_t count)
{
	static unsigned char data[8 * STORE_CHUNK] __attribute__((aligned(SOURCE_ALIGN)));
	struct extents extents = { 0 };
	struct error error = { 0 };
	struct source source;
	struct cow cow;
	uint64_t n, i;

	make_store(count);
	CHECK(read_store(&cow, &source, store_size(count), &error));
	CHECK_TEXT(error.text, "");
	CHECK_NUMBER(cow.count, count);
	CHECK(store_holds(&cow, store_size(count), ORIGIN));
	CHECK(cow_extents(&cow, ORIGIN, &extents));
	CHECK_NUMBER(extents_total(&extents), count * STORE_CHUNK - (count == CHUNKS ? STORE_CHUNK - 100 : 0));
	for (n = 0; n + 4 <= count; n += 4) {
		uint64_t first = store_old_chunk(n, CHUNKS) * STORE_CHUNK, from = noise(4 * STORE_CHUNK);
		size_t length = 1 + (size_t)noise(4 * STORE_CHUNK - from);

		CHECK(cow_read_old(&cow, first + from, data, length, &error));
		for (i = 0; i < length; i++)
			if (!CHECK(data[i] == (unsigned char)((first + from + i) / STORE_CHUNK)))
				break;
	}
	extents_free(&extents);
	cow_free(&cow);
	source_close(&source);
}

/* A chunk that is not listed is an error, not another chunk's data. */
static void
check_unlisted(void)
{
	unsigned char data[STORE_CHUNK];
	struct error error = { 0 };
	struct source source;
	struct cow cow;

	make_store(8);
	CHECK(read_store(&cow, &source, store_size(8), &error));
	CHECK(!cow_read_old(&cow, 4 * STORE_CHUNK, data, STORE_CHUNK, &error));
	CHECK_TEXT(error.text, "store: chunk 4 is not listed");
	cow_free(&cow);
	source_close(&source);
}

/* Whatever it holds, a store gives an error of one line or a list that can be used. */
static bool
check_hostile(uint64_t size)
{
	struct error error = { 0 };
	struct source source;
	struct cow cow;
	bool done = read_store(&cow, &source, size, &error);

	CHECK(done != error.set);
	CHECK(strpbrk(error.text, "\n\033") == NULL);
	CHECK(!error.set || strncmp(error.text, "store: ", 7) == 0);
	CHECK(done || (cow.list == NULL && cow.count == 0));
	if (done)
		CHECK(store_holds(&cow, size, ORIGIN));
	cow_free(&cow);
	source_close(&source);
	return done;
}

static void
check_bits(void)
{
	uint64_t bit, count = 40, accepted = 0;

	make_store(count);
	for (bit = 0; bit < 8 * STORE_CHUNK; bit++) {
		bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
		if (!check_hostile(store_size(count)))
			CHECK(bit < 8 * 16);
		else
			CHECK(bit >= 8 * 16);
		bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	for (bit = 8 * STORE_CHUNK; bit < 8 * 2 * STORE_CHUNK; bit++) {
		bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
		accepted += check_hostile(store_size(count));
		bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	/* Only a chunk of the origin that is not listed yet can take another's place. */
	CHECK(accepted > 0 && accepted < 32 * 8);
}

static void
check_cuts(void)
{
	uint64_t size, count = 70;

	make_store(count);
	for (size = 0; size < store_size(count); size += 37)
		CHECK(!check_hostile(size));
}

static void
check_noise(void)
{
	unsigned i, times;

	for (i = 0; i < 5000; i++) {
		uint64_t count = 1 + noise(100);

		make_store(count);
		for (times = 1 + (unsigned)noise(4); times > 0; times--)
			store64(bytes + STORE_CHUNK + noise(STORE_ENTRIES * 2) * 8,
			    noise(2) == 0 ? noise(CHUNKS + 16) : noise(UINT64_MAX));
		if (noise(10) == 0)
			store32(bytes + 12, 1u << noise(32));
		check_hostile(store_size(count));
	}
}

int
main(void)
{
	static const uint64_t counts[] = { 0, 1, 4, 31, 32, 33, 63, 64, 65, 200, CHUNKS };
	size_t i;

	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		check_whole(counts[i]);
	check_unlisted();
	check_bits();
	check_cuts();
	check_noise();
	return check_done();
}
