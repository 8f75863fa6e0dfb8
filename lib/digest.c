/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "digest.h"
#include "xxh.h"

/* Hashes of zero blocks are fed this many at a time. */
#define ZERO_RUN	4096

struct digest {
	XXH3_state_t *state;
	XXH3_state_t *final;	/* a copy that the size is added to */
	uint64_t size;
	unsigned char *zeros;	/* ZERO_RUN hashes of a zero block, made when first needed */
};

static const unsigned char zero_block[DIGEST_BLOCK];
static unsigned char zero_hash[DIGEST_SIZE];	/* of a whole block */
static pthread_once_t zero_once = PTHREAD_ONCE_INIT;

static void
hash_canonical(XXH128_hash_t hash, unsigned char out[DIGEST_SIZE])
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, hash);
	memcpy(out, canonical.digest, DIGEST_SIZE);
}

struct digest *
digest_create(void)
{
	struct digest *digest = calloc(1, sizeof(*digest));

	if (digest == NULL)
		return NULL;
	digest->state = XXH3_createState();
	digest->final = XXH3_createState();
	digest->zeros = malloc((size_t)ZERO_RUN * DIGEST_SIZE);
	if (digest->state == NULL || digest->final == NULL || digest->zeros == NULL) {
		digest_destroy(digest);
		errno = ENOMEM;
		return NULL;
	}
	digest_zero_block(DIGEST_BLOCK, digest->zeros);
	for (size_t i = 1; i < ZERO_RUN; i++)
		memcpy(digest->zeros + i * DIGEST_SIZE, digest->zeros, DIGEST_SIZE);
	XXH3_128bits_reset(digest->state);
	return digest;
}

void
digest_destroy(struct digest *digest)
{
	if (digest == NULL)
		return;
	XXH3_freeState(digest->state);
	XXH3_freeState(digest->final);
	free(digest->zeros);
	free(digest);
}

void
digest_blocks(const void *data, size_t length, unsigned char *hashes)
{
	const unsigned char *p = data;

	while (length > 0) {
		size_t block = length < DIGEST_BLOCK ? length : DIGEST_BLOCK;

		hash_canonical(XXH3_128bits(p, block), hashes);
		p += block;
		length -= block;
		hashes += DIGEST_SIZE;
	}
}

static void
zero_hash_init(void)
{
	hash_canonical(XXH3_128bits(zero_block, DIGEST_BLOCK), zero_hash);
}

void
digest_zero_block(size_t length, unsigned char hash[DIGEST_SIZE])
{
	if (length != DIGEST_BLOCK) {
		hash_canonical(XXH3_128bits(zero_block, length), hash);
		return;
	}
	pthread_once(&zero_once, zero_hash_init);
	memcpy(hash, zero_hash, DIGEST_SIZE);
}

void
digest_add(struct digest *digest, const unsigned char *hashes, uint64_t length)
{
	XXH3_128bits_update(digest->state, hashes, DIGEST_BLOCKS(length) * DIGEST_SIZE);
	digest->size += length;
}

void
digest_add_zeros(struct digest *digest, uint64_t length)
{
	uint64_t whole = length / DIGEST_BLOCK;
	unsigned char last[DIGEST_SIZE];

	while (whole > 0) {
		uint64_t run = whole < ZERO_RUN ? whole : ZERO_RUN;

		digest_add(digest, digest->zeros, run * DIGEST_BLOCK);
		whole -= run;
	}
	if (length % DIGEST_BLOCK != 0) {
		digest_zero_block(length % DIGEST_BLOCK, last);
		digest_add(digest, last, length % DIGEST_BLOCK);
	}
}

uint64_t
digest_size(const struct digest *digest)
{
	return digest->size;
}

void
digest_finish(const struct digest *digest, unsigned char out[DIGEST_SIZE])
{
	unsigned char size[8];

	XXH3_copyState(digest->final, digest->state);
	store64(size, digest->size);
	XXH3_128bits_update(digest->final, size, sizeof(size));
	hash_canonical(XXH3_128bits_digest(digest->final), out);
}

char *
digest_hex(const unsigned char digest[DIGEST_SIZE], char *out)
{
	for (size_t i = 0; i < DIGEST_SIZE; i++)
		snprintf(out + 2 * i, 3, "%02x", digest[i]);
	return out;
}

bool
digest_check(const struct digest *digest, const unsigned char wanted[DIGEST_SIZE],
    struct error *error)
{
	static const unsigned char unknown[DIGEST_SIZE];
	unsigned char made[DIGEST_SIZE];
	char ours[DIGEST_HEX], theirs[DIGEST_HEX];

	digest_finish(digest, made);
	if (memcmp(wanted, unknown, DIGEST_SIZE) == 0 ||
	    memcmp(made, wanted, DIGEST_SIZE) == 0)
		return true;
	return error_set(error, "the digest of what came is blk128:%s, END says blk128:%s",
	    digest_hex(made, ours), digest_hex(wanted, theirs));
}
