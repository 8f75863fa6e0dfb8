/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "base/bytes.h"
#include "base/io.h"
#include "show/progress.h"
#include "zip/gzip.h"
#include "zip/zip.h"

/*
 * A member of ours travels to a thread as it is; of others' members plain bytes do,
 * inflated while they are read.
 */
struct inflater_job {
	bool ours;
	uint64_t at;			/* where it begins in the input, for messages */
	struct gzip_member member;
	size_t length;			/* plain bytes in out */
	uint64_t taken;			/* bytes of input, for progress */
	struct zip_room room;		/* in: header, deflate data, trailer */
	struct error error;
};

struct inflater {
	struct zip *zip;
	struct inflater_job jobs[ZIP_JOBS];

	/* take's: */
	bool ended;
	bool any;			/* a member was seen */
	bool unfinished;		/* ours, and the last was not yet among them */
	uint64_t offset;		/* plain bytes of ours so far */
	bool inside;			/* a member of others */
	z_stream z;
	uint32_t crc, size;		/* of that member so far */
	uint64_t at;			/* where it begins */

	struct error error;		/* give's */
};

static bool
fault(const struct inflater *inflater, uint64_t at, struct error *error,
    const struct error *reason)
{
	error_set(error, "%s: at byte %ju: %s", inflater->zip->input->name, (uintmax_t)at,
	    reason->text);
	error->number = reason->number;
	return false;
}

static bool
fault_text(const struct inflater *inflater, uint64_t at, struct error *error, const char *text)
{
	struct error reason = { 0 };

	error_set(&reason, "%s", text);
	return fault(inflater, at, error, &reason);
}

static bool
fault_read(const struct inflater *inflater, struct error *error)
{
	const struct input *input = inflater->zip->input;

	return error_errno(error, "%s: at byte %ju", input->name, (uintmax_t)input->position);
}

/* What follows the last member must be the end, or zeros up to it, as tapes and disks have. */
static bool
take_padding(struct inflater *inflater, struct inflater_job *job)
{
	struct input *input = inflater->zip->input;
	uint64_t at = input->position;
	ssize_t n;

	for (;;) {
		n = input_read(input, job->room.out, GZIP_PLAIN);
		if (n == -1)
			return fault_read(inflater, &job->error);
		if (n == 0 && inflater->any)
			return false;
		if (n == 0 || !bytes_are_zero(job->room.out, (size_t)n))
			return fault_text(inflater, at, &job->error, inflater->any ?
			    "trailing garbage: what follows is not gzip" :
			    "neither gzip nor a block stream");
	}
}

/* A member of ours: all of it, as it is. */
static bool
take_ours(struct inflater *inflater, struct inflater_job *job, const unsigned char *header)
{
	struct input *input = inflater->zip->input;
	struct error reason = { 0 };
	size_t want;
	ssize_t n;

	if (!gzip_header_decode(&job->member, header, &reason))
		return fault(inflater, job->at, &job->error, &reason);
	if (job->member.offset != inflater->offset) {
		error_set(&reason, "gzip member of byte %ju where that of byte %ju should be",
		    (uintmax_t)job->member.offset, (uintmax_t)inflater->offset);
		return fault(inflater, job->at, &job->error, &reason);
	}
	want = GZIP_HEADER + job->member.data + GZIP_TRAILER;
	n = input_read(input, job->room.in, want);
	if (n == -1)
		return fault_read(inflater, &job->error);
	if ((size_t)n < want)
		return fault_text(inflater, input->position, &job->error,
		    "unexpected end of file");
	job->ours = true;
	job->length = load32(job->room.in + want - 4);
	if (job->length > GZIP_PLAIN || (job->length == 0) != job->member.last) {
		error_set(&reason, "gzip member of %zu plain bytes", job->length);
		return fault(inflater, job->at, &job->error, &reason);
	}
	inflater->unfinished = !job->member.last;
	inflater->offset = job->member.last ? 0 : inflater->offset + job->length;
	return true;
}

/* Begin on a member of others. */
static bool
begin_others(struct inflater *inflater, struct inflater_job *job)
{
	struct error reason = { 0 };

	if (!gzip_header_skip(inflater->zip->input, &reason))
		return fault(inflater, job->at, &job->error, &reason);
	if (inflateReset(&inflater->z) != Z_OK)
		return fault_text(inflater, job->at, &job->error, "zlib");
	inflater->inside = true;
	inflater->at = job->at;
	inflater->crc = inflater->size = 0;
	return true;
}

static bool
end_others(struct inflater *inflater, struct inflater_job *job)
{
	struct error reason = { 0 };
	unsigned char trailer[GZIP_TRAILER];
	ssize_t n = input_read(inflater->zip->input, trailer, sizeof(trailer));

	inflater->inside = false;
	if (n == -1)
		return fault_read(inflater, &job->error);
	if (n < (ssize_t)sizeof(trailer))
		return fault_text(inflater, inflater->zip->input->position, &job->error,
		    "unexpected end of file");
	if (!gzip_trailer_check(trailer, inflater->crc, inflater->size, &reason))
		return fault(inflater, inflater->at, &job->error, &reason);
	return true;
}

/* Inflate from what can be seen of the input.  False: error, or *done and the member ended. */
static bool
inflate_some(struct inflater *inflater, struct inflater_job *job, bool *done)
{
	struct input *input = inflater->zip->input;
	z_stream *z = &inflater->z;
	const unsigned char *data;
	unsigned char dropped[INPUT_AHEAD];
	ssize_t n = input_peek(input, INPUT_AHEAD, &data);
	int status;

	if (n == -1)
		return fault_read(inflater, &job->error);
	if (n == 0)
		return fault_text(inflater, input->position, &job->error,
		    "unexpected end of file");
	z->next_in = (unsigned char *)data;
	z->avail_in = (unsigned)n;
	z->next_out = job->room.out + job->length;
	z->avail_out = (unsigned)(GZIP_PLAIN - job->length);
	status = inflate(z, Z_NO_FLUSH);
	job->length = GZIP_PLAIN - z->avail_out;
	if (input_read(input, dropped, (size_t)n - z->avail_in) == -1)
		return fault_read(inflater, &job->error);
	*done = status == Z_STREAM_END;
	if (*done || status == Z_OK || status == Z_BUF_ERROR)
		return !*done;
	return fault_text(inflater, input->position, &job->error,
	    status == Z_MEM_ERROR ? "no memory" : "invalid compressed data");
}

static bool
take_others(struct inflater *inflater, struct inflater_job *job)
{
	bool done = false;

	while (job->length < GZIP_PLAIN && inflate_some(inflater, job, &done))
		;
	if (job->error.set)
		return false;
	inflater->crc = gzip_crc(inflater->crc, job->room.out, job->length);
	inflater->size += (uint32_t)job->length;
	return !done || end_others(inflater, job);
}

/* Between two members: take the next, or begin it.  False: error, or the end. */
static bool
take_member(struct inflater *inflater, struct inflater_job *job)
{
	struct input *input = inflater->zip->input;
	const unsigned char *data;
	ssize_t n = input_peek(input, GZIP_HEADER, &data);
	bool ours;

	if (n == -1)
		return fault_read(inflater, &job->error);
	job->at = input->position;
	if (n == 0 && (!inflater->any || inflater->unfinished))
		return fault_text(inflater, job->at, &job->error, "unexpected end of file");
	if (n == 0)
		return false;
	ours = gzip_is_ours(data, (size_t)n);
	if (inflater->unfinished && !ours)
		return fault_text(inflater, job->at, &job->error,
		    "neither the next gzip member nor the last");
	if (!gzip_begins(data, (size_t)n))
		return take_padding(inflater, job);
	inflater->any = true;
	return ours ? take_ours(inflater, job, data) : begin_others(inflater, job);
}

static bool
inflater_take(void *context, void *argument)
{
	struct inflater *inflater = context;
	struct inflater_job *job = argument;
	uint64_t before = inflater->zip->input->position;

	if (inflater->ended)
		return false;
	job->error.set = false;
	job->ours = false;
	job->length = 0;
	inflater->ended = (!inflater->inside && !take_member(inflater, job)) ||
	    (inflater->inside && !take_others(inflater, job));
	job->taken = inflater->zip->input->position - before;
	return !inflater->ended || job->error.set;
}

static void
inflater_work(void *context, void *argument)
{
	struct inflater *inflater = context;
	struct inflater_job *job = argument;
	const unsigned char *data = job->room.in + GZIP_HEADER;
	struct error reason = { 0 };

	if (job->error.set || !job->ours)
		return;
	if (!codec_inflate(job->room.codec, data, job->member.data, job->room.out, job->length))
		error_set(&reason, "gzip member does not inflate to the %zu bytes that it says, "
		    "or does not end where it says", job->length);
	else
		gzip_trailer_check(data + job->member.data, gzip_crc(0, job->room.out, job->length),
		    (uint32_t)job->length, &reason);
	if (reason.set)
		fault(inflater, job->at, &job->error, &reason);
}

static bool
inflater_give(void *context, void *argument)
{
	struct inflater *inflater = context;
	struct inflater_job *job = argument;
	struct zip *zip = inflater->zip;

	/* What others' members gave before they broke off is passed on, as gunzip does. */
	if (job->error.set && job->ours)
		job->length = 0;
	if (zip->action != ZIP_TEST && !write_full(zip->output, job->room.out, job->length))
		return error_errno(&inflater->error, "standard output");
	zip->written += job->length;
	progress_add(job->taken);
	if (job->error.set)
		inflater->error = job->error;
	return !job->error.set;
}

static void
inflater_destroy(struct inflater *inflater)
{
	for (unsigned i = 0; i < pool_jobs(inflater->zip->threads); i++)
		zip_room_destroy(&inflater->jobs[i].room);
	inflateEnd(&inflater->z);
	free(inflater);
}

static bool
inflater_prepare(struct inflater *inflater)
{
	for (unsigned i = 0; i < pool_jobs(inflater->zip->threads); i++)
		if (!zip_room_create(&inflater->jobs[i].room,
		    GZIP_HEADER + GZIP_DATA_MAX + GZIP_TRAILER, GZIP_PLAIN))
			return false;
	errno = ENOMEM;
	return inflateInit2(&inflater->z, -MAX_WBITS) == Z_OK;
}

bool
inflater_run(struct zip *zip, struct error *error)
{
	static const struct pool_ops ops = {
		.take = inflater_take, .work = inflater_work, .give = inflater_give
	};
	struct inflater *inflater = calloc(1, sizeof(*inflater));
	bool done;

	if (inflater == NULL)
		return error_errno(error, "memory");
	zip->engine = inflater;
	inflater->zip = zip;
	done = inflater_prepare(inflater) ?
	    zip_run(zip, &ops, inflater, inflater->jobs, sizeof(inflater->jobs[0]), &inflater->error, error) :
	    error_errno(error, "memory");
	if (done || zip->threads == 1) {
		inflater_destroy(inflater);
		zip->engine = NULL;
	}
	return done;
}
