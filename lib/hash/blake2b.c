/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "base/bytes.h"
#include "hash/blake2b.h"

static const uint64_t start_state[8] = {
	0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
	0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

/* The order in which each round takes the words of a block; rounds 10 and 11 are as 0 and 1. */
static const unsigned char orders[10][16] = {
	{ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
	{ 14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3 },
	{ 11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4 },
	{ 7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8 },
	{ 9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13 },
	{ 2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9 },
	{ 12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11 },
	{ 13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10 },
	{ 6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5 },
	{ 10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0 },
};

static uint64_t
rotate(uint64_t word, unsigned bits)
{
	return word >> bits | word << (64 - bits);
}

static inline void
mix(uint64_t *v, unsigned a, unsigned b, unsigned c, unsigned d, uint64_t x, uint64_t y)
{
	v[a] += v[b] + x;
	v[d] = rotate(v[d] ^ v[a], 32);
	v[c] += v[d];
	v[b] = rotate(v[b] ^ v[c], 24);
	v[a] += v[b] + y;
	v[d] = rotate(v[d] ^ v[a], 16);
	v[c] += v[d];
	v[b] = rotate(v[b] ^ v[c], 63);
}

/* length is that of all bytes, with this block's. */
static void
compress(struct blake2b *sum, const unsigned char *block, uint64_t length, bool last)
{
	uint64_t v[16], words[16];
	unsigned i, round;

	for (i = 0; i < 16; i++)
		words[i] = load64(block + 8 * i);
	memcpy(v, sum->state, sizeof(sum->state));
	memcpy(v + 8, start_state, sizeof(start_state));
	v[12] ^= length;
	if (last)
		v[14] = ~v[14];
	for (round = 0; round < 12; round++) {
		const unsigned char *s = orders[round % 10];

		for (i = 0; i < 4; i++)
			mix(v, i, i + 4, i + 8, i + 12, words[s[2 * i]], words[s[2 * i + 1]]);
		for (i = 0; i < 4; i++)
			mix(v, i, (i + 1) % 4 + 4, (i + 2) % 4 + 8, (i + 3) % 4 + 12, words[s[2 * i + 8]],
			    words[s[2 * i + 9]]);
	}
	for (i = 0; i < 8; i++)
		sum->state[i] ^= v[i] ^ v[i + 8];
}

void
blake2b_start(struct blake2b *sum)
{
	memset(sum, 0, sizeof(*sum));
	memcpy(sum->state, start_state, sizeof(start_state));
	sum->state[0] ^= 0x01010000 | BLAKE2B_SIZE;
}

/* The last block is kept back, for it is compressed in another way. */
void
blake2b_add(struct blake2b *sum, const void *data, size_t length)
{
	const unsigned char *bytes = data;

	while (length > 0) {
		size_t part = sizeof(sum->block) - sum->used;

		if (part == 0) {
			sum->length += sizeof(sum->block);
			compress(sum, sum->block, sum->length, false);
			sum->used = 0;
			continue;
		}
		if (part > length)
			part = length;
		memcpy(sum->block + sum->used, bytes, part);
		sum->used += part;
		bytes += part;
		length -= part;
	}
}

void
blake2b_finish(struct blake2b *sum, unsigned char out[BLAKE2B_SIZE])
{
	unsigned i;

	memset(sum->block + sum->used, 0, sizeof(sum->block) - sum->used);
	compress(sum, sum->block, sum->length + sum->used, true);
	for (i = 0; i < 8; i++)
		store64(out + 8 * i, sum->state[i]);
}
