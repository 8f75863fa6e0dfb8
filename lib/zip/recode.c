/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "hash/blk128.h"
#include "show/progress.h"
#include "stream/stream.h"
#include "zip/relay.h"
#include "zip/zip.h"

/* One record on its way; or, with an error, the first that is broken or did not come. */
struct recode_job {
	struct zip_job common;
	struct record record;
	uint64_t at;			/* the stream's byte where it begins */
	int level;
	const unsigned char *payload;	/* in in or out */
	unsigned char hashes[BLK128_BLOCKS(STREAM_PAYLOAD_MAX) * BLK128_SIZE];	/* for a test */
	struct end_summary end;
};

struct recode {
	struct zip_engine common;
	struct stream_reader reader;
	struct stream_writer writer;
	struct blk128 *digest;		/* of the device in the stream; NULL if not computed */
	struct relay relay;
	bool ended;			/* take has seen the last record */
};

static const struct zip_engine_ops recode_ops;

static bool
is_packed_type(const struct record *record)
{
	return record->type == RECORD_DATA || record->type == RECORD_MAP;
}

/* True while payloads are passed on by relay, and not by the pool. */
static bool
recode_relays(const struct recode *recode)
{
	return recode->relay.usable && load_stores(recode->common.zip->load);
}

/* The progress of a record in bytes: of the device, or for a delta of the data sent. */
static uint64_t
recode_advance(const struct recode *recode, const struct record *record)
{
	enum stream_kind kind = recode->reader.header.kind;

	if (kind == STREAM_IMAGE || kind == STREAM_MAP)
		return record->type == RECORD_BAD ? 0 : record->length;
	return record->type == RECORD_DATA ? record->length : 0;
}

static struct place
job_place(const struct recode *recode, const struct recode_job *job)
{
	return (struct place){ recode->common.zip->input->name, job->at, job->record.offset };
}

/* A record was read, or could not be. */
static void
job_taken(struct recode *recode, struct recode_job *job, bool read)
{
	struct record *record = &job->record;

	recode->ended = !read || record->type == RECORD_END || record->type == RECORD_ABORT;
	job->at = recode->reader.record_at;
	if (!read)
		record->type = RECORD_NOTE;	/* it is not passed on */
	else if (record->type == RECORD_END)
		stream_finish(&recode->reader, record, job->common.in, &job->end, &job->common.error);
	else if (record->type == RECORD_ABORT)
		fault_aborted(&job->common.error, job_place(recode, job), job->common.in, record->stored);
}

static bool
recode_take(void *context, void *argument)
{
	struct recode *recode = context;
	struct recode_job *job = argument;
	struct zip *zip = recode->common.zip;
	struct load_mark mark;
	bool read;

	if (recode->ended || recode_relays(recode))
		return false;
	job->common.error.set = false;
	job->payload = job->common.in;
	job->level = load_level(zip->load, zip->level);
	load_begins(zip->load, &mark);
	read = stream_next(&recode->reader, &job->record, job->common.in, &job->common.error);
	load_waited_to_read(zip->load, &mark);
	job_taken(recode, job, read);
	return true;
}

/* Compress a plain payload; of a compressed one only check the sum. */
static bool
job_pack(struct recode_job *job, enum record_codec method, const struct stream_header *header,
    struct error *error)
{
	struct record *record = &job->record;

	if (record->codec != RECORD_STORED)
		return codec_check_stored(record, job->common.in, error);
	if (!codec_unpack(job->common.codec, record, header, job->common.in, job->common.out,
	    &job->payload, error))
		return false;
	if (job->level > 0)
		job->payload = codec_pack(job->common.codec, method, job->level, record, job->common.in,
		    job->common.out);
	return true;
}

static bool
job_unpack(struct recode_job *job, const struct stream_header *header, struct error *error)
{
	struct record *record = &job->record;

	if (!codec_unpack(job->common.codec, record, header, job->common.in, job->common.out,
	    &job->payload, error))
		return false;
	record->codec = RECORD_STORED;
	record->stored = (uint32_t)record_plain_size(record, header);
	record->stored_sum = (uint32_t)record->sum;
	return true;
}

static void
recode_work(void *context, void *argument)
{
	struct recode *recode = context;
	struct recode_job *job = argument;
	const struct stream_header *header = &recode->reader.header;
	struct error reason = { 0 };
	struct load_mark mark;

	if (job->common.error.set || !is_packed_type(&job->record))
		return;
	load_begins(recode->common.zip->load, &mark);
	if (recode->common.zip->action == ZIP_COMPRESS ?
	    !job_pack(job, recode->common.zip->method, header, &reason) :
	    !job_unpack(job, header, &reason)) {
		fault_set(&job->common.error, job_place(recode, job), reason.text);
		return;
	}
	if (recode->digest != NULL && job->record.type == RECORD_DATA)
		blk128_blocks(job->payload, job->record.stored, job->hashes);
	load_worked(recode->common.zip->load, &mark);
}

static bool
recode_put(struct recode *recode, struct recode_job *job)
{
	struct zip *zip = recode->common.zip;
	struct record *record = &job->record;
	struct load_mark mark;

	load_begins(zip->load, &mark);
	if (!stream_put(&recode->writer, record, job->payload))
		return error_errno(&recode->common.error, "standard output");
	load_waited_to_write(zip->load, &mark);
	if (is_packed_type(record))
		load_written(zip->load, record->codec == RECORD_STORED ? 0 : job->level,
		    (size_t)record_plain_size(record, &recode->reader.header), record->stored);
	zip->written += RECORD_SIZE + record->stored;
	return true;
}

/* Compare END's digest with that of the records. */
static bool
recode_check_digest(struct recode *recode, struct recode_job *job)
{
	struct error reason = { 0 };

	return blk128_check(recode->digest, job->end.digest, &reason) ||
	    fault_set(&job->common.error, job_place(recode, job), reason.text);
}

/* Add a record to the digest; the payload of a map is the hashes themselves. */
static bool
recode_test(struct recode *recode, struct recode_job *job)
{
	const struct record *record = &job->record;

	if (recode->digest == NULL)
		return true;
	switch (record->type) {
	case RECORD_DATA:
		blk128_add(recode->digest, job->hashes, record->length);
		return true;
	case RECORD_MAP:
		blk128_add(recode->digest, job->payload, record->length);
		return true;
	case RECORD_ZERO:
		blk128_add_zeros(recode->digest, record->length);
		return true;
	case RECORD_END:
		return recode_check_digest(recode, job);
	default:
		return true;
	}
}

/* The next stage must not take a broken stream for a whole one. */
static void
recode_abort(struct recode *recode, struct recode_job *job)
{
	char text[sizeof(job->common.error.text) + 16];

	recode->common.error = job->common.error;
	if (recode->common.zip->action == ZIP_TEST)
		return;
	if (job->record.type == RECORD_ABORT) {
		(void)stream_put(&recode->writer, &job->record, job->common.in);
		return;
	}
	snprintf(text, sizeof(text), "blkzip: %s", job->common.error.text);
	(void)stream_put_abort(&recode->writer, text);
}

static bool
recode_give(void *context, void *argument)
{
	struct recode *recode = context;
	struct recode_job *job = argument;

	if (!job->common.error.set && recode->common.zip->action == ZIP_TEST)
		(void)recode_test(recode, job);
	if (job->common.error.set) {
		recode_abort(recode, job);
		return false;
	}
	if (recode->common.zip->action != ZIP_TEST && !recode_put(recode, job))
		return false;
	if (job->record.type == RECORD_END)
		recode->common.zip->plain = recode->reader.header.kind == STREAM_IMAGE ? job->end.size : job->end.data;
	progress_add(recode_advance(recode, &job->record));
	return true;
}

/* Pass on a record whose header was read, its payload unseen. */
static bool
recode_relay_record(struct recode *recode, const struct record *record)
{
	struct zip *zip = recode->common.zip;
	struct record copy = *record;
	unsigned char header[RECORD_SIZE];
	struct place place;
	ssize_t n = -1;

	if (stream_put_header(&recode->writer, &copy, header))
		n = relay_pass(&recode->relay, header, sizeof(header), record->stored);
	place = (struct place){ zip->input->name, zip->input->position, record->offset };
	if (n == -1)
		return fault_errno(&recode->common.error, place);
	if (n < record->stored)
		return fault_cut(&recode->common.error, place);
	load_written(zip->load, 0, (size_t)record_plain_size(record, &recode->reader.header),
	    record->stored);
	zip->written += RECORD_SIZE + record->stored;
	progress_add(recode_advance(recode, record));
	return true;
}

/* On this thread, until there is something to compress again. */
static bool
recode_relay(struct recode *recode)
{
	struct recode_job *job = recode->common.jobs[0];
	struct record *record = &job->record;
	struct zip *zip = recode->common.zip;
	struct load_mark mark;
	bool read;

	while (!recode->ended && load_stores(zip->load)) {
		job->common.error.set = false;
		job->payload = job->common.in;
		load_begins(zip->load, &mark);
		read = stream_next_header(&recode->reader, record, &job->common.error);
		load_waited_to_read(zip->load, &mark);
		if (read && is_packed_type(record)) {
			if (!recode_relay_record(recode, record))
				return false;
			continue;
		}
		read = read && stream_next_payload(&recode->reader, record, job->common.in, &job->common.error);
		job_taken(recode, job, read);
		if (!recode_give(recode, job))
			return false;
	}
	return true;
}

/* The digest of the device can be computed from an image, and from a map of the same hashes. */
static bool
digest_applies(const struct stream_header *header)
{
	return header->kind == STREAM_IMAGE || (header->kind == STREAM_MAP &&
	    header->grid == BLK128_BLOCK && header->hash == STREAM_XXH3_128);
}

/* The output requires zstd if we add it, and no longer once we decompress everything. */
static bool
recode_begin(struct recode *recode)
{
	struct stream_header header = recode->reader.header;
	const struct zip *zip = recode->common.zip;

	if (zip->action == ZIP_DECOMPRESS)
		header_require(&header, header.required & ~(uint64_t)STREAM_REQUIRED_ZSTD);
	else if (zip->method == RECORD_ZSTD && zip->level > 0)
		header_require(&header, header.required | STREAM_REQUIRED_ZSTD);
	return stream_begin(&recode->writer, zip->output, &header);
}

/* Begin the output, or what is needed to test the input. */
static bool
recode_prepare(struct recode *recode, struct error *error)
{
	struct zip *zip = recode->common.zip;
	const struct stream_header *header = &recode->reader.header;

	if (zip->action == ZIP_TEST) {
		if (digest_applies(header) && (recode->digest = blk128_create()) == NULL)
			return error_errno(error, "digest");
		return true;
	}
	if (!recode_begin(recode))
		return error_errno(error, "standard output");
	zip->written = header->length;
	if (zip->load != NULL && zip->action == ZIP_COMPRESS)
		relay_open(&recode->relay, zip->input, zip->output, zip->load);
	return true;
}

/* Read the header, and allocate the jobs for the payloads that it announces. */
static bool
recode_open(void *context, struct error *error)
{
	struct recode *recode = context;
	const struct stream_header *header = &recode->reader.header;
	size_t room;

	if (!stream_open(&recode->reader, recode->common.zip->input, error))
		return false;
	room = header->payload_max < RECORD_NOTE_MAX ? RECORD_NOTE_MAX : header->payload_max;
	progress_total(header->kind == STREAM_IMAGE || header->kind == STREAM_MAP ?
	    header->size : header->data);
	return zip_jobs(&recode->common, &recode_ops, room, room, error) &&
	    recode_prepare(recode, error);
}

/* By relay and by the pool, in turns. */
static bool
recode_all(void *context, struct error *error)
{
	struct recode *recode = context;

	while (!recode->ended) {
		if (recode_relays(recode) && !recode_relay(recode)) {
			*error = recode->common.error;
			return false;
		}
		if (!zip_run(&recode->common, &recode_ops.pool, error))
			return false;
	}
	return true;
}

static void
recode_close(void *context)
{
	struct recode *recode = context;

	blk128_destroy(recode->digest);
	relay_close(&recode->relay);
}

static const struct zip_engine_ops recode_ops = {
	.pool = { recode_take, recode_work, recode_give },
	.size = sizeof(struct recode), .job_size = sizeof(struct recode_job),
	.open = recode_open, .run = recode_all, .close = recode_close
};

bool
recode_run(struct zip *zip, struct error *error)
{
	return zip_engine(zip, &recode_ops, error);
}
