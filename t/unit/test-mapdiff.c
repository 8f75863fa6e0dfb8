/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>

#include "base/io.h"
#include "check.h"
#include "hash/hash64.h"
#include "noise.h"
#include "read/mapdiff.h"
#include "stream/record.h"
#include "sum/mapsum.h"

#define MOST	(3u << 20)

static unsigned char base[MOST], fresh[MOST];

/* The result of a comparison, checked against the devices. */
struct model {
	const struct stream_header *map;
	uint64_t offset, size;		/* of the source's range */
	uint64_t end;			/* of the last run */
	unsigned char got[MOST];	/* base, with the runs applied */
	unsigned runs;
	bool good;
};

/* The sum that a checked record must have, by the base's blocks. */
static uint64_t
old_sum(const struct stream_header *map, uint64_t offset, uint64_t length)
{
	static unsigned char hashes[MOST / STREAM_GRID_MIN * MAP_HASH_MAX];

	map_hash_blocks(map->hash, map->grid, base + offset, length, hashes);
	return hash64(hashes, (length + map->grid - 1) / map->grid * map_hash_size(map->hash));
}

static bool
model_run(void *context, const struct mapdiff_run *run)
{
	struct model *model = context;
	struct record record = {
		.type = run->data != NULL ? RECORD_DATA : RECORD_ZERO, .length = run->length,
		.offset = run->offset - model->offset, .flags = run->checked ? RECORD_OLD_HASHES : 0,
		.stored = run->data != NULL ? (uint32_t)run->length : 0, .old = run->old
	}, decoded;
	struct stream_header header = *model->map;
	unsigned char wire[RECORD_SIZE];
	struct error error = { 0 };

	header.kind = STREAM_DELTA;
	header.base_size = model->map->size;
	header.size = model->size;
	header.payload_max = header.grid > MAPDIFF_RUN ? header.grid : MAPDIFF_RUN;
	record_encode(&record, header.id, wire);
	model->good = model->good &&
	    CHECK(record_decode(&decoded, &header, wire, &error) == VERDICT_GOOD) &&
	    CHECK(record.offset >= model->end) &&
	    CHECK(record.offset + record.length <= model->size) &&
	    (!run->checked || CHECK(run->old == old_sum(model->map, record.offset, record.length)));
	if (error.set)
		fprintf(stderr, "%s\n", error.text);
	model->end = record.offset + record.length;
	model->runs++;
	if (run->data != NULL)
		memcpy(model->got + record.offset, run->data, run->length);
	else
		memset(model->got + record.offset, 0, run->length);
	return model->good;
}

/* A map of the base, in a file. */
static int
make_map(uint64_t size, uint32_t grid, enum stream_hash hash)
{
	struct sum_range range = { .length = UINT64_MAX, .jobs = 2 };
	int fd = memfd_create("map", MFD_CLOEXEC);
	struct error error = { 0 };
	struct source source;

	noise_source(&source, base, size, "base");
	if (!mapsum_write(&source, &range, grid, hash, fd, &error))
		errx(2, "%s", error.text);
	source_close(&source);
	return fd;
}

static bool
compare(int fd, struct source *source, struct mapdiff *mapdiff, struct error *error)
{
	static struct map_reader map;
	struct input input;
	bool done;

	if (lseek(fd, 0, SEEK_SET) != 0)
		err(2, "map");
	input_open(&input, fd, -1, "map");
	mapdiff->source = source;
	mapdiff->map = &map;
	if (!map_open(&map, &input, error)) {
		map_close(&map);
		return false;
	}
	if (mapdiff->context != NULL)
		((struct model *)mapdiff->context)->map = &map.stream.header;
	done = mapdiff_run(mapdiff, error);
	map_close(&map);
	return done;
}

/* A comparison of devices of any size, on any grid, with any bytes before the range. */
static void
check_model(uint64_t base_size, uint64_t size, uint32_t grid, enum stream_hash hash)
{
	static struct model model;
	uint64_t offset = noise(3) == 0 ? noise(size + 1) : 0;
	struct mapdiff mapdiff = {
		.offset = offset, .length = UINT64_MAX, .jobs = 1 + (unsigned)noise(4), .beyond = true,
		.differs = model_run, .context = &model
	};
	struct error error = { 0 };
	struct source source;
	int fd = make_map(base_size, grid, hash);

	model = (struct model){ .offset = offset, .size = size - offset, .good = true };
	memcpy(model.got, base, sizeof(base));
	noise_source(&source, fresh, size, "fresh");
	CHECK(compare(fd, &source, &mapdiff, &error));
	CHECK_TEXT(error.text, "");
	CHECK_NUMBER(mapdiff.length, size - offset);
	CHECK(memcmp(model.got, fresh + offset, size - offset) == 0);
	if (base_size == size && offset == 0 && memcmp(base, fresh, size) == 0)
		CHECK_NUMBER(model.runs, 0);
	source_close(&source);
	close(fd);
}

static bool
count_runs(void *context, const struct mapdiff_run *run)
{
	(void)context, (void)run;
	return true;
}

/* A map with a wrong bit, or one that is cut, is never read to its end. */
static void
check_broken(void)
{
	uint64_t size = 300000, bit;
	struct mapdiff mapdiff = { .length = UINT64_MAX, .jobs = 1, .beyond = true, .differs = count_runs };
	struct source source;
	int fd = make_map(size, 16384, STREAM_XXH3_128), broken = memfd_create("map", MFD_CLOEXEC);
	off_t length = lseek(fd, 0, SEEK_CUR);
	unsigned char *bytes = malloc((size_t)length);

	if (bytes == NULL || pread_full(fd, bytes, (size_t)length, 0) != length)
		err(2, "map");
	noise_source(&source, base, size, "base");
	for (bit = 0; bit < (uint64_t)length * 9; bit++) {
		uint64_t at = bit / 8;
		struct error error = { 0 };
		bool cut = bit >= (uint64_t)length * 8;

		if (!cut)
			bytes[at] ^= (unsigned char)(1 << bit % 8);
		if (ftruncate(broken, 0) != 0 || !pwrite_full(broken, bytes,
		    (size_t)(cut ? bit - (uint64_t)length * 8 : (uint64_t)length), 0))
			err(2, "map");
		mapdiff.length = UINT64_MAX;
		CHECK(!compare(broken, &source, &mapdiff, &error));
		CHECK(error.set && strncmp(error.text, "map: ", 5) == 0);
		if (!cut)
			bytes[at] ^= (unsigned char)(1 << bit % 8);
	}
	free(bytes);
	source_close(&source);
	close(fd);
	close(broken);
}

int
main(void)
{
	unsigned i;
	char title[100];

	check_case = title;
	for (i = 0; i < 300; i++) {
		uint64_t size = noise(4) == 0 ? noise(MOST) : noise(300000), base_size = size;
		uint32_t grid = STREAM_GRID_MIN << noise(9);
		enum stream_hash hash = noise(3) == 0 ? STREAM_SHA256 : STREAM_XXH3_128;

		if (i % 3 == 0)
			base_size = noise(MOST);
		if (i % 5 == 0)
			base_size = base_size / grid * grid;
		if (i % 7 == 0)
			size = size / grid * grid;
		snprintf(title, sizeof(title), "%u: %ju to %ju on %u by %d", i, (uintmax_t)base_size,
		    (uintmax_t)size, grid, (int)hash);
		memset(base, 0, sizeof(base));
		noise_scribble(base, MOST, 40);
		memcpy(fresh, base, sizeof(fresh));
		if (i % 4 != 0)
			noise_scribble(fresh, MOST, (unsigned)noise(30));
		check_model(base_size, size, grid, hash);
	}
	check_broken();
	return check_done();
}
