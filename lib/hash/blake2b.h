/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * blake2b: BLAKE2b with 64 bytes and no key (RFC 7693), as b2sum(1) prints it.
 */
#ifndef BLAKE2B_H
#define BLAKE2B_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLAKE2B_SIZE	64

struct blake2b {
	uint64_t state[8];
	uint64_t length;		/* bytes added, without those in block */
	unsigned char block[128];
	size_t used;			/* bytes in block */
};

void blake2b_start(struct blake2b *);
void blake2b_add(struct blake2b *, const void *data, size_t length);

/* Nothing can be added afterwards. */
void blake2b_finish(struct blake2b *, unsigned char out[BLAKE2B_SIZE]);

#endif
