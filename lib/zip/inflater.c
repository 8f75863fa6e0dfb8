/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "base/bytes.h"
#include "base/io.h"
#include "show/progress.h"
#include "stream/container.h"
#include "zip/gzip.h"
#include "zip/zip.h"

/*
 * A member of ours goes to a thread as it is.  Members of others are inflated while they
 * are read, and their plain bytes go to a thread.
 */
struct inflater_job {
	struct zip_job common;		/* in: header, deflate data, trailer */
	bool ours;
	uint64_t at;			/* where it begins in the input, for messages */
	struct gzip_member member;
	size_t length;			/* plain bytes in out */
	uint64_t taken;			/* bytes of input, for progress */
};

struct inflater {
	struct zip_engine common;

	/* take's: */
	bool ended;
	bool any;			/* a member was seen */
	bool unfinished;		/* ours, and the last was not yet among them */
	uint64_t offset;		/* plain bytes of ours so far */
	bool inside;			/* a member of others */
	z_stream z;
	uint32_t crc, size;		/* of that member so far */
	uint64_t at;			/* where it begins */
};

static const struct zip_engine_ops inflater_ops;

static bool
fault(const struct inflater *inflater, uint64_t at, struct error *error,
    const struct error *reason)
{
	error_set(error, "%s: at byte %ju: %s", inflater->common.zip->input->name, (uintmax_t)at,
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
	const struct input *input = inflater->common.zip->input;

	return error_errno(error, "%s: at byte %ju", input->name, (uintmax_t)input->position);
}

/* Name other formats, and the program that decompresses them. */
static bool
fault_foreign(const struct inflater *inflater, uint64_t at, struct zip_job *job, size_t length)
{
	const struct container *container = container_find(job->out, length);
	char reason[128];

	if (container == NULL || container->unpack == NULL)
		return fault_text(inflater, at, &job->error, "neither gzip nor a block stream");
	snprintf(reason, sizeof(reason), "neither gzip nor a block stream but %s: use %s", container->name,
	    container->unpack);
	return fault_text(inflater, at, &job->error, reason);
}

/* After the last member only zeros may come up to the end, as on tapes and disks. */
static bool
take_padding(struct inflater *inflater, struct inflater_job *job)
{
	struct input *input = inflater->common.zip->input;
	uint64_t at = input->position;
	ssize_t n;

	for (;;) {
		n = input_read(input, job->common.out, GZIP_PLAIN);
		if (n == -1)
			return fault_read(inflater, &job->common.error);
		if (n == 0 && inflater->any)
			return false;
		if (inflater->any && !bytes_are_zero(job->common.out, (size_t)n))
			return fault_text(inflater, at, &job->common.error,
			    "trailing garbage: the rest is not gzip");
		if (!inflater->any && (n == 0 || !bytes_are_zero(job->common.out, (size_t)n)))
			return fault_foreign(inflater, at, &job->common, n > 0 ? (size_t)n : 0);
	}
}

/* Take a whole member of ours, as it is. */
static bool
take_ours(struct inflater *inflater, struct inflater_job *job, const unsigned char *header)
{
	struct input *input = inflater->common.zip->input;
	struct error reason = { 0 };
	size_t want;
	ssize_t n;

	if (!gzip_header_decode(&job->member, header, &reason))
		return fault(inflater, job->at, &job->common.error, &reason);
	if (job->member.offset != inflater->offset) {
		error_set(&reason, "gzip member of byte %ju where that of byte %ju should be",
		    (uintmax_t)job->member.offset, (uintmax_t)inflater->offset);
		return fault(inflater, job->at, &job->common.error, &reason);
	}
	want = GZIP_HEADER + job->member.data + GZIP_TRAILER;
	n = input_read(input, job->common.in, want);
	if (n == -1)
		return fault_read(inflater, &job->common.error);
	if ((size_t)n < want)
		return fault_text(inflater, input->position, &job->common.error,
		    "unexpected end of file");
	job->ours = true;
	job->length = load32(job->common.in + want - 4);
	if (job->length > GZIP_PLAIN || (job->length == 0) != job->member.last) {
		error_set(&reason, "gzip member of %zu plain bytes", job->length);
		return fault(inflater, job->at, &job->common.error, &reason);
	}
	inflater->unfinished = !job->member.last;
	inflater->offset = job->member.last ? 0 : inflater->offset + job->length;
	return true;
}

/* Begin a member of others. */
static bool
begin_others(struct inflater *inflater, struct inflater_job *job)
{
	struct error reason = { 0 };

	if (!gzip_header_skip(inflater->common.zip->input, &reason))
		return fault(inflater, job->at, &job->common.error, &reason);
	if (inflateReset(&inflater->z) != Z_OK)
		return fault_text(inflater, job->at, &job->common.error, "zlib");
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
	ssize_t n = input_read(inflater->common.zip->input, trailer, sizeof(trailer));

	inflater->inside = false;
	if (n == -1)
		return fault_read(inflater, &job->common.error);
	if (n < (ssize_t)sizeof(trailer))
		return fault_text(inflater, inflater->common.zip->input->position, &job->common.error,
		    "unexpected end of file");
	if (!gzip_trailer_check(trailer, inflater->crc, inflater->size, &reason))
		return fault(inflater, inflater->at, &job->common.error, &reason);
	return true;
}

/* Inflate the input that is at hand.  False: error, or *done and the member ended. */
static bool
inflate_some(struct inflater *inflater, struct inflater_job *job, bool *done)
{
	struct input *input = inflater->common.zip->input;
	z_stream *z = &inflater->z;
	const unsigned char *data;
	unsigned char dropped[INPUT_AHEAD];
	ssize_t n = input_peek(input, INPUT_AHEAD, &data);
	int status;

	if (n == -1)
		return fault_read(inflater, &job->common.error);
	if (n == 0)
		return fault_text(inflater, input->position, &job->common.error,
		    "unexpected end of file");
	z->next_in = (unsigned char *)data;
	z->avail_in = (unsigned)n;
	z->next_out = job->common.out + job->length;
	z->avail_out = (unsigned)(GZIP_PLAIN - job->length);
	status = inflate(z, Z_NO_FLUSH);
	job->length = GZIP_PLAIN - z->avail_out;
	if (input_read(input, dropped, (size_t)n - z->avail_in) == -1)
		return fault_read(inflater, &job->common.error);
	*done = status == Z_STREAM_END;
	if (*done || status == Z_OK || status == Z_BUF_ERROR)
		return !*done;
	return fault_text(inflater, input->position, &job->common.error,
	    status == Z_MEM_ERROR ? "no memory" : "invalid compressed data");
}

static bool
take_others(struct inflater *inflater, struct inflater_job *job)
{
	bool done = false;

	while (job->length < GZIP_PLAIN && inflate_some(inflater, job, &done))
		;
	if (job->common.error.set)
		return false;
	inflater->crc = gzip_crc(inflater->crc, job->common.out, job->length);
	inflater->size += (uint32_t)job->length;
	return !done || end_others(inflater, job);
}

/* Between two members: take the next, or begin it.  False: error, or the end. */
static bool
take_member(struct inflater *inflater, struct inflater_job *job)
{
	struct input *input = inflater->common.zip->input;
	const unsigned char *data;
	ssize_t n = input_peek(input, GZIP_HEADER, &data);
	bool ours;

	if (n == -1)
		return fault_read(inflater, &job->common.error);
	job->at = input->position;
	if (n == 0 && (!inflater->any || inflater->unfinished))
		return fault_text(inflater, job->at, &job->common.error, "unexpected end of file");
	if (n == 0)
		return false;
	ours = gzip_is_ours(data, (size_t)n);
	if (inflater->unfinished && !ours)
		return fault_text(inflater, job->at, &job->common.error,
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
	uint64_t before = inflater->common.zip->input->position;

	if (inflater->ended)
		return false;
	job->common.error.set = false;
	job->ours = false;
	job->length = 0;
	inflater->ended = (!inflater->inside && !take_member(inflater, job)) ||
	    (inflater->inside && !take_others(inflater, job));
	job->taken = inflater->common.zip->input->position - before;
	return !inflater->ended || job->common.error.set;
}

static void
inflater_work(void *context, void *argument)
{
	struct inflater *inflater = context;
	struct inflater_job *job = argument;
	const unsigned char *data = job->common.in + GZIP_HEADER;
	struct error reason = { 0 };

	if (job->common.error.set || !job->ours)
		return;
	if (!codec_inflate(job->common.codec, data, job->member.data, job->common.out, job->length))
		error_set(&reason, "gzip member does not inflate to the %zu bytes that it says, "
		    "or does not end where it says", job->length);
	else
		gzip_trailer_check(data + job->member.data, gzip_crc(0, job->common.out, job->length),
		    (uint32_t)job->length, &reason);
	if (reason.set)
		fault(inflater, job->at, &job->common.error, &reason);
}

static bool
inflater_give(void *context, void *argument)
{
	struct inflater *inflater = context;
	struct inflater_job *job = argument;
	struct zip *zip = inflater->common.zip;

	/* Bytes of others' members before they broke off are passed on, as gunzip does. */
	if (job->common.error.set && job->ours)
		job->length = 0;
	if (zip->action != ZIP_TEST && !write_full(zip->output, job->common.out, job->length))
		return error_errno(&inflater->common.error, "standard output");
	zip->written += job->length;
	progress_add(job->taken);
	if (job->common.error.set)
		inflater->common.error = job->common.error;
	return !job->common.error.set;
}

static bool
inflater_open(void *context, struct error *error)
{
	struct inflater *inflater = context;

	if (inflateInit2(&inflater->z, -MAX_WBITS) != Z_OK) {
		errno = ENOMEM;
		return error_errno(error, "memory");
	}
	return zip_jobs(&inflater->common, &inflater_ops,
	    GZIP_HEADER + GZIP_DATA_MAX + GZIP_TRAILER, GZIP_PLAIN, error);
}

static bool
inflater_all(void *context, struct error *error)
{
	return zip_run(context, &inflater_ops.pool, error);
}

static void
inflater_close(void *context)
{
	struct inflater *inflater = context;

	inflateEnd(&inflater->z);
}

static const struct zip_engine_ops inflater_ops = {
	.pool = { inflater_take, inflater_work, inflater_give },
	.size = sizeof(struct inflater), .job_size = sizeof(struct inflater_job),
	.open = inflater_open, .run = inflater_all, .close = inflater_close
};

bool
inflater_run(struct zip *zip, struct error *error)
{
	return zip_engine(zip, &inflater_ops, error);
}
