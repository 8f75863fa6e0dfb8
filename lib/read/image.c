/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "base/io.h"
#include "read/image.h"

/* Zeros that were found by reading leave at the latest after this much, or a second. */
#define ZERO_RUN_MAX	(1ull << 30)

bool
image_begin(struct image *image, int fd, const struct stream_header *header)
{
	memset(image, 0, sizeof(*image));
	image->digest = blk128_create();
	return image->digest != NULL && stream_begin(&image->stream, fd, header);
}

void
image_destroy(struct image *image)
{
	blk128_destroy(image->digest);
	image->digest = NULL;
}

void
image_split(struct scan_chunk *chunk)
{
	struct image_runs *runs = chunk->user;
	struct image_run *run = NULL;
	uint32_t at, block;

	runs->count = 0;
	for (at = 0; !chunk->hole && at < chunk->length; at += block) {
		bool zero = chunk->zero[at / BLK128_BLOCK];

		block = chunk->length - at < BLK128_BLOCK ? (uint32_t)chunk->length - at : BLK128_BLOCK;
		if (run == NULL || run->zero != zero) {
			run = &runs->run[runs->count++];
			*run = (struct image_run){ .start = at, .zero = zero };
		}
		run->length += block;
	}
	for (run = runs->run; run < runs->run + runs->count; run++) {
		if (run->zero)
			continue;
		run->record.type = RECORD_DATA;
		run->record.offset = chunk->offset + run->start;
		run->record.length = run->record.stored = run->length;
		record_seal(&run->record, chunk->data + run->start);
	}
}

static bool
zeros_put(struct image *image)
{
	uint64_t length = image->zero_length;

	image->zero_length = image->zero_read = 0;
	return length == 0 ||
	    stream_put_range(&image->stream, RECORD_ZERO, image->zero_start, length);
}

/* Gather zeros, so that many blocks of them are one record. */
static bool
zeros_add(struct image *image, uint64_t offset, uint64_t length, bool read)
{
	if (image->zero_length == 0) {
		image->zero_start = offset;
		image->zero_since = clock_seconds();
	}
	image->zero_length += length;
	image->zero_read += read ? length : 0;
	if (image->zero_read >= ZERO_RUN_MAX || clock_seconds() - image->zero_since >= 1)
		return zeros_put(image);
	return true;
}

/* BAD records come before the record that their range lies in. */
static bool
run_put_bad(struct image *image, const struct scan_chunk *chunk, const struct image_run *run)
{
	uint32_t run_end = run->start + run->length;
	unsigned i;

	for (i = 0; i < chunk->bad_count; i++) {
		uint32_t start = chunk->bad[i].start, end = start + chunk->bad[i].length;

		start = start > run->start ? start : run->start;
		end = end < run_end ? end : run_end;
		if (start >= end)
			continue;
		if (!zeros_put(image) || !stream_put_range(&image->stream, RECORD_BAD,
		    chunk->offset + start, end - start))
			return false;
	}
	return true;
}

bool
image_put(struct image *image, const struct scan_chunk *chunk)
{
	struct image_runs *runs = chunk->user;
	struct image_run *run;

	if (chunk->hole) {
		blk128_add_zeros(image->digest, chunk->length);
		return zeros_add(image, chunk->offset, chunk->length, false);
	}
	blk128_add(image->digest, chunk->hashes, chunk->length);
	for (run = runs->run; run < runs->run + runs->count; run++) {
		uint64_t offset = chunk->offset + run->start;
		bool put = run_put_bad(image, chunk, run);

		if (run->zero)
			put = put && zeros_add(image, offset, run->length, true);
		else
			put = put && zeros_put(image) &&
			    stream_put(&image->stream, &run->record, chunk->data + run->start);
		if (!put)
			return false;
	}
	return true;
}

bool
image_end(struct image *image)
{
	struct end_summary end;

	if (!zeros_put(image))
		return false;
	order_summary(&image->stream.order, &end);
	blk128_finish(image->digest, end.digest);
	return stream_put_end(&image->stream, &end);
}

bool
image_abort(struct image *image, const char *text)
{
	return zeros_put(image) && stream_put_abort(&image->stream, text);
}
