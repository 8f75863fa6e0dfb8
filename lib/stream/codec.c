/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_ZSTD
#include <zstd.h>
#endif

#include "hash/hash64.h"
#include "stream/codec.h"
#include "stream/deflate.h"

struct codec {
	struct deflate *deflate;
#ifdef HAVE_ZSTD
	ZSTD_CCtx *zstd_compressor;	/* made when first needed, as the other */
	ZSTD_DCtx *zstd_decompressor;
#endif
};

bool
codec_has(enum record_codec method)
{
#ifdef HAVE_ZSTD
	return method <= RECORD_ZSTD;
#else
	return method <= RECORD_DEFLATE;
#endif
}

bool
codec_knows(const struct stream_header *header, struct error *error)
{
	if ((header->required & STREAM_REQUIRED_ZSTD) != 0 && !codec_has(RECORD_ZSTD))
		return error_set(error, "the stream is compressed with zstd, and this program was "
		    "built without it; blkzip -d where it comes from takes zstd out");
	return true;
}

struct codec *
codec_create(void)
{
	struct codec *codec = calloc(1, sizeof(*codec));

	if (codec == NULL)
		return NULL;
	codec->deflate = deflate_create();
	if (codec->deflate == NULL) {
		free(codec);
		errno = ENOMEM;
		return NULL;
	}
	return codec;
}

void
codec_destroy(struct codec *codec)
{
	if (codec == NULL)
		return;
	deflate_destroy(codec->deflate);
#ifdef HAVE_ZSTD
	ZSTD_freeCCtx(codec->zstd_compressor);
	ZSTD_freeDCtx(codec->zstd_decompressor);
#endif
	free(codec);
}

/*
 * Entropy of the bytes in samples spread over the data.  Media and ciphertext lie above 7.8
 * bits a byte; data in which deflate finds matches hardly ever does.
 */
bool
codec_worthwhile(const void *data, size_t length)
{
	enum { SAMPLES = 16, SAMPLE = 256 };
	const unsigned char *p = data;
	unsigned counts[256] = { 0 };
	const double total = SAMPLES * SAMPLE;
	double bits = 0;
	size_t step;
	int i, k;

	if (length < 2 * (size_t)total)
		return true;
	step = (length - SAMPLE) / (SAMPLES - 1);
	for (i = 0; i < SAMPLES; i++)
		for (k = 0; k < SAMPLE; k++)
			counts[p[(size_t)i * step + (size_t)k]]++;
	for (i = 0; i < 256; i++)
		if (counts[i] > 0)
			bits -= counts[i] * log2(counts[i] / total);
	return bits / total < 7.8;
}

size_t
codec_deflate(struct codec *codec, int level, const void *data, size_t length, void *out,
    size_t capacity)
{
	return deflate_pack(codec->deflate, level, data, length, out, capacity);
}

bool
codec_inflate(struct codec *codec, const void *data, size_t stored, void *out, size_t length)
{
	return deflate_unpack(codec->deflate, data, stored, out, length);
}

#ifdef HAVE_ZSTD

/* As codec_deflate. */
static size_t
codec_zstd_compress(struct codec *codec, int level, const void *data, size_t length, void *out,
    size_t capacity)
{
	size_t n;

	if (codec->zstd_compressor == NULL)
		codec->zstd_compressor = ZSTD_createCCtx();
	if (codec->zstd_compressor == NULL) {
		errno = ENOMEM;
		return 0;
	}
	errno = 0;
	n = ZSTD_compressCCtx(codec->zstd_compressor, out, capacity, data, length, level);
	return ZSTD_isError(n) ? 0 : n;
}

/*
 * As codec_inflate.  The payload is exactly one frame, and the sizes in its header are not
 * trusted.
 */
static bool
codec_zstd_decompress(struct codec *codec, const void *data, size_t stored, void *out,
    size_t length)
{
	if (codec->zstd_decompressor == NULL)
		codec->zstd_decompressor = ZSTD_createDCtx();
	return codec->zstd_decompressor != NULL &&
	    ZSTD_findFrameCompressedSize(data, stored) == stored &&
	    ZSTD_decompressDCtx(codec->zstd_decompressor, out, length, data, stored) == length;
}

#else

static size_t
codec_zstd_compress(struct codec *codec, int level, const void *data, size_t length, void *out,
    size_t capacity)
{
	(void)codec, (void)level, (void)data, (void)length, (void)out, (void)capacity;
	errno = ENOTSUP;
	return 0;
}

static bool
codec_zstd_decompress(struct codec *codec, const void *data, size_t stored, void *out,
    size_t length)
{
	(void)codec, (void)data, (void)stored, (void)out, (void)length;
	return false;
}

#endif

bool
codec_check_stored(const struct record *record, const void *payload, struct error *error)
{
	if ((uint32_t)hash64(payload, record->stored) != record->stored_sum)
		return error_set(error, "%s record with a wrong checksum",
		    record_name(record->type));
	return true;
}

bool
codec_unpack(struct codec *codec, const struct record *record, const struct stream_header *header,
    const unsigned char *payload, unsigned char *out, const unsigned char **plain,
    struct error *error)
{
	size_t length = record_plain_size(record, header);
	uint64_t sum = hash64(payload, record->stored);

	if ((uint32_t)sum != record->stored_sum)
		return error_set(error, "%s record with a wrong checksum",
		    record_name(record->type));
	*plain = payload;
	if (record->codec != RECORD_STORED) {
		if (record->codec == RECORD_DEFLATE ?
		    !codec_inflate(codec, payload, record->stored, out, length) :
		    !codec_zstd_decompress(codec, payload, record->stored, out, length))
			return error_set(error, "%s record does not inflate to the %zu bytes that it says",
			    record_name(record->type), length);
		*plain = out;
		sum = hash64(out, length);
	}
	if (sum != record->sum)
		return error_set(error, "%s record with a wrong checksum of its plain bytes",
		    record_name(record->type));
	return true;
}

const unsigned char *
codec_pack(struct codec *codec, enum record_codec method, int level, struct record *record,
    const unsigned char *payload, unsigned char *out)
{
	size_t n, length = record->stored;

	if (length < 2 || !codec_worthwhile(payload, length))
		return payload;
	n = method == RECORD_ZSTD ?
	    codec_zstd_compress(codec, level, payload, length, out, length - 1) :
	    codec_deflate(codec, level, payload, length, out, length - 1);
	if (n == 0)
		return payload;
	record->codec = method;
	record->stored = (uint32_t)n;
	record->stored_sum = (uint32_t)hash64(out, n);
	return out;
}
