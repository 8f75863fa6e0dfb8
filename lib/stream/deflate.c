/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include <libdeflate.h>
#ifdef HAVE_ISAL
#include <isa-l/igzip_lib.h>
#endif

#include "stream/deflate.h"

#ifdef HAVE_ISAL

/*
 * Of ISA-L's levels the first is the fastest.  This buffer lets it begin a block, with codes
 * of its own, every 32 Ki symbols: a larger one makes the output larger, and no faster.
 */
#define ISAL_LEVEL	1
#define ISAL_ROOM	ISAL_DEF_LVL1_MEDIUM

/* Fewer bytes are left to libdeflate, which knows when that does not pay. */
#define ISAL_LENGTH_MIN	64

struct isal {
	struct isal_zstream stream;
	unsigned char room[ISAL_ROOM];
};

#endif

struct deflate {
	struct libdeflate_compressor *compressors[DEFLATE_LEVEL_MAX + 1];	/* made when first needed */
	struct libdeflate_decompressor *decompressor;
#ifdef HAVE_ISAL
	struct isal *isal;		/* likewise */
#endif
};

struct deflate *
deflate_create(void)
{
	struct deflate *deflate = calloc(1, sizeof(*deflate));

	if (deflate == NULL)
		return NULL;
	deflate->decompressor = libdeflate_alloc_decompressor();
	if (deflate->decompressor == NULL) {
		free(deflate);
		errno = ENOMEM;
		return NULL;
	}
	return deflate;
}

void
deflate_destroy(struct deflate *deflate)
{
	int i;

	if (deflate == NULL)
		return;
	for (i = 0; i <= DEFLATE_LEVEL_MAX; i++)
		if (deflate->compressors[i] != NULL)
			libdeflate_free_compressor(deflate->compressors[i]);
	libdeflate_free_decompressor(deflate->decompressor);
#ifdef HAVE_ISAL
	free(deflate->isal);
#endif
	free(deflate);
}

#ifdef HAVE_ISAL

/* As deflate_pack, at the fast level. */
static size_t
pack_fast(struct deflate *deflate, const void *data, size_t length, void *out, size_t capacity)
{
	struct isal_zstream *stream;

	if (deflate->isal == NULL)
		deflate->isal = malloc(sizeof(*deflate->isal));
	if (deflate->isal == NULL)
		return 0;
	stream = &deflate->isal->stream;
	isal_deflate_stateless_init(stream);
	stream->level = ISAL_LEVEL;
	stream->level_buf = deflate->isal->room;
	stream->level_buf_size = ISAL_ROOM;
	stream->end_of_stream = 1;
	stream->next_in = (unsigned char *)(uintptr_t)data;
	stream->avail_in = (uint32_t)length;
	stream->next_out = out;
	stream->avail_out = (uint32_t)capacity;
	errno = 0;
	return isal_deflate_stateless(stream) == COMP_OK ? stream->total_out : 0;
}

#endif

size_t
deflate_pack(struct deflate *deflate, int level, const void *data, size_t length, void *out,
    size_t capacity)
{
	struct libdeflate_compressor **compressor;

#ifdef HAVE_ISAL
	if (level == 1 && length >= ISAL_LENGTH_MIN)
		return pack_fast(deflate, data, length, out, capacity);
	if (level == 2)
		level = 1;
#endif
	compressor = &deflate->compressors[level];
	if (*compressor == NULL)
		*compressor = libdeflate_alloc_compressor(level);
	if (*compressor == NULL) {
		errno = ENOMEM;
		return 0;
	}
	errno = 0;
	return libdeflate_deflate_compress(*compressor, data, length, out, capacity);
}

bool
deflate_unpack(struct deflate *deflate, const void *data, size_t stored, void *out, size_t length)
{
	size_t used, made;

	return libdeflate_deflate_decompress_ex(deflate->decompressor, data, stored, out, length,
	    &used, &made) == LIBDEFLATE_SUCCESS && used == stored && made == length;
}
