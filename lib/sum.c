/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "intake.h"
#include "io.h"
#include "pool.h"
#include "progress.h"
#include "scan.h"
#include "sum.h"

/* Either a digest of blocks, which threads hash, or a checksum of bytes in order. */
struct summing {
	struct checksum *sum;		/* NULL for blk128 */
	struct digest *digest;
	struct intake *intake;
	struct error *error;
};

static bool
summing_create(struct summing *summing, enum checksum_kind kind, struct error *error)
{
	memset(summing, 0, sizeof(*summing));
	summing->error = error;
	if (kind == CHECKSUM_BLK128)
		summing->digest = digest_create();
	else
		summing->sum = checksum_create(kind);
	return summing->digest != NULL || summing->sum != NULL || error_errno(error, "memory");
}

static void
summing_finish(struct summing *summing, char digits[CHECKSUM_HEX])
{
	unsigned char digest[DIGEST_SIZE];

	if (summing->sum != NULL) {
		checksum_finish(summing->sum, digits);
	} else {
		digest_finish(summing->digest, digest);
		digest_hex(digest, digits);
	}
}

static void
summing_destroy(struct summing *summing)
{
	checksum_destroy(summing->sum);
	digest_destroy(summing->digest);
}

/* A range of the device: its bytes and their hashes, or zeros. */
static void
summing_add(struct summing *summing, const unsigned char *data, const unsigned char *hashes,
    uint64_t length)
{
	if (summing->sum != NULL && data == NULL)
		checksum_add_zeros(summing->sum, length);
	else if (summing->sum != NULL)
		checksum_add(summing->sum, data, (size_t)length);
	else if (data == NULL)
		digest_add_zeros(summing->digest, length);
	else
		digest_add(summing->digest, hashes, length);
	progress_add(length);
}

static bool
give_chunk(void *context, struct scan_chunk *chunk)
{
	if (!chunk->error.set)
		summing_add(context, chunk->hole ? NULL : chunk->data, chunk->hashes, chunk->length);
	return !chunk->error.set;
}

static struct scan
scan_make(struct source *source, const struct sum_range *range)
{
	return (struct scan){
		.source = source, .offset = range->offset, .length = range->length,
		.jobs = range->jobs
	};
}

bool
sum_source(struct source *source, const struct sum_range *range, enum checksum_kind kind,
    char digits[CHECKSUM_HEX], struct error *error)
{
	struct summing summing;
	struct scan scan = scan_make(source, range);
	bool done;

	if (!scan_bound(&scan, error) || !summing_create(&summing, kind, error))
		return false;
	progress_phase("reading", scan.length);
	scan.hash = kind == CHECKSUM_BLK128;
	scan.give = give_chunk;
	scan.context = &summing;
	done = scan_run(&scan, error);
	if (done)
		summing_finish(&summing, digits);
	summing_destroy(&summing);
	return done;
}

static bool
take_piece(void *context, void *job)
{
	struct summing *summing = context;

	return intake_take(summing->intake, job);
}

static void
work_piece(void *context, void *job)
{
	struct summing *summing = context;

	intake_work(summing->intake, job);
}

static bool
give_piece(void *context, void *job)
{
	struct summing *summing = context;
	struct piece *piece = job;

	if (!intake_give(summing->intake, piece)) {
		*summing->error = piece->error;
		return false;
	}
	if (piece->length > 0 && summing->sum != NULL)
		summing_add(summing, piece->zero ? NULL : piece->data, NULL, piece->length);
	else
		progress_add(piece->length);
	return true;
}

static const struct pool_ops piece_ops = { take_piece, work_piece, give_piece };

/* On an error a thread may still read the pipe: what it uses is then left to it. */
static bool
sum_pieces(struct intake *intake, unsigned jobs, struct summing *summing, struct error *error)
{
	void **pieces = calloc(jobs, sizeof(*pieces));
	unsigned i;

	if (pieces == NULL)
		return error_errno(error, "memory");
	for (i = 0; i < jobs; i++)
		if ((pieces[i] = piece_create(intake)) == NULL)
			return error_errno(error, "memory");
	summing->intake = intake;
	if (!pool_run(&piece_ops, summing, pieces, jobs))
		return error_errno(error, "threads");
	for (i = 0; i < jobs; i++)
		piece_destroy(pieces[i]);
	free(pieces);
	return true;
}

bool
sum_input(struct input *input, const struct sum_range *range, enum checksum_kind kind,
    char digits[CHECKSUM_HEX], struct error *error)
{
	struct intake *intake = calloc(1, sizeof(*intake));
	struct summing *summing = calloc(1, sizeof(*summing));

	if (intake == NULL || summing == NULL || !summing_create(summing, kind, error))
		return error_errno(error, "memory");
	if (range->offset != 0)
		return error_set(error, "%s: an offset needs a device or a file", input->name);
	if (!stream_detect(input)) {
		if (!intake_open_raw(intake, input, range->length, error))
			return false;
		progress_phase("reading", range->length);
	} else if (range->length != UINT64_MAX) {
		return error_set(error, "%s: a block stream is digested whole, without -l", input->name);
	} else {
		if (!intake_open_stream(intake, input, error))
			return false;
		progress_phase("reading", intake->reader.header.size);
	}
	if (!sum_pieces(intake, range->jobs, summing, error))
		return false;
	digest_destroy(summing->digest);
	summing->digest = summing->sum == NULL ? intake->digest : NULL;
	summing_finish(summing, digits);
	digest_destroy(intake->digest);
	checksum_destroy(summing->sum);
	free(summing);
	free(intake);
	return true;
}

/* The hashes of a chunk on the map's grid, made beside others. */
struct grid_hashes {
	unsigned char hash[SCAN_CHUNK_MAX / STREAM_GRID_MIN * MAP_HASH_MAX];
	bool zero[SCAN_CHUNK_MAX / STREAM_GRID_MIN];
};

struct mapping {
	uint32_t grid;
	enum stream_hash hash;
	struct digest *digest;
	struct map_writer *writer;
	struct map_reader *reader;
	int write_errno;
	uint64_t differs_start, differs_length;		/* not yet reported */
	void (*differs)(void *, uint64_t, uint64_t);
	void *differs_context;
	uint64_t offset;
	struct error *error;
};

static void
chunk_hash_grid(void *context, struct scan_chunk *chunk)
{
	struct mapping *mapping = context;
	struct grid_hashes *grid = chunk->user;
	uint64_t at, block;
	size_t i;

	if (chunk->hole)
		return;
	for (at = 0, i = 0; at < chunk->length; at += block, i++) {
		block = chunk->length - at < mapping->grid ? chunk->length - at : mapping->grid;
		grid->zero[i] = bytes_are_zero(chunk->data + at, block);
		if (mapping->grid == DIGEST_BLOCK && mapping->hash == STREAM_XXH3_128 &&
		    mapping->writer != NULL)
			memcpy(grid->hash + i * DIGEST_SIZE, chunk->hashes + i * DIGEST_SIZE, DIGEST_SIZE);
		else if (!grid->zero[i])
			map_hash_blocks(mapping->hash, mapping->grid, chunk->data + at, block,
			    grid->hash + i * map_hash_size(mapping->hash));
	}
}

static bool
give_chunk_map(void *context, struct scan_chunk *chunk)
{
	struct mapping *mapping = context;
	struct grid_hashes *grid = chunk->user;
	bool put = true;
	uint64_t at, block;
	size_t i;

	if (chunk->error.set)
		return false;
	if (chunk->hole)
		digest_add_zeros(mapping->digest, chunk->length);
	else
		digest_add(mapping->digest, chunk->hashes, chunk->length);
	progress_add(chunk->length);
	if (chunk->hole)
		put = map_put(mapping->writer, chunk->length, NULL);
	for (at = 0, i = 0; put && !chunk->hole && at < chunk->length; at += block, i++) {
		block = chunk->length - at < mapping->grid ? chunk->length - at : mapping->grid;
		put = map_put(mapping->writer, block,
		    grid->zero[i] ? NULL : grid->hash + i * map_hash_size(mapping->hash));
	}
	if (!put)
		mapping->write_errno = errno;
	return put;
}

static void
scan_set_grid(struct scan *scan, struct mapping *mapping)
{
	scan->grid = mapping->grid > DIGEST_BLOCK ? mapping->grid : DIGEST_BLOCK;
	scan->chunk = scan->grid > SCAN_CHUNK ? scan->grid : SCAN_CHUNK;
	scan->user_size = sizeof(struct grid_hashes);
	scan->work = chunk_hash_grid;
	scan->context = mapping;
}

bool
sum_map(struct source *source, const struct sum_range *range, uint32_t grid,
    enum stream_hash hash, int fd, struct error *error)
{
	struct scan scan = scan_make(source, range);
	struct map_writer *writer = calloc(1, sizeof(*writer));
	struct mapping mapping = {
		.grid = grid, .hash = hash, .digest = digest_create(), .writer = writer
	};
	unsigned char digest[DIGEST_SIZE];
	bool done = false;

	if (writer == NULL || mapping.digest == NULL)
		return error_errno(error, "memory");
	if (!scan_bound(&scan, error))
		return false;
	progress_phase("reading", scan.length);
	if (!map_begin(writer, fd, scan.length, grid, hash, source->name))
		return error_errno(error, "standard output");
	scan.hash = true;
	scan.give = give_chunk_map;
	scan_set_grid(&scan, &mapping);
	done = scan_run(&scan, error);
	if (done) {
		digest_finish(mapping.digest, digest);
		if (!map_end(writer, digest))
			done = error_errno(error, "standard output");
	} else if (mapping.write_errno != 0) {
		errno = mapping.write_errno;
		*error = (struct error){ 0 };
		error_errno(error, "standard output");
	} else
		(void)stream_put_abort(&writer->stream, error->text);
	digest_destroy(mapping.digest);
	free(writer);
	return done;
}

/* A range that differs; length 0 reports what is gathered. */
static void
note_difference(struct mapping *mapping, uint64_t offset, uint64_t length)
{
	if (mapping->differs_length > 0 &&
	    (length == 0 || mapping->differs_start + mapping->differs_length != offset)) {
		mapping->differs(mapping->differs_context, mapping->differs_start,
		    mapping->differs_length);
		mapping->differs_length = 0;
	}
	if (mapping->differs_length == 0)
		mapping->differs_start = offset;
	mapping->differs_length += length;
}

/* Hold a span of the map against the same bytes of a chunk. */
static void
compare_span(struct mapping *mapping, const struct scan_chunk *chunk, uint64_t at,
    uint64_t length, const unsigned char *hashes)
{
	const struct grid_hashes *grid = chunk->user;
	size_t size = map_hash_size(mapping->hash), i = at / mapping->grid;
	unsigned char zero[MAP_HASH_MAX];
	static const unsigned char zeros[STREAM_GRID_MAX];
	uint64_t block;
	bool same;

	if (chunk->hole && hashes == NULL)
		return;
	for (; length > 0; length -= block, at += block, i++) {
		bool is_zero = chunk->hole || grid->zero[i];

		block = length < mapping->grid ? length : mapping->grid;
		if (hashes == NULL) {
			same = is_zero;
		} else {
			if (is_zero)
				map_hash_blocks(mapping->hash, mapping->grid, zeros, block, zero);
			same = memcmp(hashes, is_zero ? zero : grid->hash + i * size, size) == 0;
			hashes += size;
		}
		if (!same)
			note_difference(mapping, mapping->offset + chunk->offset + at, block);
	}
}

static bool
give_chunk_compare(void *context, struct scan_chunk *chunk)
{
	struct mapping *mapping = context;
	uint64_t at, length;
	const unsigned char *hashes;

	if (chunk->error.set)
		return false;
	for (at = 0; at < chunk->length; at += length) {
		if (!map_next(mapping->reader, chunk->length - at, &length, &hashes, &chunk->error))
			return false;
		if (length == 0)
			return error_set(&chunk->error, "the map ends early");
		compare_span(mapping, chunk, at, length, hashes);
	}
	progress_add(chunk->length);
	return true;
}

bool
sum_compare(struct source *source, const struct sum_range *range, struct map_reader *map,
    void (*differs)(void *, uint64_t, uint64_t), void *context, struct error *error)
{
	const struct stream_header *header = &map->stream.header;
	struct scan scan = scan_make(source, range);
	struct mapping mapping = {
		.grid = header->grid, .hash = header->hash, .reader = map, .differs = differs,
		.differs_context = context, .offset = range->offset
	};
	const unsigned char *hashes;
	uint64_t length = 0;

	if (header->size == STREAM_UNKNOWN)
		return error_set(error, "%s: a map without a size", map->stream.input->name);
	if (!scan_bound(&scan, error))
		return false;
	if (scan.length > header->size)
		scan.length = header->size;
	progress_phase("comparing", scan.length);
	scan.give = give_chunk_compare;
	scan_set_grid(&scan, &mapping);
	if (!scan_run(&scan, error))
		return false;
	do
		if (!map_next(map, 1ull << 40, &length, &hashes, error))
			return false;
	while (length > 0);
	if (scan.length < header->size)
		note_difference(&mapping, range->offset + scan.length, header->size - scan.length);
	note_difference(&mapping, 0, 0);
	return true;
}
