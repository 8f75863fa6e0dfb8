/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sha2.h>

#include "base/io.h"
#include "hash/xxh.h"
#include "stream/map.h"

size_t
map_hash_size(enum stream_hash hash)
{
	return hash == STREAM_SHA256 ? SHA256_DIGEST_LENGTH : BLK128_SIZE;
}

void
map_hash_blocks(enum stream_hash hash, uint32_t grid, const void *data, size_t length,
    unsigned char *hashes)
{
	const unsigned char *p = data;
	XXH128_canonical_t canonical;
	SHA2_CTX sha;

	while (length > 0) {
		size_t block = length < grid ? length : grid;

		if (hash == STREAM_SHA256) {
			SHA256Init(&sha);
			SHA256Update(&sha, p, block);
			SHA256Final(hashes, &sha);
		} else {
			XXH128_canonicalFromHash(&canonical, XXH3_128bits(p, block));
			memcpy(hashes, canonical.digest, BLK128_SIZE);
		}
		hashes += map_hash_size(hash);
		p += block;
		length -= block;
	}
}

bool
map_can_wait(int fd)
{
	struct stat status;
	int flags = fcntl(fd, F_GETFL);

	return flags != -1 && (flags & O_APPEND) == 0 && fstat(fd, &status) == 0 &&
	    S_ISREG(status.st_mode);
}

bool
map_begin(struct map_writer *map, int fd, uint64_t size, uint32_t grid, enum stream_hash hash,
    const char *name)
{
	struct stream_header header;
	char note[RECORD_NOTE_MAX];
	off_t start = 0;

	memset(map, 0, sizeof(*map));
	if (size == STREAM_UNKNOWN && (!map_can_wait(fd) || (start = lseek(fd, 0, SEEK_CUR)) == -1)) {
		errno = ESPIPE;
		return false;
	}
	map->start = (uint64_t)start;
	header_init(&header, STREAM_MAP, size);
	header.grid = grid;
	header.hash = hash;
	header.payload_max = sizeof(map->hashes);
	header_encode(&header);
	if (!stream_begin(&map->stream, fd, &header))
		return false;
	if (name == NULL || snprintf(note, sizeof(note), "name=%s", name) >= (int)sizeof(note))
		return true;
	return stream_put_note(&map->stream, note);
}

/* Write the gathered hashes or zeros as one record. */
static bool
map_flush(struct map_writer *map)
{
	struct record record = { .type = RECORD_MAP };
	uint64_t length = map->gathered;

	if (length == 0)
		return true;
	map->gathered = 0;
	if (map->zeros)
		return stream_put_range(&map->stream, RECORD_ZERO, map->position - length, length);
	record.offset = map->position - length;
	record.length = length;
	record.stored = (uint32_t)map->used;
	record_seal(&record, map->hashes);
	map->used = 0;
	return stream_put(&map->stream, &record, map->hashes);
}

/* Gather hashes, as many at a time as there is room for. */
static bool
map_put_hashes(struct map_writer *map, uint64_t length, const unsigned char *hashes)
{
	uint32_t grid = map->stream.header.grid;
	size_t size = map_hash_size(map->stream.header.hash);

	while (length > 0) {
		uint64_t block = length < grid ? length : grid;

		if (map->used + size > sizeof(map->hashes) && !map_flush(map))
			return false;
		memcpy(map->hashes + map->used, hashes, size);
		map->used += size;
		map->gathered += block;
		map->position += block;
		hashes += size;
		length -= block;
	}
	return true;
}

bool
map_put(struct map_writer *map, uint64_t length, const unsigned char *hashes)
{
	if (map->gathered > 0 && (map->zeros != (hashes == NULL) ||
	    clock_seconds() - map->since >= 1) && !map_flush(map))
		return false;
	if (map->gathered == 0) {
		map->zeros = hashes == NULL;
		map->since = clock_seconds();
	}
	if (hashes != NULL)
		return map_put_hashes(map, length, hashes);
	map->gathered += length;
	map->position += length;
	return true;
}

/* The size is known at last. */
static bool
map_state_size(struct map_writer *map, uint64_t size)
{
	struct stream_header *header = &map->stream.header;

	if (header->size != STREAM_UNKNOWN)
		return true;
	header->size = size;
	header_encode(header);
	return pwrite_full(map->stream.fd, header->bytes, header->length, map->start);
}

bool
map_end(struct map_writer *map, const unsigned char digest[BLK128_SIZE])
{
	struct end_summary end;

	if (!map_flush(map))
		return false;
	order_summary(&map->stream.order, &end);
	memcpy(end.digest, digest, BLK128_SIZE);
	return map_state_size(map, end.size) && stream_put_end(&map->stream, &end);
}

/* Add the record's blocks to the digest. */
static void
map_digest(struct map_reader *map, const struct record *record)
{
	if (map->digest == NULL)
		return;
	if (record->type == RECORD_ZERO)
		blk128_add_zeros(map->digest, record->length);
	else
		blk128_add(map->digest, map->hashes, record->length);
}

/* The end: the digest must be that of the hashes. */
static bool
map_read_end(struct map_reader *map, const struct record *record, struct error *error)
{
	struct stream_reader *stream = &map->stream;
	struct error reason = { 0 };

	map->ended = true;
	return stream_finish(stream, record, map->payload, &map->end, error) &&
	    (map->digest == NULL || blk128_check(map->digest, map->end.digest, &reason) ||
	    fault_set(error, stream_place(stream, record), reason.text));
}

/* Read records up to the next range or the end. */
static bool
map_read_record(struct map_reader *map, struct error *error)
{
	struct stream_reader *stream = &map->stream;
	struct error reason = { 0 };
	struct record record;

	while (map->left == 0 && !map->ended) {
		if (!stream_next(stream, &record, map->payload, error))
			return false;
		switch (record.type) {
		case RECORD_MAP:
			if (!codec_unpack(map->codec, &record, &stream->header, map->payload,
			    map->plain, &map->hashes, &reason))
				return fault_set(error, stream_place(stream, &record), reason.text);
			map->left = record.length;
			map_digest(map, &record);
			break;
		case RECORD_ZERO:
			map->hashes = NULL;
			map->left = record.length;
			map_digest(map, &record);
			break;
		case RECORD_NOTE:
			if (record.stored > 5 && memcmp(map->payload, "name=", 5) == 0 &&
			    memchr(map->payload, '\0', record.stored) == NULL) {
				memcpy(map->name, map->payload + 5, record.stored - 5);
				map->name[record.stored - 5] = '\0';
			}
			break;
		case RECORD_ABORT:
			return fault_aborted(error, stream_place(stream, &record), map->payload,
			    record.stored);
		default:
			return map_read_end(map, &record, error);
		}
	}
	return true;
}

static bool
map_has_digest(const struct stream_header *header)
{
	return header->grid == BLK128_BLOCK && header->hash == STREAM_XXH3_128 &&
	    header->size <= MAP_DIGEST_MAX;
}

bool
map_open(struct map_reader *map, struct input *input, struct error *error)
{
	size_t room;

	memset(map, 0, sizeof(*map));
	if (!stream_open(&map->stream, input, error))
		return false;
	if (map->stream.header.kind != STREAM_MAP)
		return error_set(error, "%s: a block stream, but not a map", input->name);
	room = map->stream.header.payload_max;
	if (room < RECORD_NOTE_MAX)
		room = RECORD_NOTE_MAX;
	map->payload = malloc(room);
	map->plain = malloc(room);
	map->codec = codec_create();
	if (map_has_digest(&map->stream.header))
		map->digest = blk128_create();
	if (map->payload == NULL || map->plain == NULL || map->codec == NULL ||
	    (map->digest == NULL && map_has_digest(&map->stream.header))) {
		map_close(map);
		return error_errno(error, "%s", input->name);
	}
	return map_read_record(map, error);
}

void
map_close(struct map_reader *map)
{
	free(map->payload);
	free(map->plain);
	codec_destroy(map->codec);
	blk128_destroy(map->digest);
	map->payload = map->plain = NULL;
	map->codec = NULL;
	map->digest = NULL;
}

bool
map_next(struct map_reader *map, uint64_t want, uint64_t *length, const unsigned char **hashes,
    struct error *error)
{
	uint32_t grid = map->stream.header.grid;

	if (!map_read_record(map, error))
		return false;
	*length = map->left < want ? map->left : want;
	*hashes = map->hashes;
	map->position += *length;
	map->left -= *length;
	if (map->hashes != NULL)
		map->hashes += (*length + grid - 1) / grid * map_hash_size(map->stream.header.hash);
	return true;
}
