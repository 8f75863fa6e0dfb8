/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * header: the bytes of a block stream's header (blkstream(5)).
 *
 * Pure functions between structs and bytes; nothing here reads or writes a file,
 * or trusts a number before the sum over it holds.
 */
#ifndef HEADER_H
#define HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "device/identity.h"

#define STREAM_MAGIC		"\x89" "BLK\r\n\x1a\n"
#define STREAM_MAGIC_SIZE	8
#define STREAM_MAJOR		1	/* the version that is written, and read */
#define STREAM_MINOR		1
#define STREAM_HEADER_MIN	128
#define STREAM_HEADER_MAX	4096
#define STREAM_ID_SIZE		16
#define STREAM_PAYLOAD_MAX	(16u << 20)
#define STREAM_GRID_MIN		4096u
#define STREAM_GRID_MAX		(1u << 20)
#define STREAM_UNKNOWN		UINT64_MAX	/* a size that only END says */

#define STREAM_REQUIRED_ZSTD	1u	/* payloads may be RECORD_ZSTD */
#define STREAM_REQUIRED_STRIPED	2u	/* a lane (lane.h), which only blkwrite takes */

enum stream_kind { STREAM_IMAGE = 1, STREAM_DELTA, STREAM_MAP, STREAM_UNDO };

enum stream_hash { STREAM_XXH3_128 = 1, STREAM_SHA256 };

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

/* Whether a grid is a power of two, of a size that is allowed. */
bool header_grid_fits(uint64_t grid);

#endif
