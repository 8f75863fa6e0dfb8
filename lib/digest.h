/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * digest: blk128, the digest of a device.
 *
 * XXH3-128 of each 64 KiB block (the last may be short), then XXH3-128 of those
 * hashes in order, in xxHash's canonical byte order, followed by the size in bytes
 * as 8 little-endian bytes.  Blocks may be hashed by any thread in any order; a
 * struct digest takes them in order, from one thread at a time.
 */
#ifndef DIGEST_H
#define DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

#define DIGEST_BLOCK	65536
#define DIGEST_SIZE	16
#define DIGEST_HEX	(2 * DIGEST_SIZE + 1)

/* How many blocks a range of length bytes that starts on the grid covers. */
#define DIGEST_BLOCKS(length)	(((length) + DIGEST_BLOCK - 1) / DIGEST_BLOCK)

struct digest;

/* NULL with errno set. */
struct digest *digest_create(void);
void digest_destroy(struct digest *);

/* Hash data block by block into DIGEST_BLOCKS(length) hashes. */
void digest_blocks(const void *data, size_t length, unsigned char *hashes);

/* The hash of length zero bytes, length at most DIGEST_BLOCK. */
void digest_zero_block(size_t length, unsigned char hash[DIGEST_SIZE]);

/*
 * The next length bytes of the device, given by their hashes, or all zero.  Only
 * the last call may have a length that is no multiple of DIGEST_BLOCK.
 */
void digest_add(struct digest *, const unsigned char *hashes, uint64_t length);
void digest_add_zeros(struct digest *, uint64_t length);

/* Bytes added so far. */
uint64_t digest_size(const struct digest *);

/* The digest of what was added; more may be added afterwards. */
void digest_finish(const struct digest *, unsigned char out[DIGEST_SIZE]);

/* Lower-case hexadecimal, DIGEST_HEX bytes with the final 0.  Returns out. */
char *digest_hex(const unsigned char digest[DIGEST_SIZE], char *out);

/* The digest of what was added is the wanted one, or that is all zero: not known. */
bool digest_check(const struct digest *, const unsigned char wanted[DIGEST_SIZE],
    struct error *);

#endif
