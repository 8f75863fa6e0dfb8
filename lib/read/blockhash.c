/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "base/io.h"
#include "hash/blk128.h"
#include "read/blockhash.h"

static const unsigned char zeros[STREAM_GRID_MAX];

void
blockhash_init(struct blockhash *blocks, uint32_t grid, enum stream_hash hash)
{
	blocks->grid = grid;
	blocks->hash = hash;
	blocks->size = map_hash_size(hash);
	map_hash_blocks(hash, grid, zeros, grid, blocks->zero);
}

void
blockhash_prepare(const struct blockhash *blocks, struct scan *scan)
{
	scan->grid = blocks->grid > BLK128_BLOCK ? blocks->grid : BLK128_BLOCK;
	scan->chunk = scan->grid > SCAN_CHUNK ? scan->grid : SCAN_CHUNK;
	scan->hash = true;
	scan->user_size = sizeof(struct blockhash_chunk);
}

uint64_t
blockhash_length(const struct blockhash *blocks, const struct scan_chunk *chunk, uint64_t at)
{
	return chunk->length - at < blocks->grid ? chunk->length - at : blocks->grid;
}

void
blockhash_chunk(const struct blockhash *blocks, struct scan_chunk *chunk)
{
	struct blockhash_chunk *out = chunk->user;
	bool same_grid = blocks->grid == BLK128_BLOCK;
	uint64_t at, length;
	size_t i;

	for (at = 0, i = 0; !chunk->hole && at < chunk->length; at += length, i++) {
		unsigned char *hash = out->hashes + i * blocks->size;

		length = blockhash_length(blocks, chunk, at);
		out->zero[i] = same_grid ? chunk->zero[i] : bytes_are_zero(chunk->data + at, length);
		if (same_grid && blocks->hash == STREAM_XXH3_128)
			memcpy(hash, chunk->hashes + i * BLK128_SIZE, BLK128_SIZE);
		else if (out->zero[i] && length == blocks->grid)
			memcpy(hash, blocks->zero, blocks->size);
		else
			map_hash_blocks(blocks->hash, blocks->grid, chunk->data + at, length, hash);
	}
}

const unsigned char *
blockhash_zeros(const struct blockhash *blocks, uint64_t length, unsigned char room[MAP_HASH_MAX])
{
	if (length == blocks->grid)
		return blocks->zero;
	map_hash_blocks(blocks->hash, blocks->grid, zeros, length, room);
	return room;
}
