/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hash/hash64.h"
#include "hash/xxh.h"

uint64_t
hash64(const void *data, size_t length)
{
	return XXH3_64bits(data, length);
}

uint64_t
hash64_seeded(const void *data, size_t length, uint64_t seed)
{
	return XXH3_64bits_withSeed(data, length, seed);
}
