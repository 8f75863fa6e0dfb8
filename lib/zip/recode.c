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

/* One record on its way.  Where it is broken, or the first not to come, error says so. */
struct recode_job {
	struct record record;
	uint64_t at;			/* the stream's byte where it begins */
	int level;
	struct zip_room room;
	const unsigned char *payload;	/* in the room */
	unsigned char hashes[BLK128_BLOCKS(STREAM_PAYLOAD_MAX) * BLK128_SIZE];	/* for a test */
	struct end_summary end;
	struct error error;
};

struct recode {
	struct zip *zip;
	struct stream_reader reader;
	struct stream_writer writer;
	struct blk128 *digest;		/* of the device in the stream; NULL where not computed */
	struct recode_job jobs[ZIP_JOBS];
	struct relay relay;
	bool ended;			/* take has seen the last record */
	struct error error;
};

static bool
is_packed_type(const struct record *record)
{
	return record->type == RECORD_DATA || record->type == RECORD_MAP;
}

/* True while payloads are passed on by relay, and not by the pool. */
static bool
recode_relays(const struct recode *recode)
{
	return recode->relay.usable && load_stores(recode->zip->load);
}

/* Bytes of progress that a record is worth: the device's, of deltas those that are sent. */
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
	return (struct place){ recode->zip->input->name, job->at, job->record.offset };
}

/* A record is there, or could not be read. */
static void
job_taken(struct recode *recode, struct recode_job *job, bool read)
{
	struct record *record = &job->record;

	recode->ended = !read || record->type == RECORD_END || record->type == RECORD_ABORT;
	job->at = recode->reader.record_at;
	if (!read)
		record->type = RECORD_NOTE;	/* whatever it was, it is not passed on */
	else if (record->type == RECORD_END)
		stream_finish(&recode->reader, record, job->room.in, &job->end, &job->error);
	else if (record->type == RECORD_ABORT)
		fault_aborted(&job->error, job_place(recode, job), job->room.in, record->stored);
}

static bool
recode_take(void *context, void *argument)
{
	struct recode *recode = context;
	struct recode_job *job = argument;
	struct zip *zip = recode->zip;
	struct load_mark mark;
	bool read;

	if (recode->ended || recode_relays(recode))
		return false;
	job->error.set = false;
	job->payload = job->room.in;
	job->level = load_level(zip->load, zip->level);
	load_begins(zip->load, &mark);
	read = stream_next(&recode->reader, &job->record, job->room.in, &job->error);
	load_waited_to_read(zip->load, &mark);
	job_taken(recode, job, read);
	return true;
}

/* Compress what is plain; of what is compressed already only the sum is checked. */
static bool
job_pack(struct recode_job *job, enum record_codec method, const struct stream_header *header,
    struct error *error)
{
	struct record *record = &job->record;

	if (record->codec != RECORD_STORED)
		return codec_check_stored(record, job->room.in, error);
	if (!codec_unpack(job->room.codec, record, header, job->room.in, job->room.out,
	    &job->payload, error))
		return false;
	if (job->level > 0)
		job->payload = codec_pack(job->room.codec, method, job->level, record, job->room.in,
		    job->room.out);
	return true;
}

static bool
job_unpack(struct recode_job *job, const struct stream_header *header, struct error *error)
{
	struct record *record = &job->record;

	if (!codec_unpack(job->room.codec, record, header, job->room.in, job->room.out,
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

	if (job->error.set || !is_packed_type(&job->record))
		return;
	load_begins(recode->zip->load, &mark);
	if (recode->zip->action == ZIP_COMPRESS ?
	    !job_pack(job, recode->zip->method, header, &reason) :
	    !job_unpack(job, header, &reason)) {
		fault_set(&job->error, job_place(recode, job), reason.text);
		return;
	}
	if (recode->digest != NULL && job->record.type == RECORD_DATA)
		blk128_blocks(job->payload, job->record.stored, job->hashes);
	load_worked(recode->zip->load, &mark);
}

static bool
recode_put(struct recode *recode, struct recode_job *job)
{
	struct zip *zip = recode->zip;
	struct record *record = &job->record;
	struct load_mark mark;

	load_begins(zip->load, &mark);
	if (!stream_put(&recode->writer, record, job->payload))
		return error_errno(&recode->error, "standard output");
	load_waited_to_write(zip->load, &mark);
	if (is_packed_type(record))
		load_written(zip->load, record->codec == RECORD_STORED ? 0 : job->level,
		    (size_t)record_plain_size(record, &recode->reader.header), record->stored);
	zip->written += RECORD_SIZE + record->stored;
	return true;
}

/* Whether END's digest is that of the records that came. */
static bool
recode_check_digest(struct recode *recode, struct recode_job *job)
{
	struct error reason = { 0 };

	return blk128_check(recode->digest, job->end.digest, &reason) ||
	    fault_set(&job->error, job_place(recode, job), reason.text);
}

/* A map's payload are the hashes themselves. */
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

/* The reader behind us must not take a broken stream for a whole one. */
static void
recode_abort(struct recode *recode, struct recode_job *job)
{
	char text[sizeof(job->error.text) + 16];

	recode->error = job->error;
	if (recode->zip->action == ZIP_TEST)
		return;
	if (job->record.type == RECORD_ABORT) {
		(void)stream_put(&recode->writer, &job->record, job->room.in);
		return;
	}
	snprintf(text, sizeof(text), "blkzip: %s", job->error.text);
	(void)stream_put_abort(&recode->writer, text);
}

static bool
recode_give(void *context, void *argument)
{
	struct recode *recode = context;
	struct recode_job *job = argument;

	if (!job->error.set && recode->zip->action == ZIP_TEST)
		(void)recode_test(recode, job);
	if (job->error.set) {
		recode_abort(recode, job);
		return false;
	}
	if (recode->zip->action != ZIP_TEST && !recode_put(recode, job))
		return false;
	progress_add(recode_advance(recode, &job->record));
	return true;
}

/* A record whose header was read: pass it on as it is, its payload unseen. */
static bool
recode_relay_record(struct recode *recode, const struct record *record)
{
	struct zip *zip = recode->zip;
	struct record copy = *record;
	unsigned char header[RECORD_SIZE];
	struct place place;
	ssize_t n = -1;

	if (stream_put_header(&recode->writer, &copy, header))
		n = relay_pass(&recode->relay, header, sizeof(header), record->stored);
	place = (struct place){ zip->input->name, zip->input->position, record->offset };
	if (n == -1)
		return fault_errno(&recode->error, place);
	if (n < record->stored)
		return fault_cut(&recode->error, place);
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
	struct recode_job *job = &recode->jobs[0];
	struct record *record = &job->record;
	struct zip *zip = recode->zip;
	struct load_mark mark;
	bool read;

	while (!recode->ended && load_stores(zip->load)) {
		job->error.set = false;
		job->payload = job->room.in;
		load_begins(zip->load, &mark);
		read = stream_next_header(&recode->reader, record, &job->error);
		load_waited_to_read(zip->load, &mark);
		if (read && is_packed_type(record)) {
			if (!recode_relay_record(recode, record))
				return false;
			continue;
		}
		read = read && stream_next_payload(&recode->reader, record, job->room.in, &job->error);
		job_taken(recode, job, read);
		if (!recode_give(recode, job))
			return false;
	}
	return true;
}

static void
recode_destroy(struct recode *recode)
{
	for (unsigned i = 0; i < pool_jobs(recode->zip->threads); i++)
		zip_room_destroy(&recode->jobs[i].room);
	blk128_destroy(recode->digest);
	relay_close(&recode->relay);
	free(recode);
}

/* The digest of the device can be computed from an image, and from a map of the same hashes. */
static bool
digest_applies(const struct stream_header *header)
{
	return header->kind == STREAM_IMAGE || (header->kind == STREAM_MAP &&
	    header->grid == BLK128_BLOCK && header->hash == STREAM_XXH3_128);
}

/* What comes out needs zstd from where it is put in to where all is decompressed. */
static bool
recode_begin(struct recode *recode)
{
	struct stream_header header = recode->reader.header;
	const struct zip *zip = recode->zip;

	if (zip->action == ZIP_DECOMPRESS)
		header_require(&header, header.required & ~(uint64_t)STREAM_REQUIRED_ZSTD);
	else if (zip->method == RECORD_ZSTD && zip->level > 0)
		header_require(&header, header.required | STREAM_REQUIRED_ZSTD);
	return stream_begin(&recode->writer, zip->output, &header);
}

/* Read the header, and make room for what it announces. */
static bool
recode_open(struct recode *recode, struct error *error)
{
	struct zip *zip = recode->zip;
	const struct stream_header *header = &recode->reader.header;
	size_t room;

	if (!stream_open(&recode->reader, zip->input, error))
		return false;
	room = header->payload_max < RECORD_NOTE_MAX ? RECORD_NOTE_MAX : header->payload_max;
	for (unsigned i = 0; i < pool_jobs(zip->threads); i++)
		if (!zip_room_create(&recode->jobs[i].room, room, room))
			return error_errno(error, "%u jobs of 2 * %zu bytes", pool_jobs(zip->threads), room);
	if (zip->action == ZIP_TEST && digest_applies(header)) {
		recode->digest = blk128_create();
		if (recode->digest == NULL)
			return error_errno(error, "digest");
	}
	progress_total(header->kind == STREAM_IMAGE || header->kind == STREAM_MAP ?
	    header->size : header->data);
	if (zip->action == ZIP_TEST)
		return true;
	if (!recode_begin(recode))
		return error_errno(error, "standard output");
	zip->written = header->length;
	if (zip->load != NULL && zip->action == ZIP_COMPRESS)
		relay_open(&recode->relay, zip->input, zip->output, zip->load);
	return true;
}

/* By relay and by the pool, in turns. */
static bool
recode_all(struct recode *recode, struct error *error)
{
	static const struct pool_ops ops = {
		.take = recode_take, .work = recode_work, .give = recode_give
	};

	while (!recode->ended) {
		if (recode_relays(recode) && !recode_relay(recode)) {
			*error = recode->error;
			return false;
		}
		if (!zip_run(recode->zip, &ops, recode, recode->jobs, sizeof(recode->jobs[0]),
		    &recode->error, error))
			return false;
	}
	return true;
}

bool
recode_run(struct zip *zip, struct error *error)
{
	struct recode *recode = calloc(1, sizeof(*recode));
	bool done;

	if (recode == NULL)
		return error_errno(error, "memory");
	zip->engine = recode;
	recode->zip = zip;
	done = recode_open(recode, error) && recode_all(recode, error);
	if (done || zip->threads == 1) {
		recode_destroy(recode);
		zip->engine = NULL;
	}
	return done;
}
