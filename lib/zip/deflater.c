/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "show/progress.h"
#include "zip/gzip.h"
#include "zip/zip.h"

/* What stands between the data of two members; far less than PIPE_BUF. */
#define SEAM	(GZIP_TRAILER + GZIP_HEADER)

/* Deflate data of nothing: one empty block. */
static const unsigned char deflated_nothing[2] = { 0x03, 0x00 };

struct deflater_job {
	size_t length;			/* plain bytes in in; 0: the end */
	int level;
	const unsigned char *data;	/* deflate data; NULL where it is stored */
	uint32_t data_length;
	uint32_t crc;
	struct zip_room room;
	struct error error;
};

struct deflater {
	struct zip *zip;
	struct deflater_job jobs[ZIP_JOBS];
	unsigned char *zeros;		/* a whole member of zeros, deflated */
	uint32_t zeros_length, zeros_crc;
	bool ended;			/* take has seen the end */

	/* give's: */
	uint64_t offset;		/* plain bytes given */
	unsigned char seam[SEAM];	/* the last member's trailer, then the next header */
	bool held;			/* there is such a trailer */
	struct error error;
};

static bool
deflater_take(void *context, void *argument)
{
	struct deflater *deflater = context;
	struct deflater_job *job = argument;
	struct zip *zip = deflater->zip;
	struct load_mark mark;
	ssize_t n;

	if (deflater->ended)
		return false;
	job->error.set = false;
	load_begins(zip->load, &mark);
	n = input_read(zip->input, job->room.in, GZIP_PLAIN);
	load_waited_to_read(zip->load, &mark);
	if (n == -1)
		error_errno(&job->error, "%s: at byte %ju", zip->input->name,
		    (uintmax_t)zip->input->position);
	job->length = n > 0 ? (size_t)n : 0;
	job->level = load_level(zip->load, zip->level);
	deflater->ended = n <= 0;
	return true;
}

/* Deflate a piece, or say that it is stored. */
static void
job_pack(const struct deflater *deflater, struct deflater_job *job)
{
	size_t n;

	if (job->length == GZIP_PLAIN && deflater->zip->level > 0 &&
	    bytes_are_zero(job->room.in, job->length)) {
		job->data = deflater->zeros;
		job->data_length = deflater->zeros_length;
		job->crc = deflater->zeros_crc;
		return;
	}
	job->crc = gzip_crc(0, job->room.in, job->length);
	job->data = NULL;
	job->data_length = gzip_stored_size(job->length);
	if (job->level == 0 || !codec_worthwhile(job->room.in, job->length))
		return;
	n = codec_deflate(job->room.codec, job->level, job->room.in, job->length, job->room.out,
	    job->length);
	if (n == 0)
		return;
	job->data = job->room.out;
	job->data_length = (uint32_t)n;
}

static void
deflater_work(void *context, void *argument)
{
	struct deflater *deflater = context;
	struct deflater_job *job = argument;
	struct load_mark mark;

	if (job->error.set || job->length == 0)
		return;
	load_begins(deflater->zip->load, &mark);
	job_pack(deflater, job);
	load_worked(deflater->zip->load, &mark);
}

/*
 * A gzip file that is cut between two members looks whole to gunzip.  So a trailer is
 * held back until the next header is there, and both leave in one write that is small
 * enough for a pipe to take as a whole: where this process is killed, no reader of the
 * pipe sees an end there.
 */
static bool
deflater_put(struct deflater *deflater, struct deflater_job *job)
{
	struct gzip_member member = { .data = job->data_length, .offset = deflater->offset };
	unsigned char heads[GZIP_STORED_BLOCKS][GZIP_STORED_HEAD];
	struct iovec parts[2 * GZIP_STORED_BLOCKS] = { { (void *)job->data, job->data_length } };
	size_t skip = deflater->held ? 0 : GZIP_TRAILER;
	struct zip *zip = deflater->zip;
	int count = 1;

	gzip_header_encode(&member, deflater->seam + GZIP_TRAILER);
	if (job->data == NULL)
		count = gzip_store(job->room.in, job->length, heads, parts);
	if (!write_full(zip->output, deflater->seam + skip, SEAM - skip) ||
	    !writev_full(zip->output, parts, count))
		return error_errno(&deflater->error, "standard output");
	gzip_trailer_encode(job->crc, (uint32_t)job->length, deflater->seam);
	deflater->held = true;
	deflater->offset += job->length;
	zip->written += SEAM - skip + job->data_length;
	return true;
}

/* The last member, and with it the trailer of the one before. */
static bool
deflater_put_last(struct deflater *deflater)
{
	struct gzip_member member = {
		.data = sizeof(deflated_nothing), .last = true, .offset = deflater->offset
	};
	unsigned char end[SEAM + sizeof(deflated_nothing) + GZIP_TRAILER];
	size_t skip = deflater->held ? 0 : GZIP_TRAILER;
	struct zip *zip = deflater->zip;

	memcpy(end, deflater->seam, GZIP_TRAILER);
	gzip_header_encode(&member, end + GZIP_TRAILER);
	memcpy(end + SEAM, deflated_nothing, sizeof(deflated_nothing));
	gzip_trailer_encode(0, 0, end + SEAM + sizeof(deflated_nothing));
	if (!write_full(zip->output, end + skip, sizeof(end) - skip))
		return error_errno(&deflater->error, "standard output");
	zip->written += sizeof(end) - skip;
	return true;
}

static bool
deflater_give(void *context, void *argument)
{
	struct deflater *deflater = context;
	struct deflater_job *job = argument;
	struct zip *zip = deflater->zip;
	struct load_mark mark;

	if (job->error.set) {
		deflater->error = job->error;
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

static void
deflater_destroy(struct deflater *deflater)
{
	for (unsigned i = 0; i < pool_jobs(deflater->zip->threads); i++)
		zip_room_destroy(&deflater->jobs[i].room);
	free(deflater->zeros);
	free(deflater);
}

/* Disks are full of zeros: their member is deflated once. */
static bool
deflater_prepare(struct deflater *deflater)
{
	struct deflater_job *job;
	size_t n;

	for (unsigned i = 0; i < pool_jobs(deflater->zip->threads); i++)
		if (!zip_room_create(&deflater->jobs[i].room, GZIP_PLAIN, GZIP_PLAIN))
			return false;
	job = &deflater->jobs[0];
	memset(job->room.in, 0, GZIP_PLAIN);
	n = codec_deflate(job->room.codec, 9, job->room.in, GZIP_PLAIN, job->room.out, GZIP_PLAIN);
	deflater->zeros = n > 0 ? malloc(n) : NULL;
	if (deflater->zeros == NULL)
		return false;
	memcpy(deflater->zeros, job->room.out, n);
	deflater->zeros_length = (uint32_t)n;
	deflater->zeros_crc = gzip_crc(0, job->room.in, GZIP_PLAIN);
	return true;
}

bool
deflater_run(struct zip *zip, struct error *error)
{
	static const struct pool_ops ops = {
		.take = deflater_take, .work = deflater_work, .give = deflater_give
	};
	struct deflater *deflater = calloc(1, sizeof(*deflater));
	bool done;

	if (deflater == NULL)
		return error_errno(error, "memory");
	zip->engine = deflater;
	deflater->zip = zip;
	done = deflater_prepare(deflater) ?
	    zip_run(zip, &ops, deflater, deflater->jobs, sizeof(deflater->jobs[0]), &deflater->error, error) :
	    error_errno(error, "memory");
	if (done || zip->threads == 1) {
		deflater_destroy(deflater);
		zip->engine = NULL;
	}
	return done;
}
