/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <md5.h>
#include <sha1.h>
#include <sha2.h>

#include "hash/blake2b.h"
#include "hash/checksum.h"
#include "hash/xxh.h"

struct kind {
	const char *name, *tag;
	size_t digits;
	const char *openssl;		/* as version 3 of it writes the tag, where that differs */
};

static const struct kind kinds[CHECKSUM_KINDS] = {
	[CHECKSUM_BLK128] = { "blk128", "BLK128", 32, NULL },
	[CHECKSUM_XXH128] = { "xxh128", "XXH128", 32, NULL },
	[CHECKSUM_XXH64] = { "xxh64", "XXH64", 16, NULL },
	[CHECKSUM_MD5] = { "md5", "MD5", 32, NULL },
	[CHECKSUM_SHA1] = { "sha1", "SHA1", 40, NULL },
	[CHECKSUM_SHA224] = { "sha224", "SHA224", 56, "SHA2-224" },
	[CHECKSUM_SHA256] = { "sha256", "SHA256", 64, "SHA2-256" },
	[CHECKSUM_SHA384] = { "sha384", "SHA384", 96, "SHA2-384" },
	[CHECKSUM_SHA512] = { "sha512", "SHA512", 128, "SHA2-512" },
	[CHECKSUM_B2] = { "b2", "BLAKE2b", 128, "BLAKE2B-512" },
};

struct checksum {
	enum checksum_kind kind;
	XXH3_state_t *xxh128;
	XXH64_state_t *xxh64;
	MD5_CTX md5;
	SHA1_CTX sha1;
	SHA2_CTX sha2;
	struct blake2b b2;
};

const char *
checksum_name(enum checksum_kind kind)
{
	return kinds[kind].name;
}

const char *
checksum_tag(enum checksum_kind kind)
{
	return kinds[kind].tag;
}

size_t
checksum_digits(enum checksum_kind kind)
{
	return kinds[kind].digits;
}

static bool
is_word(const char *name, size_t length, const char *word)
{
	return strlen(word) == length && strncmp(name, word, length) == 0;
}

bool
checksum_find(const char *name, size_t length, enum checksum_kind *kind)
{
	int i;

	for (i = 0; i < CHECKSUM_KINDS; i++) {
		const struct kind *k = &kinds[i];

		if (is_word(name, length, k->name) || is_word(name, length, k->tag) ||
		    (k->openssl != NULL && is_word(name, length, k->openssl))) {
			*kind = (enum checksum_kind)i;
			return true;
		}
	}
	return false;
}

bool
checksum_guess(size_t digits, enum checksum_kind *kind)
{
	switch (digits) {
	case 16: *kind = CHECKSUM_XXH64; return true;
	case 32: *kind = CHECKSUM_MD5; return true;
	case 40: *kind = CHECKSUM_SHA1; return true;
	case 56: *kind = CHECKSUM_SHA224; return true;
	case 64: *kind = CHECKSUM_SHA256; return true;
	case 96: *kind = CHECKSUM_SHA384; return true;
	case 128: *kind = CHECKSUM_SHA512; return true;
	default: return false;
	}
}

/* Older versions of libmd lack SHA-224, which is SHA-256 from another beginning, cut off. */
static void
sha2_start(struct checksum *sum)
{
	static const uint32_t begin224[8] = {
		0xc1059ed8, 0x367cd507, 0x3070dd17, 0xf70e5939, 0xffc00b31, 0x68581511, 0x64f98fa7, 0xbefa4fa4
	};

	switch (sum->kind) {
	case CHECKSUM_SHA384: SHA384Init(&sum->sha2); break;
	case CHECKSUM_SHA512: SHA512Init(&sum->sha2); break;
	default: SHA256Init(&sum->sha2); break;
	}
	if (sum->kind == CHECKSUM_SHA224)
		memcpy(sum->sha2.state.st32, begin224, sizeof(begin224));
}

struct checksum *
checksum_create(enum checksum_kind kind)
{
	struct checksum *sum = calloc(1, sizeof(*sum));

	if (sum == NULL)
		return NULL;
	sum->kind = kind;
	sum->xxh128 = XXH3_createState();
	sum->xxh64 = XXH64_createState();
	if (sum->xxh128 == NULL || sum->xxh64 == NULL) {
		checksum_destroy(sum);
		errno = ENOMEM;
		return NULL;
	}
	XXH3_128bits_reset(sum->xxh128);
	XXH64_reset(sum->xxh64, 0);
	MD5Init(&sum->md5);
	SHA1Init(&sum->sha1);
	blake2b_start(&sum->b2);
	sha2_start(sum);
	return sum;
}

void
checksum_destroy(struct checksum *sum)
{
	if (sum == NULL)
		return;
	XXH3_freeState(sum->xxh128);
	XXH64_freeState(sum->xxh64);
	free(sum);
}

void
checksum_add(struct checksum *sum, const void *data, size_t length)
{
	switch (sum->kind) {
	case CHECKSUM_XXH128: XXH3_128bits_update(sum->xxh128, data, length); break;
	case CHECKSUM_XXH64: XXH64_update(sum->xxh64, data, length); break;
	case CHECKSUM_MD5: MD5Update(&sum->md5, data, length); break;
	case CHECKSUM_SHA1: SHA1Update(&sum->sha1, data, length); break;
	case CHECKSUM_SHA224:
	case CHECKSUM_SHA256: SHA256Update(&sum->sha2, data, length); break;
	case CHECKSUM_SHA384: SHA384Update(&sum->sha2, data, length); break;
	case CHECKSUM_SHA512: SHA512Update(&sum->sha2, data, length); break;
	case CHECKSUM_B2: blake2b_add(&sum->b2, data, length); break;
	case CHECKSUM_BLK128: break;
	}
}

void
checksum_add_zeros(struct checksum *sum, uint64_t length)
{
	static const unsigned char zeros[65536];

	while (length > 0) {
		size_t part = length < sizeof(zeros) ? (size_t)length : sizeof(zeros);

		checksum_add(sum, zeros, part);
		length -= part;
	}
}

void
checksum_finish(struct checksum *sum, char out[CHECKSUM_HEX])
{
	unsigned char raw[64];
	XXH128_canonical_t wide;
	XXH64_canonical_t narrow;
	size_t i;

	switch (sum->kind) {
	case CHECKSUM_XXH128:
		XXH128_canonicalFromHash(&wide, XXH3_128bits_digest(sum->xxh128));
		memcpy(raw, wide.digest, sizeof(wide.digest));
		break;
	case CHECKSUM_XXH64:
		XXH64_canonicalFromHash(&narrow, XXH64_digest(sum->xxh64));
		memcpy(raw, narrow.digest, sizeof(narrow.digest));
		break;
	case CHECKSUM_MD5: MD5Final(raw, &sum->md5); break;
	case CHECKSUM_SHA1: SHA1Final(raw, &sum->sha1); break;
	case CHECKSUM_SHA224:
	case CHECKSUM_SHA256: SHA256Final(raw, &sum->sha2); break;
	case CHECKSUM_SHA384: SHA384Final(raw, &sum->sha2); break;
	case CHECKSUM_SHA512: SHA512Final(raw, &sum->sha2); break;
	case CHECKSUM_B2: blake2b_finish(&sum->b2, raw); break;
	case CHECKSUM_BLK128: return;
	}
	for (i = 0; i < kinds[sum->kind].digits / 2; i++)
		snprintf(out + 2 * i, 3, "%02x", raw[i]);
}
