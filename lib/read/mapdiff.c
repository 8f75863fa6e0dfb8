/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "hash/hash64.h"
#include "read/blockhash.h"
#include "read/mapdiff.h"
#include "read/scan.h"
#include "show/progress.h"

/* Zeros with `old` are one record up to the limit of those, and without up to this. */
#define ZEROS_CHECKED_MAX	STREAM_PAYLOAD_MAX
#define ZEROS_MAX		(1ull << 30)

struct mapdiff_state {
	struct mapdiff *mapdiff;
	struct blockhash blocks;		/* on the map's grid */
	uint64_t map_size;
	struct mapdiff_run run;			/* being gathered; length 0: none */
	bool differs;
	struct blk128 *digest;
	size_t base_used;
	unsigned char base[ZEROS_CHECKED_MAX / STREAM_GRID_MIN * MAP_HASH_MAX];
};

static void
hash_chunk(void *context, struct scan_chunk *chunk)
{
	struct mapdiff_state *state = context;

	blockhash_chunk(&state->blocks, chunk);
}

static bool
run_give(struct mapdiff_state *state)
{
	struct mapdiff *mapdiff = state->mapdiff;

	if (state->run.length == 0)
		return true;
	state->run.old = hash64(state->base, state->base_used);
	if (!mapdiff->differs(mapdiff->context, &state->run))
		return false;
	state->run.length = 0;
	state->base_used = 0;
	return true;
}

static uint64_t
run_limit(const struct mapdiff_run *run)
{
	if (run->data != NULL)
		return MAPDIFF_RUN;
	return run->checked ? ZEROS_CHECKED_MAX : ZEROS_MAX;
}

/* A range that differs; base is the map's hash of it, NULL where there is none to check by. */
static bool
run_add(struct mapdiff_state *state, uint64_t offset, uint64_t length, const unsigned char *data,
    const unsigned char *base)
{
	struct mapdiff_run *run = &state->run;

	state->differs = true;
	if (run->length > 0 && (run->offset + run->length != offset ||
	    (run->data == NULL) != (data == NULL) || run->checked != (base != NULL) ||
	    (data != NULL && run->data + run->length != data) ||
	    run->length + length > run_limit(run)) && !run_give(state))
		return false;
	if (run->length == 0)
		*run = (struct mapdiff_run){ .offset = offset, .data = data, .checked = base != NULL };
	run->length += length;
	if (base != NULL) {
		memcpy(state->base + state->base_used, base, state->blocks.size);
		state->base_used += state->blocks.size;
	}
	return true;
}

/* The map's hash of a block: the one it lists, or that of zeros. */
static const unsigned char *
map_hash(const struct mapdiff_state *state, const unsigned char *listed, uint64_t length,
    unsigned char room[MAP_HASH_MAX])
{
	return listed != NULL ? listed : blockhash_zeros(&state->blocks, length, room);
}

/* Our hash of the same; the source may go on where the map ends. */
static const unsigned char *
source_hash(const struct mapdiff_state *state, const struct scan_chunk *chunk, uint64_t at,
    uint64_t length, unsigned char room[MAP_HASH_MAX])
{
	const struct blockhash_chunk *grid = chunk->user;

	if (chunk->hole)
		return map_hash(state, NULL, length, room);
	if (length == state->blocks.grid || length == chunk->length - at)
		return grid->hashes + at / state->blocks.grid * state->blocks.size;
	map_hash_blocks(state->blocks.hash, state->blocks.grid, chunk->data + at, length, room);
	return room;
}

/* Hold a block, or the part of one that is on both sides, against the map. */
static bool
compare_block(struct mapdiff_state *state, const struct scan_chunk *chunk, uint64_t at,
    uint64_t length, const unsigned char *listed)
{
	const struct blockhash_chunk *grid = chunk->user;
	const struct mapdiff *mapdiff = state->mapdiff;
	uint64_t offset = chunk->offset + at, in_map = state->map_size - offset;
	bool zero = chunk->hole || grid->zero[at / state->blocks.grid];
	unsigned char room[2][MAP_HASH_MAX];
	const unsigned char *base = map_hash(state, listed, length, room[0]);

	/* Where the source ends inside the map's block, its hash is of more. */
	if (length < state->blocks.grid && length < in_map)
		base = NULL;
	else if (memcmp(base, source_hash(state, chunk, at, length, room[1]), state->blocks.size) == 0)
		return true;
	/* A short block is checked by its hash only where both sides end with it. */
	if (length < state->blocks.grid && offset + length < mapdiff->length)
		base = NULL;
	return run_add(state, mapdiff->offset + offset, length, zero ? NULL : chunk->data + at, base);
}

/* The part of a chunk behind the map's end. */
static bool
add_beyond(struct mapdiff_state *state, const struct scan_chunk *chunk, uint64_t at)
{
	const struct blockhash_chunk *grid = chunk->user;
	uint64_t offset = state->mapdiff->offset + chunk->offset, block;

	if (chunk->hole && at < chunk->length)
		return run_add(state, offset + at, chunk->length - at, NULL, NULL);
	for (; at < chunk->length; at += block) {
		block = state->blocks.grid - at % state->blocks.grid;
		block = chunk->length - at < block ? chunk->length - at : block;
		if (!run_add(state, offset + at, block,
		    grid->zero[at / state->blocks.grid] ? NULL : chunk->data + at, NULL))
			return false;
	}
	return true;
}

/* Hold a span of the map, its blocks' hashes or zeros, against a chunk. */
static bool
compare_span(struct mapdiff_state *state, const struct scan_chunk *chunk, uint64_t at,
    uint64_t length, const unsigned char *hashes)
{
	uint64_t block, last;

	/* A hole against zeros: only its last block, where a side may end, is looked at. */
	if (chunk->hole && hashes == NULL) {
		last = length % state->blocks.grid != 0 ? length % state->blocks.grid : state->blocks.grid;
		at += length - last;
		length = last;
	}
	for (; length > 0; length -= block, at += block) {
		block = length < state->blocks.grid ? length : state->blocks.grid;
		if (!compare_block(state, chunk, at, block, hashes))
			return false;
		if (hashes != NULL)
			hashes += state->blocks.size;
	}
	return true;
}

static bool
compare_chunk(void *context, struct scan_chunk *chunk)
{
	struct mapdiff_state *state = context;
	struct mapdiff *mapdiff = state->mapdiff;
	struct map_reader *map = mapdiff->map;
	uint64_t at, end = 0, length;
	const unsigned char *hashes;

	if (chunk->error.set)
		return false;
	if (chunk->hole)
		blk128_add_zeros(state->digest, chunk->length);
	else
		blk128_add(state->digest, chunk->hashes, chunk->length);
	if (chunk->offset < state->map_size)
		end = state->map_size - chunk->offset < chunk->length ?
		    state->map_size - chunk->offset : chunk->length;
	for (at = 0; at < end; at += length) {
		if (!map_next(map, end - at, &length, &hashes, &chunk->error))
			return false;
		if (length == 0)
			return error_set(&chunk->error, "%s: the map ends early", map->stream.input->name);
		if (!compare_span(state, chunk, at, length, hashes))
			return false;
	}
	progress_add(chunk->length);
	/* The data is this chunk's: a run does not outlive it. */
	return (!mapdiff->beyond || add_beyond(state, chunk, end)) &&
	    (state->run.data == NULL || run_give(state)) && (mapdiff->passed == NULL ||
	    mapdiff->passed(mapdiff->context, mapdiff->offset + chunk->offset + chunk->length));
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

/* A map of exactly this source has its digest, with any grid and any hash. */
static bool
digest_agrees(const struct mapdiff_state *state, struct error *error)
{
	const struct map_reader *map = state->mapdiff->map;
	struct error reason = { 0 };

	if (state->differs || state->mapdiff->length != state->map_size ||
	    blk128_check(state->digest, map->end.digest, &reason))
		return true;
	return error_set(error, "%s: every block is as the map says, but %s", map->stream.input->name,
	    reason.text);
}

static bool
run_scan(struct mapdiff_state *state, struct error *error)
{
	struct mapdiff *mapdiff = state->mapdiff;
	const struct stream_header *header = &mapdiff->map->stream.header;
	struct scan scan = {
		.source = mapdiff->source, .offset = mapdiff->offset, .length = mapdiff->length,
		.jobs = mapdiff->jobs, .work = hash_chunk, .give = compare_chunk, .context = state
	};

	if (!scan_bound(&scan, error))
		return false;
	state->map_size = header->size;
	blockhash_init(&state->blocks, header->grid, header->hash);
	blockhash_prepare(&state->blocks, &scan);
	if (!mapdiff->beyond && scan.length > state->map_size)
		scan.length = state->map_size;
	mapdiff->length = scan.length;
	progress_phase("comparing", scan.length);
	return scan_run(&scan, error) && run_give(state) && drain_map(state, error) &&
	    digest_agrees(state, error);
}

bool
mapdiff_run(struct mapdiff *mapdiff, struct error *error)
{
	struct mapdiff_state *state = calloc(1, sizeof(*state));
	bool done;

	if (state == NULL)
		return error_errno(error, "memory");
	state->mapdiff = mapdiff;
	state->digest = blk128_create();
	done = state->digest != NULL ? run_scan(state, error) : error_errno(error, "memory");
	if (done)
		blk128_finish(state->digest, mapdiff->digest);
	blk128_destroy(state->digest);
	free(state);
	return done;
}
