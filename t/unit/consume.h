/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * consume: apply a block stream as a program does, to memory instead of a device, with the
 * project's own reader.
 */
#ifndef CONSUME_H
#define CONSUME_H

#include <stdlib.h>

#include "base/io.h"
#include "hash/blk128.h"
#include "hash/hash64.h"
#include "stream/codec.h"
#include "stream/stream.h"
#include "streams.h"

struct consumer {
	unsigned char *device;		/* capacity bytes */
	uint64_t capacity;
	unsigned char *hashes;		/* of a map: 32 bytes for each 4 KiB of capacity */
	struct stream_reader reader;
	struct codec *codec;
	unsigned char *payload, *out;
	struct end_summary end;
	struct error error;
};

static inline bool
consume_fail(struct consumer *consumer, const struct record *record, const char *why)
{
	struct error reason = { 0 };

	error_set(&reason, "%s", why);
	return fault_set(&consumer->error, stream_place(&consumer->reader, record), reason.text);
}

/* Whether the device holds the old or new data of the record.  *skip: it is new already. */
static inline bool
consume_check_old(struct consumer *consumer, const struct record *record,
    const unsigned char *plain, bool *skip)
{
	const unsigned char *device = consumer->device + record->offset;
	unsigned char *hashes;
	uint64_t old;

	*skip = false;
	if (record->flags == 0)
		return true;
	if (record->flags == RECORD_OLD_BYTES)
		old = hash64(device, record->length);
	else {
		hashes = malloc((record->length / STREAM_GRID_MIN + 1) * 32);
		if (hashes == NULL)
			err(2, NULL);
		old = hash64(hashes, streams_hashes(&consumer->reader.header, device, record->length,
		    hashes));
		free(hashes);
	}
	if (old == record->old)
		return true;
	*skip = true;
	return plain != NULL ? memcmp(device, plain, record->length) == 0 :
	    bytes_are_zero(device, record->length);
}

/* Hashes of a map, or the hashes of zeros for a ZERO in one. */
static inline void
consume_map(struct consumer *consumer, const struct record *record, const unsigned char *plain)
{
	const struct stream_header *header = &consumer->reader.header;
	size_t size = header->hash == STREAM_SHA256 ? 32 : BLK128_SIZE;
	uint64_t blocks = record->length / header->grid + (record->length % header->grid != 0);
	unsigned char *to = consumer->hashes + record->offset / header->grid * size;

	if (plain != NULL)
		memcpy(to, plain, blocks * size);
	else
		memset(to, 0, blocks * size);
}

static inline bool
consume_range(struct consumer *consumer, const struct record *record)
{
	const unsigned char *plain = NULL;
	struct error reason = { 0 };
	bool skip;

	if (record->offset > consumer->capacity || record->length > consumer->capacity - record->offset)
		return consume_fail(consumer, record, "the target is too small");
	if (record->type == RECORD_BAD)
		return true;
	if (record->type != RECORD_ZERO && !codec_unpack(consumer->codec, record,
	    &consumer->reader.header, consumer->payload, consumer->out, &plain, &reason))
		return fault_set(&consumer->error, stream_place(&consumer->reader, record), reason.text);
	if (consumer->reader.header.kind == STREAM_MAP) {
		consume_map(consumer, record, plain);
		return true;
	}
	if (!consume_check_old(consumer, record, plain, &skip))
		return consume_fail(consumer, record, "the target holds neither old nor new");
	if (skip)
		return true;
	if (plain != NULL)
		memcpy(consumer->device + record->offset, plain, record->length);
	else
		memset(consumer->device + record->offset, 0, record->length);
	return true;
}

static inline bool
consume_end(struct consumer *consumer, const struct record *record)
{
	enum stream_kind kind = consumer->reader.header.kind;
	struct end_summary *end = &consumer->end;
	unsigned char digest[BLK128_SIZE];

	if (!stream_finish(&consumer->reader, record, consumer->payload, end, &consumer->error))
		return false;
	if (end->size > consumer->capacity)
		return consume_fail(consumer, record, "the target is too small");
	if ((kind != STREAM_IMAGE && kind != STREAM_DELTA) || bytes_are_zero(end->digest, BLK128_SIZE))
		return true;
	streams_digest(consumer->device, end->size, digest);
	if (memcmp(digest, end->digest, BLK128_SIZE) != 0)
		return consume_fail(consumer, record, "the digest disagrees");
	return true;
}

static inline bool
consume_records(struct consumer *consumer)
{
	struct record record;

	for (;;) {
		if (!stream_next(&consumer->reader, &record, consumer->payload, &consumer->error))
			return false;
		if (record.type == RECORD_END)
			return consume_end(consumer, &record);
		if (record.type == RECORD_ABORT)
			return consume_fail(consumer, &record, "the source gave up");
		if (record.length > 0 && !consume_range(consumer, &record))
			return false;
	}
}

/* Apply the stream at fd to the device.  False: consumer->error says why. */
static inline bool
consume(struct consumer *consumer, int fd)
{
	struct input *input = malloc(sizeof(*input));
	const struct stream_header *header = &consumer->reader.header;
	uint32_t payload_max;
	bool ok = false;

	memset(&consumer->error, 0, sizeof(consumer->error));
	input_open(input, fd, -1, "stream");
	if (stream_open(&consumer->reader, input, &consumer->error)) {
		payload_max = header->payload_max > RECORD_NOTE_MAX ? header->payload_max : RECORD_NOTE_MAX;
		consumer->payload = malloc(payload_max);
		consumer->out = malloc(header->payload_max);
		consumer->codec = codec_create();
		if (consumer->payload == NULL || consumer->out == NULL || consumer->codec == NULL)
			err(2, NULL);
		ok = header->size != STREAM_UNKNOWN && header->size > consumer->capacity ?
		    consume_fail(consumer, NULL, "the target is too small") : consume_records(consumer);
		codec_destroy(consumer->codec);
		free(consumer->payload);
		free(consumer->out);
	}
	free(input);
	return ok;
}

#endif
