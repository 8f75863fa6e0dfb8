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
	unsigned count;
	struct checksum *sums[CHECKSUM_KINDS];	/* NULL for blk128 */
	bool blocks;			/* blk128 is among them */
	struct blk128 *digest;		/* of a source */
	struct scan scan;
	const struct container **holds;	/* where to store the format of the source; or NULL */
	struct intake intake;
	struct piecemap *map;		/* of a stream, written as it passes; or NULL */
	struct error *error;
};

bool
sum_add_kind(struct sum_digests *sums, const char *name, struct error *error)
{
	enum checksum_kind kind;
	unsigned i;

	if (!checksum_find(name, strlen(name), &kind))
		return error_set(error, "-a %s: not blk128, xxh128, xxh64, md5, sha1, sha224, sha256, sha384, sha512 or "
		    "b2", name);
	for (i = 0; i < sums->count && sums->kinds[i] != kind; i++)
		;
	if (i == sums->count)
		sums->kinds[sums->count++] = kind;
	return true;
}

static void
summing_destroy(struct summing *summing)
{
	unsigned i;

	if (summing->map != NULL)
		piecemap_destroy(summing->map);
	free(summing->map);
	for (i = 0; i < summing->count; i++)
		checksum_destroy(summing->sums[i]);
	blk128_destroy(summing->digest);
	free(summing);
}

/* digests is NULL where none is wanted, as for a map. */
static struct summing *
summing_create(const struct sum_digests *digests, struct error *error)
{
	struct summing *summing = calloc(1, sizeof(*summing));
	bool good;
	unsigned i;

	if (summing == NULL) {
		error_errno(error, "memory");
		return NULL;
	}
	summing->error = error;
	summing->count = digests != NULL ? digests->count : 0;
	summing->digest = blk128_create();
	good = summing->digest != NULL;
	for (i = 0; i < summing->count; i++)
		if (digests->kinds[i] == CHECKSUM_BLK128)
			summing->blocks = true;
		else
			good = (summing->sums[i] = checksum_create(digests->kinds[i])) != NULL && good;
	if (good)
		return summing;
	error_errno(error, "memory");
	summing_destroy(summing);
	return NULL;
}

static void
summing_finish(struct summing *summing, const struct blk128 *digest, struct sum_digests *digests)
{
	unsigned char bytes[BLK128_SIZE];
	unsigned i;

	for (i = 0; i < summing->count; i++)
		if (summing->sums[i] != NULL) {
			checksum_finish(summing->sums[i], digests->digits[i]);
		} else {
			blk128_finish(digest, bytes);
			blk128_hex(bytes, digests->digits[i]);
		}
}

/* The next bytes; data is NULL for zeros. */
static void
summing_add(struct summing *summing, const unsigned char *data, uint64_t length)
{
	unsigned i;

	for (i = 0; i < summing->count; i++)
		if (summing->sums[i] != NULL && data == NULL)
			checksum_add_zeros(summing->sums[i], length);
		else if (summing->sums[i] != NULL)
			checksum_add(summing->sums[i], data, (size_t)length);
}

static bool
give_chunk(void *context, struct scan_chunk *chunk)
{
	struct summing *summing = context;

	if (chunk->error.set)
		return false;
	summing_add(summing, chunk->hole ? NULL : chunk->data, chunk->length);
	if (summing->blocks && chunk->hole)
		blk128_add_zeros(summing->digest, chunk->length);
	else if (summing->blocks)
		blk128_add(summing->digest, chunk->hashes, chunk->length);
	if (summing->holds != NULL && chunk->offset == 0 && summing->scan.offset == 0)
		*summing->holds = chunk->hole ? NULL : container_find(chunk->data, (size_t)chunk->length);
	progress_add(chunk->length);
	return true;
}

bool
sum_source(struct source *source, const struct sum_range *range, struct sum_digests *digests,
    struct sum_left **left, struct error *error)
{
	struct summing *summing = summing_create(digests, error);
	bool done;

	if (summing == NULL)
		return false;
	summing->holds = range->holds;
	if (summing->holds != NULL)
		*summing->holds = NULL;
	summing->scan = (struct scan){
		.source = source, .offset = range->offset, .length = range->length,
		.jobs = range->jobs, .hash = summing->blocks, .give = give_chunk,
		.context = summing
	};
	done = scan_bound(&summing->scan, error);
	if (done) {
		progress_phase("reading", summing->scan.length);
		done = scan_run(&summing->scan, error);
	}
	if (done)
		summing_finish(summing, summing->digest, digests);
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
	summing_add(summing, piece->zero ? NULL : piece->data, piece->length);
	if (summing->map != NULL && !piecemap_put(summing->map, piece))
		return error_errno(summing->error, "standard output");
	progress_add(piece->length);
	return true;
}

static const struct pool_ops piece_ops = { take_piece, work_piece, give_piece };

/* Read the header of a stream.  NULL: error is filled. */
static struct summing *
stream_begin_sum(struct input *input, const struct sum_range *range, const struct sum_digests *digests,
    struct sum_left **left, struct error *error)
{
	struct summing *summing;

	if (range->offset != 0 || range->length != UINT64_MAX) {
		error_set(error, "%s: a block stream is digested whole, without -o and -l", input->name);
		return NULL;
	}
	summing = summing_create(digests, error);
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
sum_stream(struct input *input, const struct sum_range *range, struct sum_digests *digests,
    struct sum_left **left, struct error *error)
{
	struct summing *summing = stream_begin_sum(input, range, digests, left, error);

	if (summing == NULL)
		return false;
	if (!intake_run(&summing->intake, &piece_ops, summing, range->jobs, error)) {
		left_add(left, &summing->left);
		return false;
	}
	summing_finish(summing, summing->intake.digest, digests);
	blk128_destroy(summing->intake.digest);
	summing_destroy(summing);
	return true;
}

bool
sum_stream_map(struct input *input, const struct sum_range *range, uint32_t grid,
    enum stream_hash hash, struct sum_left **left, struct error *error)
{
	struct summing *summing = stream_begin_sum(input, range, NULL, left, error);
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
	} else if (!intake_run(&summing->intake, &piece_ops, summing, range->jobs, error)) {
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
		if (!source_look_behind(source, range->backing, &range->evidence->plain, error)) {
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
sum_file(const char *file, const struct sum_range *range, struct sum_digests *digests,
    struct sum_left **left, struct error *error)
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
		done = stream ? sum_stream(&source->input, range, digests, left, error) :
		    sum_source(source, range, digests, left, error);
	if (done || !source->pipe) {
		source_close(source);
		free(opened);
	} else {
		left_add(left, &opened->left);
	}
	return done;
}
