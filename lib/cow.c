/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "cow.h"
#include "io.h"
#include "size.h"

#define COW_MAGIC	0x70416e53u	/* "SnAp" */
#define COW_VERSION	1
#define ENTRY_SIZE	16
#define READ_SIZE	65536u

struct cow_reader {
	struct cow *cow;
	uint64_t chunks;		/* in the store */
	uint64_t entries;		/* in an area */
	uint64_t origin_chunks;
	size_t room;
	unsigned char *buffer;		/* READ_SIZE bytes, aligned */
	struct error *error;
};

static bool
reader_read(struct cow_reader *reader, uint64_t offset, size_t length)
{
	struct source *store = reader->cow->store;
	ssize_t n = source_read(store, offset, reader->buffer, length);

	if (n == -1)
		return error_errno(reader->error, "%s: at byte %ju", store->name, (uintmax_t)offset);
	if ((size_t)n < length)
		return error_set(reader->error, "%s: at byte %ju: the exception store was cut",
		    store->name, (uintmax_t)(offset + (uint64_t)n));
	return true;
}

static bool
reader_header(struct cow_reader *reader, uint64_t origin_size)
{
	struct cow *cow = reader->cow;
	const unsigned char *p = reader->buffer;
	const char *name = cow->store->name;
	uint64_t sectors;

	if (!reader_read(reader, 0, 512))
		return false;
	if (load32(p) != COW_MAGIC)
		return error_set(reader->error, "%s: at byte 0: not an exception store", name);
	if (load32(p + 4) == 0)
		return error_set(reader->error, "%s: at byte 4: the snapshot is invalid, it overflowed or "
		    "was dropped: its list is not whole (use blkdiff --map)", name);
	if (load32(p + 4) != 1)
		return error_set(reader->error, "%s: at byte 4: valid is %u, neither 0 nor 1", name,
		    load32(p + 4));
	if (load32(p + 8) != COW_VERSION)
		return error_set(reader->error, "%s: at byte 8: exception store of version %u, this program knows 1",
		    name, load32(p + 8));
	sectors = load32(p + 12);
	cow->chunk = sectors * 512;
	reader->chunks = sectors > 0 ? cow->store->size / cow->chunk : 0;
	if (sectors == 0 || (sectors & (sectors - 1)) != 0 || reader->chunks < 2)
		return error_set(reader->error, "%s: at byte 12: chunks of %ju sectors", name,
		    (uintmax_t)sectors);
	reader->entries = cow->chunk / ENTRY_SIZE;
	reader->origin_chunks = origin_size / cow->chunk + (origin_size % cow->chunk != 0);
	return true;
}

static bool
reader_add(struct cow_reader *reader, uint64_t at, uint64_t old_chunk, uint64_t new_chunk)
{
	struct cow *cow = reader->cow;
	const char *name = cow->store->name;

	if (old_chunk >= reader->origin_chunks)
		return error_set(reader->error, "%s: at byte %ju: chunk %ju of an origin that has %ju", name,
		    (uintmax_t)at, (uintmax_t)old_chunk, (uintmax_t)reader->origin_chunks);
	if (new_chunk >= reader->chunks || (new_chunk - 1) % (reader->entries + 1) == 0)
		return error_set(reader->error, "%s: at byte %ju: no data can be in chunk %ju of the store",
		    name, (uintmax_t)at + 8, (uintmax_t)new_chunk);
	if (cow->count == reader->room) {
		size_t room = reader->room == 0 ? 256 : 2 * reader->room;
		struct cow_exception *larger = reallocarray(cow->list, room, sizeof(*larger));

		if (larger == NULL)
			return error_errno(reader->error, "%s", name);
		cow->list = larger;
		reader->room = room;
	}
	cow->list[cow->count++] = (struct cow_exception){ old_chunk, new_chunk };
	return true;
}

/* Read one area's entries; *full if none of them ended the list. */
static bool
reader_area(struct cow_reader *reader, uint64_t start, bool *full)
{
	uint64_t at, end = start + reader->cow->chunk;
	size_t part, i;

	*full = false;
	for (at = start; at < end; at += part) {
		part = end - at < READ_SIZE ? (size_t)(end - at) : READ_SIZE;
		if (!reader_read(reader, at, part))
			return false;
		for (i = 0; i < part; i += ENTRY_SIZE) {
			uint64_t old_chunk = load64(reader->buffer + i);
			uint64_t new_chunk = load64(reader->buffer + i + 8);

			if (new_chunk == 0)
				return true;
			if (!reader_add(reader, at + i, old_chunk, new_chunk))
				return false;
		}
	}
	*full = true;
	return true;
}

static bool
reader_areas(struct cow_reader *reader)
{
	uint64_t chunk;
	bool full = true;

	for (chunk = 1; full; chunk += reader->entries + 1) {
		if (chunk >= reader->chunks)
			return error_set(reader->error, "%s: at byte %ju: the list goes on behind the store's end",
			    reader->cow->store->name, (uintmax_t)(chunk * reader->cow->chunk));
		if (!reader_area(reader, chunk * reader->cow->chunk, &full))
			return false;
	}
	return true;
}

static int
compare_new(const void *a, const void *b)
{
	const struct cow_exception *left = a, *right = b;

	return left->new_chunk < right->new_chunk ? -1 : left->new_chunk > right->new_chunk;
}

static int
compare_old(const void *a, const void *b)
{
	const struct cow_exception *left = a, *right = b;

	return left->old_chunk < right->old_chunk ? -1 : left->old_chunk > right->old_chunk;
}

/* No chunk, of either side, may stand there twice. */
static bool
reader_sort(struct cow_reader *reader)
{
	struct cow *cow = reader->cow;
	size_t i;

	if (cow->count < 2)
		return true;
	qsort(cow->list, cow->count, sizeof(*cow->list), compare_new);
	for (i = 1; i < cow->count; i++)
		if (cow->list[i].new_chunk == cow->list[i - 1].new_chunk)
			return error_set(reader->error, "%s: chunk %ju of the store is listed twice",
			    cow->store->name, (uintmax_t)cow->list[i].new_chunk);
	qsort(cow->list, cow->count, sizeof(*cow->list), compare_old);
	for (i = 1; i < cow->count; i++)
		if (cow->list[i].old_chunk == cow->list[i - 1].old_chunk)
			return error_set(reader->error, "%s: chunk %ju of the origin is listed twice",
			    cow->store->name, (uintmax_t)cow->list[i].old_chunk);
	return true;
}

bool
cow_read(struct cow *cow, struct source *store, uint64_t origin_size, struct error *error)
{
	struct cow_reader reader = { .cow = cow, .error = error };
	bool done;

	memset(cow, 0, sizeof(*cow));
	cow->store = store;
	reader.buffer = buffer_create(READ_SIZE);
	if (reader.buffer == NULL)
		return error_errno(error, "%s", store->name);
	done = reader_header(&reader, origin_size) && reader_areas(&reader) && reader_sort(&reader);
	free(reader.buffer);
	if (!done)
		cow_free(cow);
	return done;
}

void
cow_free(struct cow *cow)
{
	free(cow->list);
	cow->list = NULL;
	cow->count = 0;
}

bool
cow_extents(const struct cow *cow, uint64_t origin_size, struct extents *extents)
{
	size_t i;

	for (i = 0; i < cow->count; i++) {
		uint64_t offset = cow->list[i].old_chunk * cow->chunk;
		uint64_t length = origin_size - offset < cow->chunk ? origin_size - offset : cow->chunk;

		if (!extents_add(extents, offset, length))
			return false;
	}
	return true;
}

bool
cow_read_old(const struct cow *cow, uint64_t offset, unsigned char *data, size_t length,
    struct error *error)
{
	while (length > 0) {
		struct cow_exception key = { .old_chunk = offset / cow->chunk }, *found;
		uint64_t within = offset % cow->chunk, at;
		size_t part = cow->chunk - within < length ? (size_t)(cow->chunk - within) : length;
		ssize_t n;

		found = bsearch(&key, cow->list, cow->count, sizeof(key), compare_old);
		if (found == NULL)
			return error_set(error, "%s: chunk %ju is not listed", cow->store->name,
			    (uintmax_t)key.old_chunk);
		at = found->new_chunk * cow->chunk + within;
		n = source_read(cow->store, at, data, part);
		if (n == -1)
			return error_errno(error, "%s: at byte %ju", cow->store->name, (uintmax_t)at);
		if ((size_t)n < part)
			return error_set(error, "%s: at byte %ju: the exception store was cut",
			    cow->store->name, (uintmax_t)(at + (uint64_t)n));
		data += part;
		offset += part;
		length -= part;
	}
	return true;
}
