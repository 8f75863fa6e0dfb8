/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz-map: mapdiff compares a map with a device.
 *
 * The map is read block by block first.  What mapdiff then sends must be, of the device,
 * all that is not as the map says and nothing else, each range with the sum that it
 * replaces; and the oracle must agree on whether the map is good.
 */
#include <stdlib.h>

#include "../unit/both.h"
#include "../unit/check.h"
#include "../unit/noise.h"
#include "read/mapdiff.h"
#include "hash/hash64.h"
#include "mutator.h"

#define DEVICE	200000u

static unsigned char device[DEVICE];

/* The blocks of the map that concern the device; and mapdiff's result. */
struct model {
	const struct stream_header *map;
	size_t hash_size, blocks;
	unsigned char hashes[DEVICE / STREAM_GRID_MIN + 1][MAP_HASH_MAX];
	bool listed[DEVICE / STREAM_GRID_MIN + 1];	/* false: zeros */
	unsigned char sent[DEVICE];
	uint64_t end;
};

static struct map_reader map;
static struct input input;

static bool
open_map(const uint8_t *data, size_t size, struct error *error)
{
	int fd = check_file(data, size);

	input_open(&input, fd, -1, "map");
	return map_open(&map, &input, error);
}

static void
close_map(void)
{
	map_close(&map);
	close(input.fd);
}

/* Read all of it; the blocks that concern the device, a few at a time. */
static bool
read_model(struct model *model, struct error *error)
{
	const unsigned char *hashes;
	uint64_t length, i;

	model->map = &map.stream.header;
	model->hash_size = map_hash_size(model->map->hash);
	model->blocks = 0;
	do {
		uint64_t want = model->blocks <= DEVICE / model->map->grid ? 3 : 1ull << 30;

		if (!map_next(&map, want * model->map->grid, &length, &hashes, error))
			return false;
		for (i = 0; i < length && model->blocks <= DEVICE / model->map->grid; i += model->map->grid) {
			model->listed[model->blocks] = hashes != NULL;
			if (hashes != NULL)
				memcpy(model->hashes[model->blocks], hashes + i / model->map->grid * model->hash_size,
				    model->hash_size);
			model->blocks++;
		}
	} while (length > 0);
	return true;
}

/* The map's hash of a block that is so long. */
static const unsigned char *
model_hash(struct model *model, size_t block, uint64_t length)
{
	static const unsigned char zeros[STREAM_GRID_MAX];

	if (!model->listed[block])
		map_hash_blocks(model->map->hash, model->map->grid, zeros, length, model->hashes[block]);
	return model->hashes[block];
}

/* The sum of a checked range's old data: it covers whole blocks, as both sides have them. */
static uint64_t
model_old(struct model *model, uint64_t offset, uint64_t length)
{
	uint32_t grid = model->map->grid;
	uint64_t end = offset + length, at;
	static unsigned char hashes[sizeof(model->hashes)];
	size_t used = 0;

	CHECK(offset % grid == 0 && (end % grid == 0 || (end == DEVICE && end == model->map->size)));
	CHECK(end <= model->map->size);
	for (at = offset; at < end && at < model->map->size; at += grid) {
		memcpy(hashes + used, model_hash(model, at / grid, end - at < grid ? end - at : grid),
		    model->hash_size);
		used += model->hash_size;
	}
	return hash64(hashes, used);
}

static bool
take_run(void *context, const struct mapdiff_run *run)
{
	struct model *model = context;

	if (!CHECK(run->offset >= model->end && run->length > 0 && run->length <= DEVICE &&
	    run->offset <= DEVICE - run->length))
		abort();
	model->end = run->offset + run->length;
	if (run->data != NULL)
		CHECK(memcmp(run->data, device + run->offset, run->length) == 0);
	else
		CHECK(bytes_are_zero(device + run->offset, run->length));
	if (run->checked)
		CHECK_NUMBER(run->old, model_old(model, run->offset, run->length));
	memset(model->sent + run->offset, 1, run->length);
	return true;
}

/* Whether the map says just what a block holds, up to where the shorter side ends. */
static bool
block_is_known(struct model *model, uint64_t offset)
{
	uint32_t grid = model->map->grid;
	uint64_t theirs, ours = DEVICE - offset < grid ? DEVICE - offset : grid;
	unsigned char hash[MAP_HASH_MAX];

	if (offset >= model->map->size)
		return false;
	theirs = model->map->size - offset < grid ? model->map->size - offset : grid;
	if (ours < theirs)
		return false;
	map_hash_blocks(model->map->hash, grid, device + offset, theirs, hash);
	return memcmp(hash, model_hash(model, offset / grid, theirs), model->hash_size) == 0;
}

static void
check_sent(struct model *model)
{
	uint64_t size = model->map->size, offset, i, end;

	for (offset = 0; offset < DEVICE; offset += model->map->grid) {
		bool known = block_is_known(model, offset);

		end = DEVICE - offset < model->map->grid ? DEVICE : offset + model->map->grid;
		for (i = offset; i < end; i++)
			if (model->sent[i] != (i >= size || !known)) {
				fprintf(stderr, "byte %ju %s\n", (uintmax_t)i,
				    model->sent[i] ? "is sent for nothing" : "is not sent");
				CHECK(!"what is sent");
				return;
			}
	}
}

static bool
compare(struct model *model, const uint8_t *data, size_t size, struct error *error)
{
	static struct source source;
	struct mapdiff mapdiff = {
		.source = &source, .length = UINT64_MAX, .jobs = 1, .beyond = true, .differs = take_run,
		.context = model, .map = &map
	};
	bool good;

	if (source.name == NULL)
		noise_source(&source, device, DEVICE, "device");
	memset(model->sent, 0, sizeof(model->sent));
	model->end = 0;
	good = open_map(data, size, error) && mapdiff_run(&mapdiff, error);
	if (good)
		check_sent(model);
	close_map();
	return good;
}

/* The oracle keeps hashes of a device no larger than that of the other tests. */
static void
check_oracle(const uint8_t *data, size_t size, bool good)
{
	struct oracle oracle = {
		.device = both_theirs.device, .capacity = STREAMS_DEVICE, .hashes = both_theirs.hashes,
	};
	bool accepted = oracle_read(&oracle, data, size);

	if (strcmp(oracle.why, "size") != 0 && strcmp(oracle.why, "capacity") != 0 &&
	    strcmp(oracle.why, "size in END") != 0)
		CHECK(good == (accepted && oracle.kind == STREAM_MAP));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct model model;
	struct error error = { 0 };
	bool good;

	if (device[0] == 0) {
		streams_fill(device, DEVICE, 'A');
		memset(device + 8192, 0, 8192);
		memset(device + 65536, 0, 65536);
	}
	good = open_map(data, size, &error) && read_model(&model, &error);
	close_map();
	check_case = error.text;
	check_oracle(data, size, good);
	if (good) {
		good = compare(&model, data, size, &error);
		CHECK(good == (map.stream.header.size != STREAM_UNKNOWN));
	}
	CHECK(good != error.set);
	CHECK(!error.set || strncmp(error.text, "map: ", 5) == 0);
	CHECK(strpbrk(error.text, "\n\r\033") == NULL);
	if (check_failures > 0)
		abort();
	return 0;
}
