/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * codec: the payload of one DATA or MAP record, compressed, decompressed and checked:
 * deflate (RFC 1951) and, where the program was built with it, zstd (RFC 8878).
 * A struct codec is one thread's.
 */
#ifndef CODEC_H
#define CODEC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "stream/record.h"

struct codec;

/* True if this program can compress and decompress with that codec. */
bool codec_has(enum record_codec);

/* True if it can read a stream with that header; false: error names what is missing. */
bool codec_knows(const struct stream_header *, struct error *);

/* NULL with errno set. */
struct codec *codec_create(void);
void codec_destroy(struct codec *);

/* False if a sample says that deflate would gain next to nothing. */
bool codec_worthwhile(const void *data, size_t length);

/*
 * Deflate at a level from 1 to 9 into less than capacity bytes.  Returns the bytes written;
 * 0 if they would not fit, or with errno ENOMEM.
 */
size_t codec_deflate(struct codec *, int level, const void *data, size_t length,
    void *out, size_t capacity);

/* Inflate; true only if exactly stored bytes were used and exactly length came out. */
bool codec_inflate(struct codec *, const void *data, size_t stored, void *out, size_t length);

/* Check the sum of a payload as stored. */
bool codec_check_stored(const struct record *, const void *payload, struct error *);

/*
 * Check both sums and give the plain bytes: *plain is payload itself if it is stored plain,
 * else out, which has room for record_plain_size bytes.
 */
bool codec_unpack(struct codec *, const struct record *, const struct stream_header *,
    const unsigned char *payload, unsigned char *out, const unsigned char **plain,
    struct error *);

/*
 * Compress a record that is stored plain and whose sum is set, as RECORD_DEFLATE or
 * RECORD_ZSTD: changes codec, stored and stored_sum.  Returns the new payload in out; or
 * payload, unchanged, if compression does not pay. out has room for record->stored bytes.
 */
const unsigned char *codec_pack(struct codec *, enum record_codec, int level,
    struct record *, const unsigned char *payload, unsigned char *out);

#endif
