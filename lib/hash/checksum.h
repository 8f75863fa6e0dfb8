/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * checksum: the digests that blksum prints, over bytes in order.
 *
 * blk128 is not among the functions here, for it is made of block hashes (blk128.h).
 */
#ifndef CHECKSUM_H
#define CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum checksum_kind {
	CHECKSUM_BLK128, CHECKSUM_XXH128, CHECKSUM_XXH64, CHECKSUM_MD5, CHECKSUM_SHA1,
	CHECKSUM_SHA224, CHECKSUM_SHA256, CHECKSUM_SHA384, CHECKSUM_SHA512, CHECKSUM_B2
};
#define CHECKSUM_KINDS	10
#define CHECKSUM_HEX	129	/* the longest, with its final 0 */

/* "blk128", as -a takes it; and "BLK128", as BSD lines begin. */
const char *checksum_name(enum checksum_kind);
const char *checksum_tag(enum checksum_kind);

/* Hexadecimal digits. */
size_t checksum_digits(enum checksum_kind);

/* False if there is none of that name, in either spelling or that of openssl(1). */
bool checksum_find(const char *name, size_t length, enum checksum_kind *);

/* The kind that a bare digest of this many digits is taken for; false if none. */
bool checksum_guess(size_t digits, enum checksum_kind *);

struct checksum;

/* NULL with errno set.  Not for CHECKSUM_BLK128. */
struct checksum *checksum_create(enum checksum_kind);
void checksum_destroy(struct checksum *);

void checksum_add(struct checksum *, const void *data, size_t length);
void checksum_add_zeros(struct checksum *, uint64_t length);

/* Lower-case digits and a final 0; nothing can be added afterwards. */
void checksum_finish(struct checksum *, char out[CHECKSUM_HEX]);

#endif
