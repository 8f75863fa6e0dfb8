/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * store: an exception store in memory, and what must hold for everything that is read from
 * one.
 */
#ifndef STORE_H
#define STORE_H

#include "base/bytes.h"
#include "diff/cow.h"
#include "noise.h"

/* Chunks of 512 bytes have 32 entries to an area. */
#define STORE_CHUNK	512u
#define STORE_ENTRIES	(STORE_CHUNK / 16)

/* Where the n-th exception's entry and data are, in bytes. */
static inline uint64_t
store_entry(uint64_t n)
{
	return (1 + n / STORE_ENTRIES * (STORE_ENTRIES + 1)) * STORE_CHUNK + n % STORE_ENTRIES * 16;
}

static inline uint64_t
store_data(uint64_t n)
{
	return (2 + n / STORE_ENTRIES + n) * STORE_CHUNK;
}

/* Bytes of a store with count exceptions, with an entry that ends the list. */
static inline uint64_t
store_size(uint64_t count)
{
	return (2 + count / STORE_ENTRIES + count) * STORE_CHUNK;
}

/* Which chunk of the origin that is: four in a row, then somewhere else. */
static inline uint64_t
store_old_chunk(uint64_t n, uint64_t chunks)
{
	return n / 4 * 5 % (chunks / 4) * 4 + n % 4;
}

/*
 * Fill store (zeroed, store_size(count) bytes) with count of an origin's chunks, which are
 * four times a number that 5 does not divide; what they held is their number.
 */
static inline void
store_fill(unsigned char *store, uint64_t count, uint64_t chunks)
{
	uint64_t n;

	store32(store, 0x70416e53);
	store32(store + 4, 1);
	store32(store + 8, 1);
	store32(store + 12, STORE_CHUNK / 512);
	for (n = 0; n < count; n++) {
		store64(store + store_entry(n), store_old_chunk(n, chunks));
		store64(store + store_entry(n) + 8, store_data(n) / STORE_CHUNK);
		memset(store + store_data(n), (int)(store_old_chunk(n, chunks) & 0xff), STORE_CHUNK);
	}
}

/* Check what cow.h promises about a list; if false, it prints why. */
static inline bool
store_holds(const struct cow *cow, uint64_t store, uint64_t origin)
{
	uint64_t entries = cow->chunk / 16;
	size_t i;

	if (cow->chunk < 512 || (cow->chunk & (cow->chunk - 1)) != 0)
		return CHECK(!"size of chunks");
	for (i = 0; i < cow->count; i++) {
		const struct cow_exception *e = &cow->list[i];

		if (!CHECK(e->old_chunk * cow->chunk < origin) ||
		    !CHECK(i == 0 || e->old_chunk > e[-1].old_chunk) ||
		    !CHECK(e->new_chunk < store / cow->chunk) ||
		    !CHECK(e->new_chunk > 1 && (e->new_chunk - 1) % (entries + 1) != 0))
			return false;
	}
	return true;
}

#endif
