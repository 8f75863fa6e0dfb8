/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * blk128: the digest of a device.
 *
 * XXH3-128 of each 64 KiB block (the last may be short), then XXH3-128 of those
 * hashes in order, in xxHash's canonical byte order, followed by the size in bytes
 * as 8 little-endian bytes.  Blocks may be hashed by any thread in any order; a
 * struct blk128 takes them in order, from one thread at a time.
 */
#ifndef BLK128_H
#define BLK128_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define BLK128_BLOCK	65536
#define BLK128_SIZE	16
#define BLK128_HEX	(2 * BLK128_SIZE + 1)

/* How many blocks a range of length bytes that starts on the grid covers. */
#define BLK128_BLOCKS(length)	(((length) + BLK128_BLOCK - 1) / BLK128_BLOCK)

struct blk128;

/* NULL with errno set. */
struct blk128 *blk128_create(void);
void blk128_destroy(struct blk128 *);

/* Hash data block by block into BLK128_BLOCKS(length) hashes. */
void blk128_blocks(const void *data, size_t length, unsigned char *hashes);

/* The hash of length zero bytes, length at most BLK128_BLOCK. */
void blk128_zero_block(size_t length, unsigned char hash[BLK128_SIZE]);

/*
 * The next length bytes of the device, given by their hashes, or all zero.  Only
 * the last call may have a length that is no multiple of BLK128_BLOCK.
 */
void blk128_add(struct blk128 *, const unsigned char *hashes, uint64_t length);
void blk128_add_zeros(struct blk128 *, uint64_t length);

/*
 * The next bytes of the device, or zeros where data is NULL, of any length; not together with the
 * two above.  False with errno set.
 */
bool blk128_bytes(struct blk128 *, const unsigned char *data, uint64_t length);

/* Bytes added so far. */
uint64_t blk128_size(const struct blk128 *);

/* The digest of what was added; more may be added afterwards. */
void blk128_finish(const struct blk128 *, unsigned char out[BLK128_SIZE]);

/* Lower-case hexadecimal, BLK128_HEX bytes with the final 0.  Returns out. */
char *blk128_hex(const unsigned char digest[BLK128_SIZE], char *out);

/* The digest of what was added is the wanted one, or that is all zero: not known. */
bool blk128_check(const struct blk128 *, const unsigned char wanted[BLK128_SIZE],
    struct error *);

#endif
