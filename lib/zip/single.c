/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Raw bytes to a gzip file of one member, for decoders that read no more than the first.
 *
 * Each piece is deflated by itself, up to a boundary of bytes, on any thread; the member is these one
 * after the other, and an empty last block.  Without that nobody takes it for complete.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "base/io.h"
#include "show/progress.h"
#include "zip/gzip.h"
#include "zip/zip.h"

/* The most that deflate may add: a header for each stored block, and the boundary. */
#define ROOM	(GZIP_PLAIN + GZIP_PLAIN / 64 + 1024)

/* No time, no name, from Unix. */
static const unsigned char header[] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3 };

/* The last block, which is empty. */
static const unsigned char last_block[] = { 0x03, 0x00 };

struct single_job {
	struct zip_job common;
	size_t length;			/* plain bytes in in; 0: the end */
	size_t deflated;		/* bytes in out */
	uint32_t crc;
};

struct single {
	struct zip_engine common;
	bool ended;			/* take has seen the end */
	bool begun;			/* give's: the header has left */
	uint32_t crc, size;		/* of all that was given */
};

static const struct zip_engine_ops single_ops;

static bool
single_take(void *context, void *argument)
{
	struct single *single = context;
	struct single_job *job = argument;
	struct input *input = single->common.zip->input;
	ssize_t n;

	if (single->ended)
		return false;
	job->common.error.set = false;
	n = input_read(input, job->common.in, GZIP_PLAIN);
	if (n == -1)
		error_errno(&job->common.error, "%s: at byte %ju", input->name, (uintmax_t)input->position);
	job->length = n > 0 ? (size_t)n : 0;
	single->ended = n <= 0;
	return true;
}

static void
single_work(void *context, void *argument)
{
	struct single *single = context;
	struct single_job *job = argument;
	int level = single->common.zip->level;
	z_stream z = { .next_in = job->common.in, .avail_in = (uInt)job->length, .next_out = job->common.out,
	    .avail_out = ROOM };

	if (job->common.error.set || job->length == 0)
		return;
	job->crc = gzip_crc(0, job->common.in, job->length);
	if (!codec_worthwhile(job->common.in, job->length))
		level = 0;
	if (deflateInit2(&z, level, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
		errno = ENOMEM;
		error_errno(&job->common.error, "memory");
		return;
	}
	if (deflate(&z, Z_SYNC_FLUSH) != Z_OK || z.avail_in > 0 || z.avail_out == 0)
		error_set(&job->common.error, "zlib does not deflate %zu bytes into %d", job->length, ROOM);
	job->deflated = ROOM - z.avail_out;
	deflateEnd(&z);
}

static bool
single_write(struct single *single, const void *data, size_t length)
{
	if (!write_full(single->common.zip->output, data, length))
		return error_errno(&single->common.error, "standard output");
	single->common.zip->written += length;
	return true;
}

static bool
single_give(void *context, void *argument)
{
	struct single *single = context;
	struct single_job *job = argument;
	unsigned char trailer[GZIP_TRAILER];

	if (job->common.error.set) {
		single->common.error = job->common.error;
		return false;
	}
	if (!single->begun && !single_write(single, header, sizeof(header)))
		return false;
	single->begun = true;
	if (job->length == 0) {
		gzip_trailer_encode(single->crc, single->size, trailer);
		return single_write(single, last_block, sizeof(last_block)) &&
		    single_write(single, trailer, sizeof(trailer));
	}
	single->crc = (uint32_t)crc32_combine(single->crc, job->crc, (z_off_t)job->length);
	single->size += (uint32_t)job->length;
	progress_add(job->length);
	return single_write(single, job->common.out, job->deflated);
}

static bool
single_open(void *context, struct error *error)
{
	struct single *single = context;

	return zip_jobs(&single->common, &single_ops, GZIP_PLAIN, ROOM, error);
}

static bool
single_all(void *context, struct error *error)
{
	return zip_run(context, &single_ops.pool, error);
}

static void
single_close(void *context)
{
	(void)context;
}

static const struct zip_engine_ops single_ops = {
	.pool = { single_take, single_work, single_give },
	.size = sizeof(struct single), .job_size = sizeof(struct single_job),
	.open = single_open, .run = single_all, .close = single_close
};

bool
single_run(struct zip *zip, struct error *error)
{
	return zip_engine(zip, &single_ops, error);
}
