/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "hash/blk128.h"
#include "hash/xxh.h"

/* Hashes of zero blocks are fed this many at a time. */
#define ZERO_RUN	4096

struct blk128 {
	XXH3_state_t *state;
	XXH3_state_t *final;	/* a copy that the size is added to */
	uint64_t size;
	size_t used;		/* bytes of a block that is not whole yet, in part */
	unsigned char *part;	/* a block; made when first needed */
	unsigned char *zeros;	/* ZERO_RUN hashes of a zero block, made when first needed */
};

static const unsigned char zero_block[BLK128_BLOCK];
static unsigned char zero_hash[BLK128_SIZE];	/* of a whole block */
static pthread_once_t zero_once = PTHREAD_ONCE_INIT;

static void
hash_canonical(XXH128_hash_t hash, unsigned char out[BLK128_SIZE])
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, hash);
	memcpy(out, canonical.digest, BLK128_SIZE);
}

struct blk128 *
blk128_create(void)
{
	struct blk128 *digest = calloc(1, sizeof(*digest));

	if (digest == NULL)
		return NULL;
	digest->state = XXH3_createState();
	digest->final = XXH3_createState();
	digest->zeros = malloc((size_t)ZERO_RUN * BLK128_SIZE);
	if (digest->state == NULL || digest->final == NULL || digest->zeros == NULL) {
		blk128_destroy(digest);
		errno = ENOMEM;
		return NULL;
	}
	blk128_zero_block(BLK128_BLOCK, digest->zeros);
	for (size_t i = 1; i < ZERO_RUN; i++)
		memcpy(digest->zeros + i * BLK128_SIZE, digest->zeros, BLK128_SIZE);
	XXH3_128bits_reset(digest->state);
	return digest;
}

void
blk128_destroy(struct blk128 *digest)
{
	if (digest == NULL)
		return;
	XXH3_freeState(digest->state);
	XXH3_freeState(digest->final);
	free(digest->part);
	free(digest->zeros);
	free(digest);
}

void
blk128_blocks(const void *data, size_t length, unsigned char *hashes)
{
	const unsigned char *p = data;

	while (length > 0) {
		size_t block = length < BLK128_BLOCK ? length : BLK128_BLOCK;

		hash_canonical(XXH3_128bits(p, block), hashes);
		p += block;
		length -= block;
		hashes += BLK128_SIZE;
	}
}

static void
zero_hash_init(void)
{
	hash_canonical(XXH3_128bits(zero_block, BLK128_BLOCK), zero_hash);
}

void
blk128_zero_block(size_t length, unsigned char hash[BLK128_SIZE])
{
	if (length != BLK128_BLOCK) {
		hash_canonical(XXH3_128bits(zero_block, length), hash);
		return;
	}
	pthread_once(&zero_once, zero_hash_init);
	memcpy(hash, zero_hash, BLK128_SIZE);
}

void
blk128_add(struct blk128 *digest, const unsigned char *hashes, uint64_t length)
{
	XXH3_128bits_update(digest->state, hashes, BLK128_BLOCKS(length) * BLK128_SIZE);
	digest->size += length;
}

void
blk128_add_zeros(struct blk128 *digest, uint64_t length)
{
	uint64_t whole = length / BLK128_BLOCK;
	unsigned char last[BLK128_SIZE];

	while (whole > 0) {
		uint64_t run = whole < ZERO_RUN ? whole : ZERO_RUN;

		blk128_add(digest, digest->zeros, run * BLK128_BLOCK);
		whole -= run;
	}
	if (length % BLK128_BLOCK != 0) {
		blk128_zero_block(length % BLK128_BLOCK, last);
		blk128_add(digest, last, length % BLK128_BLOCK);
	}
}

/* Gather bytes, or zeros, until a block is whole; returns how many were taken. */
static uint64_t
gather(struct blk128 *digest, const unsigned char *data, uint64_t length)
{
	size_t part = BLK128_BLOCK - digest->used;
	unsigned char hash[BLK128_SIZE];

	part = length < part ? (size_t)length : part;
	if (data != NULL)
		memcpy(digest->part + digest->used, data, part);
	else
		memset(digest->part + digest->used, 0, part);
	digest->used += part;
	if (digest->used == BLK128_BLOCK) {
		blk128_blocks(digest->part, BLK128_BLOCK, hash);
		digest->used = 0;
		blk128_add(digest, hash, BLK128_BLOCK);
	}
	return part;
}

bool
blk128_bytes(struct blk128 *digest, const unsigned char *data, uint64_t length)
{
	unsigned char hash[BLK128_SIZE];
	uint64_t part;

	if (digest->part == NULL && (digest->part = malloc(BLK128_BLOCK)) == NULL)
		return false;
	for (; length > 0; length -= part) {
		if (digest->used > 0 || length < BLK128_BLOCK) {
			part = gather(digest, data, length);
		} else if (data == NULL) {
			part = length - length % BLK128_BLOCK;
			blk128_add_zeros(digest, part);
		} else {
			part = BLK128_BLOCK;
			blk128_blocks(data, BLK128_BLOCK, hash);
			blk128_add(digest, hash, BLK128_BLOCK);
		}
		if (data != NULL)
			data += part;
	}
	return true;
}

uint64_t
blk128_size(const struct blk128 *digest)
{
	return digest->size + digest->used;
}

void
blk128_finish(const struct blk128 *digest, unsigned char out[BLK128_SIZE])
{
	unsigned char size[8], last[BLK128_SIZE];

	XXH3_copyState(digest->final, digest->state);
	if (digest->used > 0) {
		blk128_blocks(digest->part, digest->used, last);
		XXH3_128bits_update(digest->final, last, sizeof(last));
	}
	store64(size, blk128_size(digest));
	XXH3_128bits_update(digest->final, size, sizeof(size));
	hash_canonical(XXH3_128bits_digest(digest->final), out);
}

char *
blk128_hex(const unsigned char digest[BLK128_SIZE], char *out)
{
	for (size_t i = 0; i < BLK128_SIZE; i++)
		snprintf(out + 2 * i, 3, "%02x", digest[i]);
	return out;
}

bool
blk128_check(const struct blk128 *digest, const unsigned char wanted[BLK128_SIZE],
    struct error *error)
{
	static const unsigned char unknown[BLK128_SIZE];
	unsigned char made[BLK128_SIZE];
	char ours[BLK128_HEX], theirs[BLK128_HEX];

	blk128_finish(digest, made);
	if (memcmp(wanted, unknown, BLK128_SIZE) == 0 ||
	    memcmp(made, wanted, BLK128_SIZE) == 0)
		return true;
	return error_set(error, "the digest of what came is blk128:%s, END says blk128:%s",
	    blk128_hex(made, ours), blk128_hex(wanted, theirs));
}
