/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * blockhash: the hashes of a scan's chunk on the grid of a map.
 *
 * They are computed on the scan's threads, into memory that belongs to the chunk.
 */
#ifndef BLOCKHASH_H
#define BLOCKHASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "read/scan.h"
#include "stream/map.h"

#define BLOCKHASH_MAX	(SCAN_CHUNK_MAX / STREAM_GRID_MIN)

/* A grid, and a hash function. */
struct blockhash {
	uint32_t grid;				/* bytes of a block */
	enum stream_hash hash;
	size_t size;				/* bytes of a hash */
	unsigned char zero[MAP_HASH_MAX];	/* the hash of a whole block of zeros */
};

/* Per chunk: the memory that scan.user_size asks for and chunk->user points to. */
struct blockhash_chunk {
	unsigned char hashes[BLOCKHASH_MAX * MAP_HASH_MAX];
	bool zero[BLOCKHASH_MAX];		/* the block is all zeros */
};

void blockhash_init(struct blockhash *, uint32_t grid, enum stream_hash);

/*
 * Set the scan's grid, chunk size and user_size so that chunks begin on the map's grid
 * and on that of blk128, and have their hashes for blk128 as well.
 */
void blockhash_prepare(const struct blockhash *, struct scan *);

/* Length of the block at byte at of the chunk; the last one may be short. */
uint64_t blockhash_length(const struct blockhash *, const struct scan_chunk *, uint64_t at);

/* Hash all blocks of a chunk into chunk->user; of a hole nothing.  Any thread. */
void blockhash_chunk(const struct blockhash *, struct scan_chunk *);

/* The hash of length zero bytes, at most a block; room is used for a short one. */
const unsigned char *blockhash_zeros(const struct blockhash *, uint64_t length,
    unsigned char room[MAP_HASH_MAX]);

#endif
