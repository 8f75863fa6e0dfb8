/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "stream/piecemap.h"

bool
piecemap_begin(struct piecemap *map, int fd, uint64_t size, uint32_t grid, enum stream_hash hash,
    const char *name)
{
	map->gathered = 0;
	map->block = NULL;
	blk128_zero_block(BLK128_BLOCK, map->zero);
	if (grid != BLK128_BLOCK || hash != STREAM_XXH3_128) {
		map->block = malloc(grid);
		if (map->block == NULL)
			return false;
	}
	return map_begin(&map->writer, fd, size, grid, hash, name);
}

void
piecemap_destroy(struct piecemap *map)
{
	free(map->block);
	map->block = NULL;
}

/* Put the gathered block; the last one may be short. */
static bool
put_gathered(struct piecemap *map)
{
	const struct stream_header *header = &map->writer.stream.header;
	size_t length = map->gathered;
	unsigned char hash[MAP_HASH_MAX];

	map->gathered = 0;
	if (bytes_are_zero(map->block, length))
		return map_put(&map->writer, length, NULL);
	map_hash_blocks(header->hash, header->grid, map->block, length, hash);
	return map_put(&map->writer, length, hash);
}

/* Cut bytes, or zeros where data is NULL, into blocks of the map's grid. */
static bool
gather(struct piecemap *map, const unsigned char *data, uint64_t length)
{
	uint64_t grid = map->writer.stream.header.grid, part;

	for (; length > 0; length -= part) {
		if (data == NULL && map->gathered == 0 && length >= grid) {
			part = length - length % grid;
			if (!map_put(&map->writer, part, NULL))
				return false;
			continue;
		}
		part = grid - map->gathered < length ? grid - map->gathered : length;
		if (data != NULL) {
			memcpy(map->block + map->gathered, data, (size_t)part);
			data += part;
		} else {
			memset(map->block + map->gathered, 0, (size_t)part);
		}
		map->gathered += (size_t)part;
		if (map->gathered == grid && !put_gathered(map))
			return false;
	}
	return true;
}

/* Whether a block is all zeros; a producer may send such a block as data. */
static bool
is_zero(const struct piecemap *map, const unsigned char *hash, uint64_t length)
{
	unsigned char zero[BLK128_SIZE];

	if (length == BLK128_BLOCK)
		return memcmp(hash, map->zero, BLK128_SIZE) == 0;
	blk128_zero_block((size_t)length, zero);
	return memcmp(hash, zero, BLK128_SIZE) == 0;
}

bool
piecemap_put(struct piecemap *map, const struct piece *piece)
{
	const unsigned char *hash = piece->hashes;
	uint64_t left, block;

	if (map->block != NULL)
		return gather(map, piece->zero ? NULL : piece->data, piece->length);
	if (piece->zero)
		return piece->length == 0 || map_put(&map->writer, piece->length, NULL);
	for (left = piece->length; left > 0; left -= block, hash += BLK128_SIZE) {
		block = left < BLK128_BLOCK ? left : BLK128_BLOCK;
		if (!map_put(&map->writer, block, is_zero(map, hash, block) ? NULL : hash))
			return false;
	}
	return true;
}

bool
piecemap_end(struct piecemap *map, const struct intake *intake)
{
	unsigned char digest[BLK128_SIZE];

	if (map->gathered > 0 && !put_gathered(map))
		return false;
	blk128_finish(intake->digest, digest);
	return map_end(&map->writer, digest);
}
