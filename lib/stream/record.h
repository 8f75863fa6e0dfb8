/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * record: the bytes of a block stream's header and records (blkstream(5)).
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
#include "device/identity.h"
#include "hash/blk128.h"

#define STREAM_MAGIC		"\x89" "BLK\r\n\x1a\n"
#define STREAM_MAGIC_SIZE	8
#define STREAM_HEADER_MIN	128
#define STREAM_HEADER_MAX	4096
#define STREAM_ID_SIZE		16
#define STREAM_PAYLOAD_MAX	(16u << 20)
#define STREAM_GRID_MIN		4096u
#define STREAM_GRID_MAX		(1u << 20)
#define STREAM_UNKNOWN		UINT64_MAX	/* a size that only END says */

#define STREAM_REQUIRED_ZSTD	1u	/* payloads may be RECORD_ZSTD */
#define STREAM_REQUIRED_STRIPED	2u	/* a lane (lane.h), which only blkwrite takes */

#define RECORD_SIZE		64
#define RECORD_NOTE_MAX		4096
#define RECORD_END_SIZE		72		/* of END's payload; it may grow */

enum stream_kind { STREAM_IMAGE = 1, STREAM_DELTA, STREAM_MAP, STREAM_UNDO };

enum stream_hash { STREAM_XXH3_128 = 1, STREAM_SHA256 };

enum record_type {
	RECORD_DATA = 1, RECORD_ZERO, RECORD_BAD, RECORD_NOTE, RECORD_MAP, RECORD_END,
	RECORD_ABORT
};

enum record_codec { RECORD_STORED, RECORD_DEFLATE, RECORD_ZSTD };

#define RECORD_OLD_BYTES	1u		/* flags */
#define RECORD_OLD_HASHES	2u

struct stream_header {
	uint16_t minor;
	uint32_t length;		/* of the whole header */
	uint64_t required, optional;	/* features */
	unsigned char id[STREAM_ID_SIZE];
	uint64_t size;			/* of the device made; or STREAM_UNKNOWN */
	uint64_t data;			/* data bytes to come; or STREAM_UNKNOWN */
	uint32_t grid;
	uint32_t payload_max;		/* largest payload and largest DATA length */
	enum stream_kind kind;
	enum stream_hash hash;
	uint64_t base_size;		/* or STREAM_UNKNOWN */
	struct identity identity;	/* of the disk that was read, where the range begins */
	unsigned char bytes[STREAM_HEADER_MAX];	/* as read or encoded, to be passed on */
};

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

/* Fill in a new header: defaults, and a random id. */
void header_init(struct stream_header *, enum stream_kind, uint64_t size);

/* Encode into header->bytes with length 128; as version 1.1 if the disk is known, else 1.0. */
void header_encode(struct stream_header *);

/* Change the required features, in header->bytes too, and nothing else. */
void header_require(struct stream_header *, uint64_t required);

/*
 * FOREIGN: the checksum holds, so an unknown value means a newer format and not damage.
 * Programs that only pass bytes on may go on with it as plain bytes.
 */
enum verdict { VERDICT_GOOD, VERDICT_FOREIGN, VERDICT_BROKEN };

/*
 * Decode header->bytes[0 … 127] and, once all header->length bytes are there (see
 * header_decode_rest), check the bytes behind.  Not GOOD, or false: error says why.
 */
enum verdict header_decode(struct stream_header *, struct error *);
bool header_decode_rest(const struct stream_header *, struct error *);

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
