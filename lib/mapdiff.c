/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "io.h"
#include "mapdiff.h"
#include "progress.h"
#include "scan.h"

#define BLOCKS_MAX	(SCAN_CHUNK_MAX / STREAM_GRID_MIN)

/* A run is at most one record of a delta. */
#define RUN_MAX		(256u << 10)
#define RUN_ZEROS_MAX	STREAM_PAYLOAD_MAX

/* A chunk's hashes on the map's grid, made beside others. */
struct grid {
	unsigned char hashes[BLOCKS_MAX * MAP_HASH_MAX];
	bool zero[BLOCKS_MAX];
};

struct mapdiff_state {
	struct mapdiff *mapdiff;
	uint32_t block;				/* the map's grid */
	enum stream_hash hash;
	size_t hash_size;
	uint64_t map_size, length;		/* of the map; of what is compared */
	unsigned char zero_hash[MAP_HASH_MAX];	/* of a whole block of zeros */
	struct mapdiff_run run;			/* being gathered; length 0: none */
	struct digest *digest;
	size_t base_used;
	unsigned char base[RUN_ZEROS_MAX / STREAM_GRID_MIN * MAP_HASH_MAX];
};

static void
hash_chunk(void *context, struct scan_chunk *chunk)
{
	struct mapdiff_state *state = context;
	struct grid *grid = chunk->user;
	uint64_t at, block;
	size_t i;

	for (at = 0, i = 0; !chunk->hole && at < chunk->length; at += block, i++) {
		block = chunk->length - at < state->block ? chunk->length - at : state->block;
		grid->zero[i] = bytes_are_zero(chunk->data + at, block);
		if (state->block == DIGEST_BLOCK && state->hash == STREAM_XXH3_128)
			memcpy(grid->hashes + i * DIGEST_SIZE, chunk->hashes + i * DIGEST_SIZE, DIGEST_SIZE);
		else
			map_hash_blocks(state->hash, state->block, chunk->data + at, block,
			    grid->hashes + i * state->hash_size);
	}
}

static bool
run_give(struct mapdiff_state *state)
{
	struct mapdiff *mapdiff = state->mapdiff;

	if (state->run.length == 0)
		return true;
	state->run.old = sum64(state->base, state->base_used);
	if (!mapdiff->differs(mapdiff->context, &state->run))
		return false;
	state->run.length = 0;
	state->base_used = 0;
	return true;
}

/* A block that differs; base is its hash in the map, NULL where that covers other bytes. */
static bool
run_add(struct mapdiff_state *state, uint64_t offset, uint64_t length, const unsigned char *data,
    const unsigned char *base)
{
	struct mapdiff_run *run = &state->run;
	uint64_t limit = data != NULL ? RUN_MAX : RUN_ZEROS_MAX;

	if (run->length > 0 && (run->offset + run->length != offset ||
	    (run->data == NULL) != (data == NULL) || run->checked != (base != NULL) ||
	    (data != NULL && run->data + run->length != data) || run->length + length > limit) &&
	    !run_give(state))
		return false;
	if (run->length == 0)
		*run = (struct mapdiff_run){ .offset = offset, .data = data, .checked = base != NULL };
	run->length += length;
	if (base != NULL) {
		memcpy(state->base + state->base_used, base, state->hash_size);
		state->base_used += state->hash_size;
	}
	return true;
}

/* The hash that the map gives a block: what it lists, or that of zeros. */
static const unsigned char *
base_hash(const struct mapdiff_state *state, const unsigned char *listed, uint64_t length,
    unsigned char room[MAP_HASH_MAX])
{
	static const unsigned char zeros[STREAM_GRID_MAX];

	if (listed != NULL)
		return listed;
	if (length == state->block)
		return state->zero_hash;
	map_hash_blocks(state->hash, state->block, zeros, length, room);
	return room;
}

/* Hold one block against the map. */
static bool
compare_block(struct mapdiff_state *state, const struct scan_chunk *chunk, uint64_t at,
    uint64_t length, const unsigned char *listed)
{
	const struct grid *grid = chunk->user;
	uint64_t offset = chunk->offset + at, in_map = state->map_size - offset;
	bool zero = chunk->hole || grid->zero[at / state->block];
	unsigned char room[2][MAP_HASH_MAX];
	const unsigned char *base = base_hash(state, listed, length, room[0]), *ours;

	/* The map's block may be longer than ours, where the source ends inside it. */
	if ((in_map < state->block ? in_map : state->block) != length)
		base = NULL;
	if (base != NULL) {
		ours = chunk->hole ? base_hash(state, NULL, length, room[1]) :
		    grid->hashes + at / state->block * state->hash_size;
		if (memcmp(base, ours, state->hash_size) == 0)
			return true;
	}
	return run_add(state, state->mapdiff->offset + offset, length,
	    zero ? NULL : chunk->data + at, base);
}

/* The part of a chunk behind the map's end. */
static bool
add_beyond(struct mapdiff_state *state, const struct scan_chunk *chunk, uint64_t at)
{
	const struct grid *grid = chunk->user;
	uint64_t block;

	for (; at < chunk->length; at += block) {
		bool zero = chunk->hole || grid->zero[at / state->block];

		block = state->block - at % state->block;
		block = chunk->length - at < block ? chunk->length - at : block;
		if (!run_add(state, state->mapdiff->offset + chunk->offset + at, block,
		    zero ? NULL : chunk->data + at, NULL))
			return false;
	}
	return true;
}

static bool
compare_chunk(void *context, struct scan_chunk *chunk)
{
	struct mapdiff_state *state = context;
	uint64_t at, end, length, block;
	const unsigned char *hashes;

	if (chunk->error.set)
		return false;
	if (chunk->hole)
		digest_add_zeros(state->digest, chunk->length);
	else
		digest_add(state->digest, chunk->hashes, chunk->length);
	end = chunk->length;
	if (chunk->offset >= state->map_size)
		end = 0;
	else if (end > state->map_size - chunk->offset)
		end = state->map_size - chunk->offset;
	for (at = 0; at < end; ) {
		if (!map_next(state->mapdiff->map, end - at, &length, &hashes, &chunk->error))
			return false;
		if (length == 0)
			return error_set(&chunk->error, "%s: the map ends early",
			    state->mapdiff->map->stream.input->name);
		/* A hole against zeros: only its last block, where a side may end, is looked at. */
		if (chunk->hole && hashes == NULL) {
			uint64_t last = length % state->block != 0 ? length % state->block : state->block;

			if (last < length) {
				at += length - last;
				length = last;
			}
		}
		for (; length > 0; length -= block, at += block) {
			block = length < state->block ? length : state->block;
			if (!compare_block(state, chunk, at, block, hashes))
				return false;
			if (hashes != NULL)
				hashes += state->hash_size;
		}
	}
	progress_add(chunk->length);
	/* The data is this chunk's: a run does not outlive it. */
	return (!state->mapdiff->beyond || add_beyond(state, chunk, end)) &&
	    (state->run.data == NULL || run_give(state));
}

static bool
drain_map(struct mapdiff_state *state, struct error *error)
{
	const unsigned char *hashes;
	uint64_t length;

	do
		if (!map_next(state->mapdiff->map, 1ull << 40, &length, &hashes, error))
			return false;
	while (length > 0);
	return true;
}

static bool
run_scan(struct mapdiff_state *state, struct error *error)
{
	static const unsigned char zeros[STREAM_GRID_MAX];
	struct mapdiff *mapdiff = state->mapdiff;
	const struct stream_header *header = &mapdiff->map->stream.header;
	struct scan scan = {
		.source = mapdiff->source, .offset = mapdiff->offset, .length = mapdiff->length,
		.jobs = mapdiff->jobs, .hash = true, .user_size = sizeof(struct grid), .work = hash_chunk,
		.give = compare_chunk, .context = state
	};

	if (header->size == STREAM_UNKNOWN)
		return error_set(error, "%s: a map without a size", mapdiff->map->stream.input->name);
	if (!scan_bound(&scan, error))
		return false;
	state->block = header->grid;
	state->hash = header->hash;
	state->hash_size = map_hash_size(header->hash);
	state->map_size = header->size;
	map_hash_blocks(state->hash, state->block, zeros, state->block, state->zero_hash);
	if (!mapdiff->beyond && scan.length > state->map_size)
		scan.length = state->map_size;
	mapdiff->length = scan.length;
	scan.grid = state->block > DIGEST_BLOCK ? state->block : DIGEST_BLOCK;
	scan.chunk = scan.grid > SCAN_CHUNK ? scan.grid : SCAN_CHUNK;
	progress_phase("comparing", scan.length);
	return scan_run(&scan, error) && run_give(state) && drain_map(state, error);
}

bool
mapdiff_run(struct mapdiff *mapdiff, struct error *error)
{
	struct mapdiff_state *state = calloc(1, sizeof(*state));
	bool done;

	if (state == NULL)
		return error_errno(error, "memory");
	state->mapdiff = mapdiff;
	state->digest = digest_create();
	done = state->digest != NULL ? run_scan(state, error) : error_errno(error, "memory");
	if (done)
		digest_finish(state->digest, mapdiff->digest);
	digest_destroy(state->digest);
	free(state);
	return done;
}
