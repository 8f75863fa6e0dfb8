/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * record: the bytes of a block stream's records (blkstream(5)).
 *
 * Pure functions between structs and bytes; nothing here reads or writes a file,
 * or trusts a number before the sum over it holds.
 */
#ifndef RECORD_H
#define RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "hash/blk128.h"
#include "stream/header.h"

#define RECORD_SIZE		64
#define RECORD_NOTE_MAX		4096
#define RECORD_END_SIZE		72		/* of END's payload; it may grow */

enum record_type {
	RECORD_DATA = 1, RECORD_ZERO, RECORD_BAD, RECORD_NOTE, RECORD_MAP, RECORD_END,
	RECORD_ABORT
};

enum record_codec { RECORD_STORED, RECORD_DEFLATE, RECORD_ZSTD };

#define RECORD_OLD_BYTES	1u		/* flags */
#define RECORD_OLD_HASHES	2u

struct record {
	enum record_type type;
	enum record_codec codec;
	unsigned flags;
	uint64_t sequence;
	uint64_t offset, length;	/* bytes of the device */
	uint32_t stored;		/* payload bytes that follow */
	uint32_t stored_sum;		/* low half of XXH3-64 of them */
	uint64_t sum;			/* XXH3-64 of the payload before compression */
	uint64_t old;
};

struct end_summary {
	uint64_t size;			/* of the device */
	uint64_t records;		/* before END */
	uint64_t data, zero, bad;	/* bytes */
	unsigned char digest[BLK128_SIZE];	/* zero where not known */
	unsigned char base_digest[BLK128_SIZE];
};

void record_encode(const struct record *, const unsigned char id[STREAM_ID_SIZE],
    unsigned char out[RECORD_SIZE]);

/*
 * Decode a record, and check all that one record shows: magic, sum, type, codec, flags,
 * that offset + length is a device offset, that stored agrees with type, codec and
 * header->payload_max.  The sizes of a GOOD record are safe to allocate.
 */
enum verdict record_decode(struct record *, const struct stream_header *,
    const unsigned char in[RECORD_SIZE], struct error *);

/* Bytes that the payload has before compression. */
uint64_t record_plain_size(const struct record *, const struct stream_header *);

/* Set both sums of a record whose payload is stored plain. */
void record_seal(struct record *, const void *payload);

void end_encode(const struct end_summary *, unsigned char out[RECORD_END_SIZE]);
bool end_decode(struct end_summary *, const unsigned char *payload, size_t length,
    struct error *);

/* "DATA", "ZERO" …, for messages. */
const char *record_name(enum record_type);

#endif
