/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz-store: an exception store, read by cow_read and by an oracle that is as plain as
 * the format.
 *
 * They must agree on whether it is good, on every exception, and on what the origin held.
 */
#include <stdlib.h>

#include "../unit/check.h"
#include "../unit/store.h"
#include "base/io.h"

#define CHUNKS		256u			/* of 512 bytes, in the origin */
#define ORIGIN		((CHUNKS - 1) * STORE_CHUNK + 100)
#define STORE_MAX	(256u << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t capacity);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed);

/* The oracle's result for a store. */
struct list {
	uint64_t chunk, count;
	uint64_t home[CHUNKS];		/* where in the store a chunk of the origin is, or 0 */
	bool taken[STORE_MAX / STORE_CHUNK];
};

static uint64_t
number(const uint8_t *p, int bytes)
{
	uint64_t n = 0;

	while (bytes-- > 0)
		n = n << 8 | p[bytes];
	return n;
}

/* One entry: 0 ends the list, 1 goes on, -1 is bad. */
static int
list_entry(struct list *list, const uint8_t *entry, size_t size)
{
	uint64_t old = number(entry, 8), new = number(entry + 8, 8);

	if (new == 0)
		return 0;
	if (old >= (ORIGIN + list->chunk - 1) / list->chunk || list->home[old] != 0)
		return -1;
	if (new >= size / list->chunk || (new - 1) % (1 + list->chunk / 16) == 0 || list->taken[new])
		return -1;
	list->home[old] = new;
	list->taken[new] = true;
	list->count++;
	return 1;
}

static bool
list_read(struct list *list, const uint8_t *store, size_t size)
{
	uint64_t area, i, entries;
	int more = 1;

	memset(list, 0, sizeof(*list));
	if (size < 512 || number(store, 4) != 0x70416e53 || number(store + 4, 4) != 1 ||
	    number(store + 8, 4) != 1)
		return false;
	list->chunk = number(store + 12, 4) * 512;
	if (list->chunk == 0 || list->chunk > 1 << 30 || __builtin_popcountll(list->chunk) != 1)
		return false;
	entries = list->chunk / 16;
	for (area = 1; more == 1; area += entries + 1)
		for (i = 0; more == 1 && i < entries; i++) {
			if (area >= size / list->chunk)
				return false;
			more = list_entry(list, store + area * list->chunk + 16 * i, size);
		}
	return more == 0;
}

/* Each listed range, read at once, equals its chunks in the store. */
static void
check_data(const struct cow *cow, const struct list *list, const uint8_t *store)
{
	unsigned char *data = buffer_create(CHUNKS * STORE_CHUNK);
	struct extents extents = { 0 };
	struct error error = { 0 };
	uint64_t at, part;
	size_t i;

	if (data == NULL || !cow_extents(cow, ORIGIN, &extents))
		err(2, NULL);
	extents_settle(&extents, 0, ORIGIN);
	for (i = 0; i < extents.count; i++) {
		const struct extent *range = &extents.list[i];

		if (!CHECK(range->length <= ORIGIN && range->offset <= ORIGIN - range->length) ||
		    !CHECK(cow_read_old(cow, range->offset, data, range->length, &error)))
			abort();
		for (at = 0; at < range->length; at += part) {
			part = range->length - at < list->chunk ? range->length - at : list->chunk;
			CHECK(memcmp(data + at, store + list->home[(range->offset + at) / list->chunk] *
			    list->chunk, part) == 0);
		}
	}
	extents_free(&extents);
	free(data);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct list list;
	struct error error = { 0 };
	struct source source;
	struct cow cow;
	bool good;
	size_t i;

	if (size > STORE_MAX)
		return 0;
	noise_source(&source, data, size, "store");
	good = cow_read(&cow, &source, ORIGIN, &error);
	check_case = error.text;
	CHECK(good == list_read(&list, data, size));
	CHECK(good != error.set);
	CHECK(!error.set || strncmp(error.text, "store: ", 7) == 0);
	CHECK(strpbrk(error.text, "\n\r\033") == NULL);
	if (good && check_failures == 0) {
		CHECK_NUMBER(cow.chunk, list.chunk);
		CHECK_NUMBER(cow.count, list.count);
		for (i = 0; i < cow.count; i++)
			CHECK_NUMBER(cow.list[i].new_chunk, list.home[cow.list[i].old_chunk]);
		check_data(&cow, &list, data);
	}
	cow_free(&cow);
	source_close(&source);
	if (check_failures > 0)
		abort();
	return 0;
}

/* Mostly entries that could be: small numbers where chunks are named. */
size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed)
{
	uint64_t areas = size / store_data(STORE_ENTRIES);

	noise_state = seed;
	if (size < 2 * STORE_CHUNK || noise(3) == 0)
		return LLVMFuzzerMutate(data, size, capacity);
	do {
		uint64_t at = store_entry(noise(areas + 1) * STORE_ENTRIES) + noise(2 * STORE_ENTRIES) * 8;

		if (at + 8 <= size)
			store64(data + at, noise(noise(2) == 0 ? 40 : CHUNKS + 8));
	} while (noise(3) != 0);
	return size;
}
