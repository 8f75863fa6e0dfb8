/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "hash/blk128.h"
#include "device/lock.h"
#include "read/blockhash.h"
#include "read/mapdiff.h"
#include "read/scan.h"
#include "show/progress.h"
#include "sum/mapsum.h"

struct mapping {
	struct blockhash blocks;
	struct blk128 *digest;
	struct map_writer writer;
	int write_errno;
};

static void
hash_chunk(void *context, struct scan_chunk *chunk)
{
	const struct mapping *mapping = context;

	blockhash_chunk(&mapping->blocks, chunk);
}

/* Digest the chunk, and put its hashes, or that it is zero. */
static bool
put_chunk(struct mapping *mapping, const struct scan_chunk *chunk)
{
	const struct blockhash_chunk *grid = chunk->user;
	const unsigned char *hash = grid->hashes;
	uint64_t at, block;
	size_t i;

	if (chunk->hole) {
		blk128_add_zeros(mapping->digest, chunk->length);
		return map_put(&mapping->writer, chunk->length, NULL);
	}
	blk128_add(mapping->digest, chunk->hashes, chunk->length);
	for (at = 0, i = 0; at < chunk->length; at += block, i++) {
		block = blockhash_length(&mapping->blocks, chunk, at);
		if (!map_put(&mapping->writer, block, grid->zero[i] ? NULL : hash))
			return false;
		hash += mapping->blocks.size;
	}
	return true;
}

static bool
give_hashes(void *context, struct scan_chunk *chunk)
{
	struct mapping *mapping = context;

	if (chunk->error.set)
		return false;
	if (!put_chunk(mapping, chunk))
		mapping->write_errno = errno;
	progress_add(chunk->length);
	return mapping->write_errno == 0;
}

/* Write the map of a scan that is bound.  False: error, or mapping->write_errno, is set. */
static bool
map_scan(struct mapping *mapping, struct scan *scan, int fd, struct error *error)
{
	unsigned char digest[BLK128_SIZE];

	if (!map_begin(&mapping->writer, fd, scan->length, mapping->blocks.grid, mapping->blocks.hash,
	    scan->source->name)) {
		mapping->write_errno = errno;
		return false;
	}
	if (!scan_run(scan, error)) {
		if (mapping->write_errno == 0)
			(void)stream_put_abort(&mapping->writer.stream, error->text);
		return false;
	}
	blk128_finish(mapping->digest, digest);
	if (!map_end(&mapping->writer, digest))
		mapping->write_errno = errno;
	return mapping->write_errno == 0;
}

bool
mapsum_write(struct source *source, const struct sum_range *range, uint32_t grid,
    enum stream_hash hash, int fd, struct error *error)
{
	struct mapping *mapping = calloc(1, sizeof(*mapping));
	struct scan scan = {
		.source = source, .offset = range->offset, .length = range->length,
		.jobs = range->jobs, .work = hash_chunk, .give = give_hashes, .context = mapping
	};
	bool done;

	if (mapping == NULL || (mapping->digest = blk128_create()) == NULL) {
		free(mapping);
		return error_errno(error, "memory");
	}
	blockhash_init(&mapping->blocks, grid, hash);
	blockhash_prepare(&mapping->blocks, &scan);
	done = scan_bound(&scan, error);
	if (done) {
		progress_phase("reading", scan.length);
		done = map_scan(mapping, &scan, fd, error);
	}
	if (mapping->write_errno != 0) {
		errno = mapping->write_errno;
		error_errno(error, "standard output");
	}
	blk128_destroy(mapping->digest);
	free(mapping);
	return done;
}

/* The range that was found last, and may go on. */
struct comparing {
	uint64_t start, length;
	void (*differs)(void *, uint64_t, uint64_t);
	void *context;
	struct mapsum_found *found;
};

static void
differs_report(struct comparing *comparing)
{
	if (comparing->length == 0)
		return;
	comparing->found->ranges++;
	comparing->found->bytes += comparing->length;
	comparing->differs(comparing->context, comparing->start, comparing->length);
	comparing->length = 0;
}

static void
differs_add(struct comparing *comparing, uint64_t offset, uint64_t length)
{
	if (comparing->start + comparing->length != offset)
		differs_report(comparing);
	if (comparing->length == 0)
		comparing->start = offset;
	comparing->length += length;
}

static bool
differs_run(void *context, const struct mapdiff_run *run)
{
	differs_add(context, run->offset, run->length);
	return true;
}

bool
mapsum_compare(struct source *source, const struct sum_range *range, struct map_reader *map,
    void (*differs)(void *, uint64_t, uint64_t), void *context, struct mapsum_found *found,
    struct error *error)
{
	struct comparing comparing = { .differs = differs, .context = context, .found = found };
	struct mapdiff mapdiff = {
		.source = source, .offset = range->offset, .length = range->length,
		.jobs = range->jobs, .map = map, .beyond = !source->device,
		.differs = differs_run, .context = &comparing
	};
	uint64_t size = map->stream.header.size;

	*found = (struct mapsum_found){ 0 };
	if (!mapdiff_run(&mapdiff, error))
		return false;
	if (mapdiff.length < size)
		differs_add(&comparing, range->offset + mapdiff.length, size - mapdiff.length);
	differs_report(&comparing);
	return true;
}

bool
mapsum_may_read(const struct source *source, bool *locked, struct error *error)
{
	if (source->pipe)
		return error_set(error, "%s: a map is made of, and checked against, a device or a file", source->name);
	*locked = lock_for_reading(source->fd) == LOCK_WRITER;
	return true;
}

bool
mapsum_check_open(struct mapsum_check *check, struct input *map, const char *file,
    const struct sum_range *range, struct error *error)
{
	check->range = range;
	if (!map_open(&check->map, map, error))
		return false;
	if (file == NULL && check->map.name[0] == '\0')
		return error_set(error, "%s: the map does not say of which file it is: name one", map->name);
	check->file = file != NULL ? file : check->map.name;
	return sum_open(&check->source, check->file, range, error) &&
	    mapsum_may_read(&check->source, &check->locked, error);
}

bool
mapsum_check_run(struct mapsum_check *check,
    void (*differs)(void *context, uint64_t offset, uint64_t length), void *context, struct error *error)
{
	uint64_t end = check->range->offset + check->map.stream.header.size;

	if (!mapsum_compare(&check->source, check->range, &check->map, differs, context, &check->found, error))
		return false;
	if (check->source.device && check->range->length == UINT64_MAX && check->source.size > end)
		check->beyond = check->source.size - end;
	return true;
}

bool
mapsum_check_next(struct mapsum_check *check, char *line, size_t size)
{
	const struct mapsum_found *found = &check->found;

	if (check->next++ == 0 && check->beyond > 0) {
		snprintf(line, size, "%s: the %ju bytes beyond the map's %ju were not compared", check->file,
		    (uintmax_t)check->beyond, (uintmax_t)check->map.stream.header.size);
		return true;
	}
	if (check->next > 2 || found->ranges == 0)
		return false;
	check->next = 3;
	snprintf(line, size, "WARNING: %s: %ju bytes in %ju range%s differ", check->file, (uintmax_t)found->bytes,
	    (uintmax_t)found->ranges, found->ranges == 1 ? "" : "s");
	return true;
}
