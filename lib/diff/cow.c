/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/io.h"
#include "base/pairs.h"
#include "diff/cow.h"

#define COW_MAGIC	0x70416e53u	/* "SnAp" */
#define COW_VERSION	1
#define ENTRY_SIZE	16
#define READ_SIZE	65536u

/* Of the kernel: a chunk's bytes fit an int. */
#define SECTORS_MAX	((1u << 30) / 512)

_Static_assert(sizeof(struct cow_exception) == sizeof(uint64_t[2]), "exceptions are sorted as pairs");

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
reader_fail(struct cow_reader *reader, uint64_t at, const char *reason)
{
	return error_set(reader->error, "%s: at byte %ju: %s", reader->cow->store->name,
	    (uintmax_t)at, reason);
}

static bool
reader_read(struct cow_reader *reader, uint64_t offset, size_t length)
{
	struct source *store = reader->cow->store;

	if (offset > store->size || length > store->size - offset)
		return reader_fail(reader, store->size, "the exception store was cut here");
	return source_read_whole(store, offset, reader->buffer, length, reader->error);
}

static bool
reader_header(struct cow_reader *reader, uint64_t origin_size)
{
	struct cow *cow = reader->cow;
	const unsigned char *p = reader->buffer;
	uint32_t sectors;

	if (!reader_read(reader, 0, 512))
		return false;
	sectors = load32(p + 12);
	if (load32(p) != COW_MAGIC)
		return reader_fail(reader, 0, "not an exception store");
	if (load32(p + 4) == 0)
		return reader_fail(reader, 4, "the snapshot is invalid, it overflowed or was dropped: "
		    "its list is not whole (use blkdiff --map)");
	if (load32(p + 4) != 1)
		return reader_fail(reader, 4, "an exception store that is neither valid nor invalid");
	if (load32(p + 8) != COW_VERSION)
		return reader_fail(reader, 8, "an exception store of another version than 1");
	if (sectors == 0 || sectors > SECTORS_MAX || (sectors & (sectors - 1)) != 0)
		return reader_fail(reader, 12, "a size of chunks that no exception store has");
	cow->chunk = (uint64_t)sectors * 512;
	reader->chunks = cow->store->size / cow->chunk;
	if (reader->chunks < 2)
		return reader_fail(reader, 12, "chunks that this store is too small for");
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
	/* Each has its own chunk of the origin: with more, some come twice. */
	if (cow->count == reader->origin_chunks)
		return reader_fail(reader, at, "the list has more chunks than the origin");
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
			return reader_fail(reader, reader->chunks * reader->cow->chunk,
			    "the list goes on behind the store's end");
		if (!reader_area(reader, chunk * reader->cow->chunk, &full))
			return false;
	}
	return true;
}

/* Sort by a column, in which no number may come twice. */
static bool
reader_sort(struct cow_reader *reader, unsigned column, const char *whose)
{
	struct cow *cow = reader->cow;
	uint64_t (*pairs)[2] = (uint64_t (*)[2])cow->list;
	size_t i;

	pairs_sort(pairs, cow->count, column);
	for (i = 1; i < cow->count; i++)
		if (pairs[i][column] == pairs[i - 1][column])
			return error_set(reader->error, "%s: chunk %ju of the %s is listed twice",
			    cow->store->name, (uintmax_t)pairs[i][column], whose);
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
	done = reader_header(&reader, origin_size) && reader_areas(&reader) &&
	    reader_sort(&reader, 1, "store") && reader_sort(&reader, 0, "origin");
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

/* NULL where the chunk is not listed. */
static const struct cow_exception *
cow_find(const struct cow *cow, uint64_t chunk)
{
	size_t low = 0, high = cow->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (cow->list[middle].old_chunk < chunk)
			low = middle + 1;
		else
			high = middle;
	}
	return low < cow->count && cow->list[low].old_chunk == chunk ? &cow->list[low] : NULL;
}

/* Chunks in a row here and there are read at once: writes in a row make them. */
bool
cow_read_old(const struct cow *cow, uint64_t offset, unsigned char *data, size_t length,
    struct error *error)
{
	const struct cow_exception *end = cow->list + cow->count;

	while (length > 0) {
		const struct cow_exception *first = cow_find(cow, offset / cow->chunk), *next;
		uint64_t within = offset % cow->chunk, part = cow->chunk - within;

		if (first == NULL)
			return error_set(error, "%s: chunk %ju is not listed", cow->store->name,
			    (uintmax_t)(offset / cow->chunk));
		for (next = first + 1; part < length && next < end &&
		    next->old_chunk - first->old_chunk == (uint64_t)(next - first) &&
		    next->new_chunk - first->new_chunk == (uint64_t)(next - first); next++)
			part += cow->chunk;
		part = part < length ? part : length;
		if (!source_read_whole(cow->store, first->new_chunk * cow->chunk + within, data,
		    (size_t)part, error))
			return false;
		data += part;
		offset += part;
		length -= (size_t)part;
	}
	return true;
}
