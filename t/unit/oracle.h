/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * oracle: a second reader of block streams, written from blkstream(5) alone and as plainly
 * as possible: the whole stream is in memory, zlib inflates.  The project's reader must
 * accept the same streams and make the same of them.
 */
#ifndef ORACLE_H
#define ORACLE_H

#include <sha256.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include <zlib.h>
#ifdef HAVE_ZSTD
#include <zstd.h>
#endif

struct oracle {
	const unsigned char *p, *end;	/* the rest of the stream */
	unsigned char *device, *hashes;	/* as in struct consumer */
	uint64_t capacity;

	uint64_t seed, size, base_size;
	uint64_t sequence, last, bad_end;
	uint64_t data, zero, bad;
	uint32_t grid, payload_max;
	unsigned kind, hash_size, codec_max;
	XXH3_state_t *map;		/* over the hashes of a map */
	unsigned char *plain;
	const char *why;
};

#define ORACLE_MOST	((UINT64_C(1) << 63) - 1)

static inline uint64_t
oracle_number(const unsigned char *p, int bytes)
{
	uint64_t n = 0;

	while (bytes-- > 0)
		n = n << 8 | p[bytes];
	return n;
}

static inline bool
oracle_no(struct oracle *o, const char *why)
{
	o->why = why;
	return false;
}

static inline bool
oracle_size(uint64_t size)
{
	return size <= ORACLE_MOST || size == UINT64_MAX;
}

static inline bool
oracle_header(struct oracle *o)
{
	const unsigned char *p = o->p;
	size_t left = (size_t)(o->end - p);
	uint64_t length;

	if (left < 128 || memcmp(p, "\x89\x42\x4c\x4b\r\n\x1a\n", 8) != 0 ||
	    oracle_number(p + 120, 8) != XXH3_64bits(p, 120))
		return oracle_no(o, "header");
	length = oracle_number(p + 12, 4);
	o->codec_max = 1;
#ifdef HAVE_ZSTD
	o->codec_max += p[16] & 1;
#endif
	if (oracle_number(p + 8, 2) != 1 || oracle_number(p + 16, 8) > o->codec_max - 1 || length > 4096 ||
	    (length != 128 && length < 136))
		return oracle_no(o, "version");
	if (left < length || (length > 128 &&
	    oracle_number(p + length - 8, 8) != XXH3_64bits(p + 128, length - 136)))
		return oracle_no(o, "extension");
	o->seed = oracle_number(p + 32, 8);
	o->size = oracle_number(p + 48, 8);
	o->grid = (uint32_t)oracle_number(p + 64, 4);
	o->payload_max = (uint32_t)oracle_number(p + 68, 4);
	o->kind = p[72];
	o->hash_size = p[73] == 1 ? 16 : 32;
	o->base_size = oracle_number(p + 80, 8);
	if (o->kind < 1 || o->kind > 4 || p[73] < 1 || p[73] > 2)
		return oracle_no(o, "kind");
	if (o->grid < 4096 || o->grid > 1 << 20 || __builtin_popcount(o->grid) != 1 ||
	    o->payload_max < 1 || o->payload_max > 16 << 20)
		return oracle_no(o, "grid");
	if (!oracle_size(o->size) || !oracle_size(o->base_size) ||
	    !oracle_size(oracle_number(p + 56, 8)) || (o->kind != 1 && o->size == UINT64_MAX) ||
	    (o->kind != 2 && o->base_size != UINT64_MAX) ||
	    (o->size != UINT64_MAX && o->size > o->capacity))
		return oracle_no(o, "size");
	o->p += length;
	return true;
}

static inline bool
oracle_zstd(const unsigned char *in, uint32_t stored, unsigned char *out, uint64_t length)
{
#ifdef HAVE_ZSTD
	return ZSTD_findFrameCompressedSize(in, stored) == stored &&
	    ZSTD_decompress(out, length, in, stored) == length;
#else
	(void)in, (void)stored, (void)out, (void)length;
	return false;
#endif
}

static inline bool
oracle_inflate(const unsigned char *in, uint32_t stored, unsigned char *out, uint64_t length)
{
	z_stream z = { .next_in = (unsigned char *)in, .avail_in = stored,
	    .next_out = out, .avail_out = (unsigned)length };
	bool ok;

	if (inflateInit2(&z, -15) != Z_OK)
		return false;
	ok = inflate(&z, Z_FINISH) == Z_STREAM_END && z.avail_in == 0 && z.avail_out == 0;
	inflateEnd(&z);
	return ok;
}

/* Check payload and sums of the record at p; o->plain is the payload before compression. */
static inline bool
oracle_payload(struct oracle *o, const unsigned char *p, uint64_t plain, uint64_t most)
{
	uint64_t stored = oracle_number(p + 32, 4), sum = oracle_number(p + 40, 8);
	bool sized = p[4] == 1 || p[4] == 5;

	if (plain > most || stored > most || p[5] > (sized ? o->codec_max : 0) ||
	    (p[5] == 0 ? stored != plain : stored == 0 || stored >= plain))
		return oracle_no(o, "stored");
	if ((size_t)(o->end - o->p) < stored)
		return oracle_no(o, "cut");
	if ((uint32_t)XXH3_64bits(o->p, stored) != oracle_number(p + 36, 4))
		return oracle_no(o, "stored sum");
	free(o->plain);
	o->plain = malloc(plain + 1);
	if (p[5] == 0)
		memcpy(o->plain, o->p, plain);
	else if (p[5] == 1 ? !oracle_inflate(o->p, (uint32_t)stored, o->plain, plain) :
	    !oracle_zstd(o->p, (uint32_t)stored, o->plain, plain))
		return oracle_no(o, "compressed");
	if (XXH3_64bits(o->plain, plain) != sum)
		return oracle_no(o, "plain sum");
	o->p += stored;
	return true;
}

/* XXH3-64 over the hashes of the blocks that the device has in a range. */
static inline uint64_t
oracle_hashes_sum(const struct oracle *o, const unsigned char *device, uint64_t length)
{
	unsigned char *hashes = malloc((length / o->grid + 1) * 32), *to = hashes;
	uint64_t sum;

	for (; length > 0; to += o->hash_size) {
		size_t block = length < o->grid ? length : o->grid;
		XXH128_hash_t hash = XXH3_128bits(device, block);

		if (o->hash_size == 32) {
			SHA2_CTX context;

			SHA256Init(&context);
			SHA256Update(&context, device, block);
			SHA256Final(to, &context);
		} else
			for (int i = 0; i < 8; i++) {
				to[i] = (unsigned char)(hash.high64 >> (56 - 8 * i));
				to[8 + i] = (unsigned char)(hash.low64 >> (56 - 8 * i));
			}
		device += block;
		length -= block;
	}
	sum = XXH3_64bits(hashes, (size_t)(to - hashes));
	free(hashes);
	return sum;
}

/* What the digest of a device is made of, if the hashes are those of a digest. */
static inline void
oracle_map(struct oracle *o, const unsigned char *p, uint64_t length)
{
	static const unsigned char zeros[65536];
	XXH128_canonical_t out;

	if (o->grid != 65536 || o->hash_size != 16)
		return;
	for (uint64_t at = 0; at < length; at += 65536) {
		size_t block = length - at < 65536 ? length - at : 65536;

		XXH128_canonicalFromHash(&out, XXH3_128bits(zeros, block));
		XXH3_128bits_update(o->map, p[4] == 2 ? out.digest : o->plain + at / 65536 * 16, 16);
	}
}

/* Carry out DATA, ZERO or MAP; for ZERO, plain is as many zeros. */
static inline bool
oracle_apply(struct oracle *o, const unsigned char *p, uint64_t offset, uint64_t length)
{
	unsigned char *device = o->device + offset;
	unsigned flags = (unsigned)oracle_number(p + 6, 2);
	uint64_t old = oracle_number(p + 48, 8);

	if (o->kind == 3)
		oracle_map(o, p, length);
	if (o->kind == 3)
		memcpy(o->hashes + offset / o->grid * o->hash_size, o->plain,
		    (length + o->grid - 1) / o->grid * o->hash_size);
	else if (flags == 0 || memcmp(device, o->plain, length) == 0 ||
	    old == (flags == 1 ? XXH3_64bits(device, length) : oracle_hashes_sum(o, device, length)))
		memcpy(device, o->plain, length);
	else
		return oracle_no(o, "old");
	return true;
}

static inline bool
oracle_flags(const struct oracle *o, const unsigned char *p, uint64_t offset, uint64_t length)
{
	unsigned flags = (unsigned)oracle_number(p + 6, 2);

	if (flags == 0)
		return true;
	if (flags > 2 || (p[4] != 1 && p[4] != 2) || o->kind % 2 != 0 || length > 16 << 20)
		return false;
	return flags == 1 || (offset % o->grid == 0 && ((offset + length) % o->grid == 0 ||
	    (offset + length == o->size && o->size == o->base_size)));
}

/* DATA, ZERO, BAD or MAP. */
static inline bool
oracle_range(struct oracle *o, const unsigned char *p)
{
	uint64_t offset = oracle_number(p + 16, 8), length = oracle_number(p + 24, 8);
	bool whole = o->kind == 1 || o->kind == 3;
	uint64_t grid = o->kind == 3 ? o->grid : 65536, lowest = o->last, plain = 0;

	if (p[4] == (o->kind == 3 ? 1 : 5) || (p[4] == 3 && o->kind > 2))
		return oracle_no(o, "not of this kind");
	if (length == 0 || length > ORACLE_MOST || offset > ORACLE_MOST - length ||
	    (o->size != UINT64_MAX && offset + length > o->size))
		return oracle_no(o, "range");
	if (!oracle_flags(o, p, offset, length))
		return oracle_no(o, "flags");
	if (whole && p[4] == 3 && o->bad_end > lowest)
		lowest = o->bad_end;
	if ((o->kind != 4 && offset < lowest) || (whole && p[4] != 3 &&
	    (offset != o->last || offset % grid != 0 || o->bad_end > offset + length)))
		return oracle_no(o, "order");
	if (p[4] == 1)
		plain = length;
	if (p[4] == 5)
		plain = (length + o->grid - 1) / o->grid * o->hash_size;
	if (!oracle_payload(o, p, plain, p[4] == 1 || p[4] == 5 ? o->payload_max : 0))
		return false;
	if (offset + length > o->capacity)
		return oracle_no(o, "capacity");
	*(p[4] == 2 ? &o->zero : p[4] == 3 ? &o->bad : &o->data) += length;
	if (whole && p[4] == 3) {
		o->bad_end = offset + length;
		return true;
	}
	o->last = offset + length;
	o->bad_end = 0;
	if (p[4] == 2) {
		free(o->plain);
		o->plain = calloc(length + 32, 1);
	}
	return p[4] == 3 || oracle_apply(o, p, offset, length);
}

static inline bool
oracle_digest(const struct oracle *o, const unsigned char *wanted, uint64_t size)
{
	static const unsigned char unknown[16];
	XXH3_state_t *state = XXH3_createState();
	XXH128_canonical_t out;
	unsigned char bytes[8];

	XXH3_128bits_reset(state);
	if (o->kind == 3)
		XXH3_copyState(state, o->map);
	for (uint64_t at = 0; o->kind != 3 && at < size; at += 65536) {
		size_t block = size - at < 65536 ? size - at : 65536;

		XXH128_canonicalFromHash(&out, XXH3_128bits(o->device + at, block));
		XXH3_128bits_update(state, out.digest, 16);
	}
	for (int i = 0; i < 8; i++)
		bytes[i] = (unsigned char)(size >> 8 * i);
	XXH3_128bits_update(state, bytes, 8);
	XXH128_canonicalFromHash(&out, XXH3_128bits_digest(state));
	XXH3_freeState(state);
	return memcmp(wanted, unknown, 16) == 0 || memcmp(wanted, out.digest, 16) == 0;
}

static inline bool
oracle_end(struct oracle *o, const unsigned char *p)
{
	uint64_t size;

	if (oracle_number(p + 32, 4) < 72 || o->bad_end != 0)
		return oracle_no(o, "END");
	size = oracle_number(o->plain, 8);
	if (oracle_number(o->plain + 8, 8) != o->sequence - 1 ||
	    oracle_number(o->plain + 16, 8) != o->data || oracle_number(o->plain + 24, 8) != o->zero ||
	    oracle_number(o->plain + 32, 8) != o->bad)
		return oracle_no(o, "counts");
	if ((o->size != UINT64_MAX && size != o->size) || size < o->last || size > o->capacity ||
	    (o->kind % 2 == 1 && size != o->last))
		return oracle_no(o, "size in END");
	if ((o->kind <= 2 || (o->kind == 3 && o->grid == 65536 && o->hash_size == 16)) &&
	    !oracle_digest(o, o->plain + 40, size))
		return oracle_no(o, "digest");
	return o->p == o->end || oracle_no(o, "bytes behind END");
}

/* One record; *done if it was a good END. */
static inline bool
oracle_record(struct oracle *o, bool *done)
{
	const unsigned char *p = o->p;

	if (o->end - p < 64 || memcmp(p, "BREC", 4) != 0 ||
	    XXH3_64bits_withSeed(p, 56, o->seed) != oracle_number(p + 56, 8) ||
	    p[4] < 1 || p[4] > 7 || oracle_number(p + 8, 8) != o->sequence)
		return oracle_no(o, "record");
	o->sequence++;
	o->p += 64;
	if (p[4] <= 3 || p[4] == 5)
		return oracle_range(o, p);
	if (oracle_number(p + 16, 8) != o->last || oracle_number(p + 24, 8) != 0 ||
	    oracle_number(p + 6, 2) != 0)
		return oracle_no(o, "fields without a range");
	if (!oracle_payload(o, p, oracle_number(p + 32, 4), 4096))
		return false;
	if (p[4] == 7)
		return oracle_no(o, "ABORT");
	*done = p[4] == 6;
	return p[4] == 4 || oracle_end(o, p);
}

/* Apply a stream to a device.  False: o->why is a word that says why. */
static inline bool
oracle_read(struct oracle *o, const unsigned char *bytes, size_t length)
{
	bool done = false, ok;

	o->p = bytes;
	o->end = bytes + length;
	o->sequence = o->last = o->bad_end = o->data = o->zero = o->bad = 0;
	o->plain = NULL;
	o->why = "";
	o->map = XXH3_createState();
	XXH3_128bits_reset(o->map);
	ok = oracle_header(o);
	while (ok && !done)
		ok = oracle_record(o, &done);
	free(o->plain);
	XXH3_freeState(o->map);
	return ok;
}

#endif
