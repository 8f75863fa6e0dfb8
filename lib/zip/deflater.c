/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "show/progress.h"
#include "zip/gzip.h"
#include "zip/zip.h"

/* Bytes between the data of two members; far fewer than PIPE_BUF. */
#define SEAM	(GZIP_TRAILER + GZIP_HEADER)

/* Deflate data of nothing: one empty block. */
static const unsigned char deflated_nothing[2] = { 0x03, 0x00 };

struct deflater_job {
	struct zip_job common;
	size_t length;			/* plain bytes in in; 0: the end */
	int level;
	const unsigned char *data;	/* deflate data; NULL if it is stored */
	uint32_t data_length;
	uint32_t crc;
};

struct deflater {
	struct zip_engine common;
	unsigned char *zeros;		/* a whole member of zeros, deflated */
	uint32_t zeros_length, zeros_crc;
	bool ended;			/* take has seen the end */

	/* give's: */
	uint64_t offset;		/* plain bytes given */
	unsigned char seam[SEAM];	/* the last member's trailer, then the next header */
	bool held;			/* there is such a trailer */
};

static const struct zip_engine_ops deflater_ops;

static bool
deflater_take(void *context, void *argument)
{
	struct deflater *deflater = context;
	struct deflater_job *job = argument;
	struct zip *zip = deflater->common.zip;
	struct load_mark mark;
	ssize_t n;

	if (deflater->ended)
		return false;
	job->common.error.set = false;
	load_begins(zip->load, &mark);
	n = input_read(zip->input, job->common.in, GZIP_PLAIN);
	load_waited_to_read(zip->load, &mark);
	if (n == -1)
		error_errno(&job->common.error, "%s: at byte %ju", zip->input->name,
		    (uintmax_t)zip->input->position);
	job->length = n > 0 ? (size_t)n : 0;
	job->level = load_level(zip->load, zip->level);
	deflater->ended = n <= 0;
	return true;
}

/* Deflate a piece, or leave it to be stored. */
static void
job_pack(const struct deflater *deflater, struct deflater_job *job)
{
	size_t n;

	if (job->length == GZIP_PLAIN && deflater->common.zip->level > 0 &&
	    bytes_are_zero(job->common.in, job->length)) {
		job->data = deflater->zeros;
		job->data_length = deflater->zeros_length;
		job->crc = deflater->zeros_crc;
		return;
	}
	job->crc = gzip_crc(0, job->common.in, job->length);
	job->data = NULL;
	job->data_length = gzip_stored_size(job->length);
	if (job->level == 0 || !codec_worthwhile(job->common.in, job->length))
		return;
	n = codec_deflate(job->common.codec, job->level, job->common.in, job->length, job->common.out,
	    job->length);
	if (n == 0)
		return;
	job->data = job->common.out;
	job->data_length = (uint32_t)n;
}

static void
deflater_work(void *context, void *argument)
{
	struct deflater *deflater = context;
	struct deflater_job *job = argument;
	struct load_mark mark;

	if (job->common.error.set || job->length == 0)
		return;
	load_begins(deflater->common.zip->load, &mark);
	job_pack(deflater, job);
	load_worked(deflater->common.zip->load, &mark);
}

/*
 * A gzip file that is cut between two members looks whole to gunzip.  So a trailer is held
 * back until the next header is ready, and both leave in one write, small enough for a pipe
 * to take as a whole: if this process is killed, no reader of the pipe sees an end there.
 */
static bool
deflater_put(struct deflater *deflater, struct deflater_job *job)
{
	struct gzip_member member = { .data = job->data_length, .offset = deflater->offset };
	unsigned char heads[GZIP_STORED_BLOCKS][GZIP_STORED_HEAD];
	struct iovec parts[2 * GZIP_STORED_BLOCKS] = { { (void *)job->data, job->data_length } };
	size_t skip = deflater->held ? 0 : GZIP_TRAILER;
	struct zip *zip = deflater->common.zip;
	int count = 1;

	gzip_header_encode(&member, deflater->seam + GZIP_TRAILER);
	if (job->data == NULL)
		count = gzip_store(job->common.in, job->length, heads, parts);
	if (!write_full(zip->output, deflater->seam + skip, SEAM - skip) ||
	    !writev_full(zip->output, parts, count))
		return error_errno(&deflater->common.error, "standard output");
	gzip_trailer_encode(job->crc, (uint32_t)job->length, deflater->seam);
	deflater->held = true;
	deflater->offset += job->length;
	zip->written += SEAM - skip + job->data_length;
	return true;
}

/* Write the last member, and the trailer of the one before it. */
static bool
deflater_put_last(struct deflater *deflater)
{
	struct gzip_member member = {
		.data = sizeof(deflated_nothing), .last = true, .offset = deflater->offset
	};
	unsigned char end[SEAM + sizeof(deflated_nothing) + GZIP_TRAILER];
	size_t skip = deflater->held ? 0 : GZIP_TRAILER;
	struct zip *zip = deflater->common.zip;

	memcpy(end, deflater->seam, GZIP_TRAILER);
	gzip_header_encode(&member, end + GZIP_TRAILER);
	memcpy(end + SEAM, deflated_nothing, sizeof(deflated_nothing));
	gzip_trailer_encode(0, 0, end + SEAM + sizeof(deflated_nothing));
	if (!write_full(zip->output, end + skip, sizeof(end) - skip))
		return error_errno(&deflater->common.error, "standard output");
	zip->written += sizeof(end) - skip;
	return true;
}

static bool
deflater_give(void *context, void *argument)
{
	struct deflater *deflater = context;
	struct deflater_job *job = argument;
	struct zip *zip = deflater->common.zip;
	struct load_mark mark;

	if (job->common.error.set) {
		deflater->common.error = job->common.error;
		return false;
	}
	if (job->length == 0)
		return deflater_put_last(deflater);
	load_begins(zip->load, &mark);
	if (!deflater_put(deflater, job))
		return false;
	load_waited_to_write(zip->load, &mark);
	load_written(zip->load, job->data == NULL ? 0 : job->level, job->length,
	    job->data_length);
	progress_add(job->length);
	return true;
}

/* Disks are full of zeros: deflate a member of them once. */
static bool
deflate_zeros(struct deflater *deflater)
{
	struct zip_job *job = deflater->common.jobs[0];
	size_t n;

	memset(job->in, 0, GZIP_PLAIN);
	n = codec_deflate(job->codec, 9, job->in, GZIP_PLAIN, job->out, GZIP_PLAIN);
	deflater->zeros = n > 0 ? malloc(n) : NULL;
	if (deflater->zeros == NULL)
		return false;
	memcpy(deflater->zeros, job->out, n);
	deflater->zeros_length = (uint32_t)n;
	deflater->zeros_crc = gzip_crc(0, job->in, GZIP_PLAIN);
	return true;
}

static bool
deflater_open(void *context, struct error *error)
{
	struct deflater *deflater = context;

	return zip_jobs(&deflater->common, &deflater_ops, GZIP_PLAIN, GZIP_PLAIN, error) &&
	    (deflate_zeros(deflater) || error_errno(error, "memory"));
}

static bool
deflater_all(void *context, struct error *error)
{
	return zip_run(context, &deflater_ops.pool, error);
}

static void
deflater_close(void *context)
{
	struct deflater *deflater = context;

	free(deflater->zeros);
}

static const struct zip_engine_ops deflater_ops = {
	.pool = { deflater_take, deflater_work, deflater_give },
	.size = sizeof(struct deflater), .job_size = sizeof(struct deflater_job),
	.open = deflater_open, .run = deflater_all, .close = deflater_close
};

bool
deflater_run(struct zip *zip, struct error *error)
{
	return zip_engine(zip, &deflater_ops, error);
}
