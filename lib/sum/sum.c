/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/pool.h"
#include "device/lock.h"
#include "hash/blk128.h"
#include "read/scan.h"
#include "show/progress.h"
#include "stream/intake.h"
#include "stream/piecemap.h"
#include "sum/sum.h"

/* The head of whatever is left to a thread that waited for a pipe when something failed. */
struct sum_left {
	struct sum_left *next;
};

static void
left_add(struct sum_left **left, struct sum_left *item)
{
	item->next = *left;
	*left = item;
}

/* Either a checksum of bytes in order, or a digest of block hashes that threads make. */
struct summing {
	struct sum_left left;
	struct checksum *sum;		/* NULL for blk128 */
	struct blk128 *digest;		/* of a source */
	struct scan scan;
	struct intake intake;
	struct piecemap *map;		/* of a stream, written as it passes; or NULL */
	void **pieces;			/* of a stream, one for each thread */
	struct error *error;
};

static struct summing *
summing_create(enum checksum_kind kind, struct error *error)
{
	struct summing *summing = calloc(1, sizeof(*summing));

	if (summing == NULL) {
		error_errno(error, "memory");
		return NULL;
	}
	summing->error = error;
	if (kind != CHECKSUM_BLK128)
		summing->sum = checksum_create(kind);
	summing->digest = blk128_create();
	if (summing->digest != NULL && (summing->sum != NULL || kind == CHECKSUM_BLK128))
		return summing;
	error_errno(error, "memory");
	checksum_destroy(summing->sum);
	blk128_destroy(summing->digest);
	free(summing);
	return NULL;
}

static void
summing_destroy(struct summing *summing)
{
	if (summing->map != NULL)
		piecemap_destroy(summing->map);
	free(summing->map);
	checksum_destroy(summing->sum);
	blk128_destroy(summing->digest);
	free(summing);
}

static void
summing_finish(struct summing *summing, const struct blk128 *digest, char digits[CHECKSUM_HEX])
{
	unsigned char bytes[BLK128_SIZE];

	if (summing->sum != NULL) {
		checksum_finish(summing->sum, digits);
	} else {
		blk128_finish(digest, bytes);
		blk128_hex(bytes, digits);
	}
}

static bool
give_chunk(void *context, struct scan_chunk *chunk)
{
	struct summing *summing = context;

	if (chunk->error.set)
		return false;
	if (summing->sum != NULL && chunk->hole)
		checksum_add_zeros(summing->sum, chunk->length);
	else if (summing->sum != NULL)
		checksum_add(summing->sum, chunk->data, (size_t)chunk->length);
	else if (chunk->hole)
		blk128_add_zeros(summing->digest, chunk->length);
	else
		blk128_add(summing->digest, chunk->hashes, chunk->length);
	progress_add(chunk->length);
	return true;
}

bool
sum_source(struct source *source, const struct sum_range *range, enum checksum_kind kind,
    char digits[CHECKSUM_HEX], struct sum_left **left, struct error *error)
{
	struct summing *summing = summing_create(kind, error);
	bool done;

	if (summing == NULL)
		return false;
	summing->scan = (struct scan){
		.source = source, .offset = range->offset, .length = range->length,
		.jobs = range->jobs, .hash = kind == CHECKSUM_BLK128, .give = give_chunk,
		.context = summing
	};
	done = scan_bound(&summing->scan, error);
	if (done) {
		progress_phase("reading", summing->scan.length);
		done = scan_run(&summing->scan, error);
	}
	if (done)
		summing_finish(summing, summing->digest, digits);
	if (done || !source->pipe)
		summing_destroy(summing);
	else
		left_add(left, &summing->left);
	return done;
}

static bool
take_piece(void *context, void *job)
{
	struct summing *summing = context;

	return intake_take(&summing->intake, job);
}

static void
work_piece(void *context, void *job)
{
	struct summing *summing = context;

	intake_work(&summing->intake, job);
}

static bool
give_piece(void *context, void *job)
{
	struct summing *summing = context;
	struct piece *piece = job;

	if (!intake_give(&summing->intake, piece)) {
		*summing->error = piece->error;
		return false;
	}
	if (summing->sum != NULL && piece->zero)
		checksum_add_zeros(summing->sum, piece->length);
	else if (summing->sum != NULL && piece->length > 0)
		checksum_add(summing->sum, piece->data, (size_t)piece->length);
	if (summing->map != NULL && !piecemap_put(summing->map, piece))
		return error_errno(summing->error, "standard output");
	progress_add(piece->length);
	return true;
}

static const struct pool_ops piece_ops = { take_piece, work_piece, give_piece };

/* Read the stream that the intake has begun to its end. */
static bool
sum_pieces(struct summing *summing, unsigned jobs, struct error *error)
{
	unsigned i;

	summing->pieces = calloc(jobs, sizeof(*summing->pieces));
	if (summing->pieces == NULL)
		return error_errno(error, "memory");
	for (i = 0; i < jobs; i++)
		if ((summing->pieces[i] = piece_create(&summing->intake)) == NULL)
			return error_errno(error, "memory");
	if (!pool_run(&piece_ops, summing, summing->pieces, jobs, jobs))
		return error_errno(error, "threads");
	for (i = 0; i < jobs; i++)
		piece_destroy(summing->pieces[i]);
	free(summing->pieces);
	return true;
}

/* Read the header of a stream.  NULL: error is filled. */
static struct summing *
stream_begin_sum(struct input *input, const struct sum_range *range, enum checksum_kind kind,
    struct sum_left **left, struct error *error)
{
	struct summing *summing;

	if (range->offset != 0 || range->length != UINT64_MAX) {
		error_set(error, "%s: a block stream is digested whole, without -o and -l", input->name);
		return NULL;
	}
	summing = summing_create(kind, error);
	if (summing == NULL)
		return NULL;
	if (!intake_open_stream(&summing->intake, input, INTAKE_IMAGE, error)) {
		left_add(left, &summing->left);
		return NULL;
	}
	progress_phase("reading", summing->intake.reader.header.size);
	return summing;
}

bool
sum_stream(struct input *input, const struct sum_range *range, enum checksum_kind kind,
    char digits[CHECKSUM_HEX], struct sum_left **left, struct error *error)
{
	struct summing *summing = stream_begin_sum(input, range, kind, left, error);

	if (summing == NULL)
		return false;
	if (!sum_pieces(summing, range->jobs, error)) {
		left_add(left, &summing->left);
		return false;
	}
	summing_finish(summing, summing->intake.digest, digits);
	blk128_destroy(summing->intake.digest);
	summing_destroy(summing);
	return true;
}

bool
sum_stream_map(struct input *input, const struct sum_range *range, uint32_t grid,
    enum stream_hash hash, struct sum_left **left, struct error *error)
{
	struct summing *summing = stream_begin_sum(input, range, CHECKSUM_BLK128, left, error);
	struct piecemap *map;

	if (summing == NULL)
		return false;
	map = summing->map = calloc(1, sizeof(*map));
	if (map == NULL || !piecemap_begin(map, STDOUT_FILENO, summing->intake.reader.header.size, grid,
	    hash, NULL)) {
		if (map != NULL && errno == ESPIPE)
			error_set(error, "standard output: a map begins with the size, which this stream only tells "
			    "at its end: write to a file, not to a pipe and not with >>");
		else
			error_errno(error, "standard output");
	} else if (!sum_pieces(summing, range->jobs, error)) {
		(void)stream_put_abort(&map->writer.stream, error->text);
	} else if (!piecemap_end(map, &summing->intake)) {
		error_errno(error, "standard output");
	} else {
		blk128_destroy(summing->intake.digest);
		summing_destroy(summing);
		return true;
	}
	left_add(left, &summing->left);
	return false;
}

bool
sum_open(struct source *source, const char *file, const struct sum_range *range,
    struct error *error)
{
	if (!source_open(source, file, range->evidence != NULL ? SOURCE_MEDIUM : SOURCE_DIRECT_AUTO,
	    false, error))
		return false;
	if (range->evidence != NULL) {
		if (!source_look_behind(source, range->backing, error)) {
			source_close(source);
			return false;
		}
		evidence_add(range->evidence, source->name, source->fresh, source->lost);
	}
	return true;
}

struct opened {
	struct sum_left left;
	struct source source;
};

bool
sum_file(const char *file, const struct sum_range *range, enum checksum_kind kind,
    char digits[CHECKSUM_HEX], struct sum_left **left, struct error *error)
{
	struct opened *opened = calloc(1, sizeof(*opened));
	struct source *source;
	bool stream = false, done;

	if (opened == NULL)
		return error_errno(error, "memory");
	source = &opened->source;
	if (!sum_open(source, file, range, error)) {
		free(opened);
		return false;
	}
	if (!source->pipe)
		(void)lock_for_reading(source->fd);
	done = strcmp(file, "-") != 0 || stream_detect(&source->input, &stream, error);
	if (done)
		done = stream ? sum_stream(&source->input, range, kind, digits, left, error) :
		    sum_source(source, range, kind, digits, left, error);
	if (done || !source->pipe) {
		source_close(source);
		free(opened);
	} else {
		left_add(left, &opened->left);
	}
	return done;
}
