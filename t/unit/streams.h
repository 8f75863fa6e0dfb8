/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * streams: small streams of every kind, made by lib/stream, always the same bytes.
 *
 * Their records are written as words: "D0+64" is DATA at 0 of 64 KiB, d DATA deflated, Z
 * ZERO, B BAD, M MAP, m MAP deflated, n NOTE, a ABORT, e END. Offsets and lengths are in
 * KiB, or in bytes with a b after them; * sets `old` from the bytes, # from hashes.
 */
#ifndef STREAMS_H
#define STREAMS_H

#include <err.h>
#include <sha256.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/bytes.h"
#include "base/io.h"
#include "hash/hash64.h"
#include "stream/codec.h"
#include "stream/stream.h"

#define STREAMS_DEVICE	(256u << 10)	/* the largest device made */

enum streams_trait {
	STREAMS_UNSIZED = 1,	/* header without size */
	STREAMS_EXTENDED = 2,	/* header with an extension, a higher minor, optional features */
	STREAMS_SHA256 = 4,
	STREAMS_ZSTD = 8,	/* packed with zstd, not deflated */
	STREAMS_UNBASED = 16,	/* a delta whose header leaves the size of the base open */
};

struct streams_plan {
	const char *name;
	enum stream_kind kind;
	uint64_t size;
	const char *records;
	unsigned traits;
};

static const struct streams_plan streams_plans[] = {
	{ "empty", STREAM_IMAGE, 0, "e", 0 },
	{ "example", STREAM_IMAGE, 65552, "Z0+64 D64+16b e", 0 },	/* blkstream(5) */
	{ "image", STREAM_IMAGE, 131112, "n d0+64 Z64+64 D128+40b e", 0 },
	{ "holes", STREAM_IMAGE, 256 << 10, "Z0+64 d64+64 n d128+64 Z192+64 e", 0 },
	{ "bad", STREAM_IMAGE, 192 << 10, "B0+4 B8+4 d0+64 B70+1 n Z64+64 B191+1 d128+64 e", 0 },
	{ "unsized", STREAM_IMAGE, 65636, "d0+64 D64+100b e", STREAMS_UNSIZED },
	{ "extended", STREAM_IMAGE, 65536, "n d0+64 e", STREAMS_EXTENDED },
#ifdef HAVE_ZSTD
	{ "zstd", STREAM_IMAGE, 131112, "n d0+64 Z64+64 D128+40b e", STREAMS_ZSTD },
#endif
	{ "aborted", STREAM_IMAGE, 131072, "d0+64 a", 0 },
	{ "delta", STREAM_DELTA, 65536,
	    "D5b+7b* Z100b+50b* d4+4* n B10000b+512b D20000b+10b Z20020b+100b e", 0 },
	{ "delta-hashes", STREAM_DELTA, 70000, "d0+8# n Z12+4# d20+4* d64+4# D68+368b# e", 0 },
	{ "delta-unbased", STREAM_DELTA, 65536, "D5b+7b* d4+4# Z8+8# B20000b+5b e", STREAMS_UNBASED },
	{ "map", STREAM_MAP, 132000, "n M0+8 Z8+8 m16+112 M128+928b e", 0 },
	{ "map-sha256", STREAM_MAP, 66000, "m0+64 M64+464b e", STREAMS_SHA256 },
	{ "undo", STREAM_UNDO, 65536, "d4+4* D20000b+16b* n d0+4 Z8+4* D19000b+16b* e", 0 },
	{ "undo-overlap", STREAM_UNDO, 65536, "d0+4 D100b+16b e", 0 },	/* seen only when it is applied */
	{ "undo-cut", STREAM_UNDO, 65536, "d4+4* D20000b+16b* n d0+4", 0 },
};

/* A stream in memory, and the device before and after it. */
struct streams_made {
	const struct streams_plan *plan;
	unsigned char *bytes;
	size_t length;
	unsigned char before[STREAMS_DEVICE], after[STREAMS_DEVICE];
};

struct streams_word {
	char letter, old;
	uint64_t offset, length;
};

static inline const struct streams_plan *
streams_find(const char *name)
{
	for (size_t i = 0; i < sizeof(streams_plans) / sizeof(streams_plans[0]); i++)
		if (strcmp(streams_plans[i].name, name) == 0)
			return &streams_plans[i];
	return NULL;
}

static inline uint64_t
streams_number(const char **text)
{
	char *end;
	uint64_t number = strtoull(*text, &end, 10);

	*text = end + (*end == 'b');
	return *end == 'b' ? number : number << 10;
}

/* The next word; false after the last. */
static inline bool
streams_word(const char **text, struct streams_word *word)
{
	const char *p = *text + strspn(*text, " ");

	if (*p == '\0')
		return false;
	*word = (struct streams_word){ .letter = *p++ };
	if (strchr("DdZBMm", word->letter) != NULL) {
		word->offset = streams_number(&p);
		p++;
		word->length = streams_number(&p);
	}
	if (*p == '*' || *p == '#')
		word->old = *p++;
	*text = p;
	return true;
}

/* Text that repeats, so that it deflates well, but differs between chunks of 64 KiB. */
static inline void
streams_fill(unsigned char *p, size_t size, char first)
{
	for (size_t i = 0; i < size; i++)
		p[i] = (unsigned char)(i % 64 == 0 ? first + (char)(i >> 16) : 'a' + (char)(i % 26));
}

/* The device before and after, according to the words. */
static inline void
streams_devices(struct streams_made *made)
{
	const char *left = made->plan->records;
	struct streams_word word;
	static unsigned char fresh[STREAMS_DEVICE];

	streams_fill(fresh, sizeof(fresh), '0');
	streams_fill(made->before, sizeof(made->before), 'A');
	memcpy(made->after, made->before, sizeof(made->after));
	while (streams_word(&left, &word))
		if (word.letter == 'Z')
			memset(made->after + word.offset, 0, word.length);
		else if (strchr("DdMm", word.letter) != NULL)
			memcpy(made->after + word.offset, fresh + word.offset, word.length);
	left = made->plan->records;
	while (streams_word(&left, &word) && made->plan->kind == STREAM_IMAGE)
		if (word.letter == 'B')
			memset(made->after + word.offset, 0, word.length);
}

/* Hashes of the blocks of a range, as MAP records hold them.  Returns their size. */
static inline size_t
streams_hashes(const struct stream_header *header, const unsigned char *p, uint64_t length,
    unsigned char *out)
{
	unsigned char *start = out;

	while (length > 0) {
		size_t block = length < header->grid ? length : header->grid;

		if (header->hash == STREAM_SHA256) {
			SHA2_CTX context;

			SHA256Init(&context);
			SHA256Update(&context, p, block);
			SHA256Final(out, &context);
			out += 32;
		} else {
			XXH128_canonicalFromHash((XXH128_canonical_t *)out, XXH3_128bits(p, block));
			out += BLK128_SIZE;
		}
		p += block;
		length -= block;
	}
	return (size_t)(out - start);
}

static inline void
streams_digest(const unsigned char *device, uint64_t size, unsigned char out[BLK128_SIZE])
{
	static unsigned char hashes[BLK128_BLOCKS(STREAMS_DEVICE) * BLK128_SIZE];
	struct blk128 *digest = blk128_create();

	if (digest == NULL)
		err(2, "digest");
	blk128_blocks(device, size, hashes);
	blk128_add(digest, hashes, size);
	blk128_finish(digest, out);
	blk128_destroy(digest);
}

static inline bool
streams_put_end(struct streams_made *made, struct stream_writer *writer)
{
	const struct streams_plan *plan = made->plan;
	struct end_summary end;

	order_summary(&writer->order, &end);
	end.size = plan->size;
	if (plan->kind != STREAM_UNDO)
		streams_digest(made->after, plan->size, end.digest);
	if (plan->kind == STREAM_DELTA)
		streams_digest(made->before, plan->size, end.base_digest);
	return stream_put_end(writer, &end);
}

static inline bool
streams_put_range(struct streams_made *made, struct stream_writer *writer,
    const struct streams_word *word)
{
	static unsigned char hashes[STREAMS_DEVICE], packed[STREAMS_DEVICE];
	const unsigned char *payload = made->after + word->offset;
	struct record record = { .offset = word->offset, .length = word->length };
	struct codec *codec = codec_create();

	if (codec == NULL)
		err(2, "codec");
	record.type = strchr("Dd", word->letter) != NULL ? RECORD_DATA :
	    strchr("Mm", word->letter) != NULL ? RECORD_MAP :
	    word->letter == 'Z' ? RECORD_ZERO : RECORD_BAD;
	if (record.type == RECORD_DATA)
		record.stored = (uint32_t)word->length;
	if (record.type == RECORD_MAP) {
		record.stored = (uint32_t)streams_hashes(&writer->header, payload, word->length, hashes);
		payload = hashes;
	}
	record_seal(&record, payload);
	if (word->letter == 'd' || word->letter == 'm')
		payload = codec_pack(codec, made->plan->traits & STREAMS_ZSTD ? RECORD_ZSTD :
		    RECORD_DEFLATE, 6, &record, payload, packed);
	codec_destroy(codec);
	if (word->old == '*') {
		record.flags = RECORD_OLD_BYTES;
		record.old = hash64(made->before + word->offset, word->length);
	} else if (word->old == '#') {
		record.flags = RECORD_OLD_HASHES;
		record.old = hash64(hashes, streams_hashes(&writer->header, made->before + word->offset,
		    word->length, hashes));
	}
	return stream_put(writer, &record, payload);
}

static inline void
streams_extend(struct stream_header *header)
{
	unsigned char *p = header->bytes + STREAM_HEADER_MIN;

	header->length = STREAM_HEADER_MIN + 32;
	store32(header->bytes + 12, header->length);
	store64(header->bytes + 120, hash64(header->bytes, 120));
	memcpy(p, "of a later minor version", 24);
	store64(p + 24, hash64(p, 24));
}

static inline struct stream_header
streams_header(const struct streams_plan *plan)
{
	struct stream_header header;

	header_init(&header, plan->kind, plan->traits & STREAMS_UNSIZED ? STREAM_UNKNOWN : plan->size);
	memcpy(header.id, "0123456789abcdef", STREAM_ID_SIZE);
	if (plan->kind == STREAM_DELTA || plan->kind == STREAM_MAP)
		header.grid = 4096;
	if (plan->kind == STREAM_DELTA && (plan->traits & STREAMS_UNBASED) == 0)
		header.base_size = plan->size;
	if (plan->traits & STREAMS_SHA256)
		header.hash = STREAM_SHA256;
	if (plan->traits & STREAMS_EXTENDED) {
		header.minor = 1;
		header.optional = 1;
	}
	if (plan->traits & STREAMS_ZSTD)
		header.required = STREAM_REQUIRED_ZSTD;
	header_encode(&header);
	if (plan->traits & STREAMS_EXTENDED)
		streams_extend(&header);
	return header;
}

static inline bool
streams_write(struct streams_made *made, int fd)
{
	struct stream_header header = streams_header(made->plan);
	const char *left = made->plan->records;
	struct stream_writer writer;
	struct streams_word word;
	bool ok = stream_begin(&writer, fd, &header);

	while (ok && streams_word(&left, &word))
		if (word.letter == 'n')
			ok = stream_put_note(&writer, "source=/dev/example");
		else if (word.letter == 'a')
			ok = stream_put_abort(&writer, "/dev/example: at byte 65536: Input/output error");
		else if (word.letter == 'e')
			ok = streams_put_end(made, &writer);
		else
			ok = streams_put_range(made, &writer, &word);
	return ok;
}

/* Make a stream in memory; free streams_made's bytes. */
static inline void
streams_make(struct streams_made *made, const struct streams_plan *plan)
{
	int fd = memfd_create("stream", MFD_CLOEXEC);
	off_t length;

	made->plan = plan;
	streams_devices(made);
	if (fd == -1 || !streams_write(made, fd))
		err(2, "stream %s", plan->name);
	length = lseek(fd, 0, SEEK_CUR);
	made->length = (size_t)length;
	made->bytes = malloc(made->length);
	if (length <= 0 || made->bytes == NULL ||
	    pread_full(fd, made->bytes, made->length, 0) != (ssize_t)length)
		err(2, "stream %s", plan->name);
	close(fd);
}

#endif
