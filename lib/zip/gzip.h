/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gzip: the members that blkzip writes on raw bytes, and the headers of others.
 *
 * A member of ours is a gzip member (RFC 1952) of at most GZIP_PLAIN plain bytes:
 *
 *	 0  10  1f 8b 08 04, then time, flags and system, which are written as
 *	        00 00 00 00 00 03 and not looked at
 *	10   2  20: length of the extra field
 *	12   2  'B' 'K': the subfield's name
 *	14   2  16: its length
 *	16   4  bytes of deflate data that follow these 32
 *	20   4  1 in the last member, else 0
 *	24   8  plain bytes in the members before this one
 *	32      deflate data, then CRC-32 and length of the plain bytes, 4 bytes each
 *
 * The last member is empty.  Pure functions, but for gzip_header_skip.
 */
#ifndef GZIP_H
#define GZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/error.h"
#include "pipe/input.h"

#define GZIP_PLAIN		(256u << 10)
#define GZIP_HEADER		32
#define GZIP_TRAILER		8

/* Deflate splits what it stores into blocks of 65535 bytes, behind 5 bytes each. */
#define GZIP_STORED_BLOCKS	5
#define GZIP_STORED_HEAD	5
#define GZIP_DATA_MAX		(GZIP_PLAIN + GZIP_STORED_BLOCKS * GZIP_STORED_HEAD)

struct gzip_member {
	uint32_t data;		/* bytes of deflate data, 1 to GZIP_DATA_MAX */
	bool last;
	uint64_t offset;	/* plain bytes before it */
};

/* True if a gzip member of any program begins here. */
bool gzip_begins(const unsigned char *bytes, size_t length);

/* True if a header of ours begins here; needs GZIP_HEADER bytes. */
bool gzip_is_ours(const unsigned char *bytes, size_t length);

void gzip_header_encode(const struct gzip_member *, unsigned char out[GZIP_HEADER]);

/* Decode and check a header that gzip_is_ours; if true, its values are in bounds. */
bool gzip_header_decode(struct gzip_member *, const unsigned char in[GZIP_HEADER],
    struct error *);

/* CRC-32, continued from crc; begin with 0. */
uint32_t gzip_crc(uint32_t crc, const void *data, size_t length);

void gzip_trailer_encode(uint32_t crc, uint32_t length, unsigned char out[GZIP_TRAILER]);

/* Compare a trailer with what was computed. */
bool gzip_trailer_check(const unsigned char in[GZIP_TRAILER], uint32_t crc, uint32_t length,
    struct error *);

/*
 * Deflate data that stores length bytes, 1 to GZIP_PLAIN, as they are: fills up to 2 *
 * GZIP_STORED_BLOCKS parts, which point into data and heads, and says how many.  Their
 * bytes are gzip_stored_size(length).
 */
int gzip_store(const unsigned char *data, size_t length,
    unsigned char heads[GZIP_STORED_BLOCKS][GZIP_STORED_HEAD], struct iovec *parts);
uint32_t gzip_stored_size(size_t length);

/* Skip the header of a member of any program: name, comment and extra field are dropped. */
bool gzip_header_skip(struct input *, struct error *);

#endif
