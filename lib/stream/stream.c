/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/size.h"
#include "hash/hash64.h"
#include "stream/codec.h"
#include "stream/container.h"
#include "stream/fault.h"
#include "stream/stream.h"

bool
stream_detect(struct input *input, bool *stream, struct error *error)
{
	const unsigned char *data;
	ssize_t n = input_peek(input, STREAM_MAGIC_SIZE, &data);

	if (n == -1)
		return error_errno(error, "%s: at byte 0", input->name);
	*stream = n == STREAM_MAGIC_SIZE && memcmp(data, STREAM_MAGIC, STREAM_MAGIC_SIZE) == 0;
	return true;
}

/* Read length bytes; an error names the byte of the stream and of the device. */
static bool
reader_fill(struct stream_reader *reader, uint64_t device, void *data, size_t length,
    struct error *error)
{
	struct input *input = reader->input;
	struct place place = { input->name, input->position, device };
	ssize_t n = input_read(input, data, length);

	if (n == -1)
		return fault_errno(error, place);
	place.at = input->position;
	reader->cut = (size_t)n < length;
	return !reader->cut || fault_cut(error, place);
}

static bool
fault_foreign(struct error *error, struct place place, const struct container *container)
{
	char reason[128];

	if (container == NULL)
		return fault_set(error, place, "not a block stream");
	snprintf(reason, sizeof(reason), "not a block stream but %s", container->name);
	return fault_set(error, place, reason);
}

bool
stream_open(struct stream_reader *reader, struct input *input, struct error *error)
{
	struct stream_header *header = &reader->header;
	struct place place = { input->name, 0, PLACE_HEADER };
	struct error reason = { 0 };
	const unsigned char *data;
	ssize_t n;

	memset(reader, 0, sizeof(*reader));
	reader->input = input;
	n = input_peek(input, STREAM_MAGIC_SIZE, &data);
	if (n == -1)
		return fault_errno(error, place);
	if (n == 0)
		return fault_set(error, place, "nothing came, not even a header");
	if (n < STREAM_MAGIC_SIZE || memcmp(data, STREAM_MAGIC, STREAM_MAGIC_SIZE) != 0)
		return fault_foreign(error, place, container_find(data, (size_t)n));
	if (!reader_fill(reader, 0, header->bytes, STREAM_HEADER_MIN, error))
		return false;
	if (header_decode(header, &reason) != VERDICT_GOOD || !codec_knows(header, &reason))
		return fault_set(error, place, reason.text);
	if (!reader_fill(reader, 0, header->bytes + STREAM_HEADER_MIN,
	    header->length - STREAM_HEADER_MIN, error))
		return false;
	place.at = STREAM_HEADER_MIN;
	if (!header_decode_rest(header, &reason))
		return fault_set(error, place, reason.text);
	order_start(&reader->order, header);
	return true;
}

struct place
stream_place(const struct stream_reader *reader, const struct record *record)
{
	return (struct place){ reader->input->name, reader->record_at,
	    record != NULL ? record->offset : reader->order.offset };
}

bool
stream_next_header(struct stream_reader *reader, struct record *record, struct error *error)
{
	unsigned char header[RECORD_SIZE];
	struct error reason = { 0 };
	struct place place;

	reader->record_at = reader->input->position;
	if (!reader_fill(reader, reader->order.offset, header, sizeof(header), error))
		return false;
	place = stream_place(reader, NULL);
	record->offset = SIZE_LIMIT + 1;
	if (record_decode(record, &reader->header, header, &reason) != VERDICT_GOOD) {
		/* Where the sum over it held, it is this record's byte that is wrong. */
		if (record->offset <= SIZE_LIMIT)
			place.device = record->offset;
		return fault_set(error, place, reason.text);
	}
	return order_check(&reader->order, record, &reason) || fault_set(error, place, reason.text);
}

bool
stream_next_payload(struct stream_reader *reader, const struct record *record,
    unsigned char *payload, struct error *error)
{
	struct error reason = { 0 };
	uint64_t sum;

	if (!reader_fill(reader, record->offset, payload, record->stored, error))
		return false;
	if (record->type == RECORD_DATA || record->type == RECORD_MAP)
		return true;
	sum = hash64(payload, record->stored);
	if (sum != record->sum || (uint32_t)sum != record->stored_sum) {
		error_set(&reason, "%s record with a wrong checksum", record_name(record->type));
		return fault_set(error, stream_place(reader, record), reason.text);
	}
	return true;
}

bool
stream_next(struct stream_reader *reader, struct record *record, unsigned char *payload,
    struct error *error)
{
	return stream_next_header(reader, record, error) &&
	    stream_next_payload(reader, record, payload, error);
}

bool
stream_finish(struct stream_reader *reader, const struct record *record,
    const unsigned char *payload, struct end_summary *end, struct error *error)
{
	struct input *input = reader->input;
	struct place place = { input->name, 0, PLACE_HEADER };
	struct error reason = { 0 };

	if (!end_decode(end, payload, record->stored, &reason) ||
	    !order_check_end(&reader->order, end, &reason)) {
		memset(end, 0, sizeof(*end));	/* nothing that it says counts */
		return fault_set(error, stream_place(reader, NULL), reason.text);
	}
	place.at = input->position;
	switch (input_finish(input, 1000)) {
	case 1:
		return fault_set(error, place, "bytes behind the END record");
	case -1:
		return fault_errno(error, place);
	default:
		return true;
	}
}

bool
stream_begin(struct stream_writer *writer, int fd, const struct stream_header *header)
{
	writer->fd = fd;
	writer->header = *header;
	order_start(&writer->order, &writer->header);
	pipe_widen(fd);
	return write_full(fd, writer->header.bytes, writer->header.length);
}

bool
stream_put_header(struct stream_writer *writer, struct record *record,
    unsigned char header[RECORD_SIZE])
{
	struct order *order = &writer->order;
	struct error wrong = { 0 };

	record->sequence = order->sequence;
	if (record->length == 0)
		record->offset = order->offset;
	if (!order_check(order, record, &wrong)) {
		errno = EPROTO;
		return false;
	}
	record_encode(record, writer->header.id, header);
	return true;
}

bool
stream_put(struct stream_writer *writer, struct record *record, const void *payload)
{
	unsigned char header[RECORD_SIZE];
	struct iovec vector[2] = {
		{ header, sizeof(header) },
		{ (void *)payload, record->stored },
	};

	return stream_put_header(writer, record, header) && writev_full(writer->fd, vector, 2);
}

static bool
stream_put_text(struct stream_writer *writer, enum record_type type, const char *text)
{
	size_t length = strnlen(text, RECORD_NOTE_MAX);
	struct record record = { .type = type, .stored = (uint32_t)length };

	record_seal(&record, text);
	return stream_put(writer, &record, text);
}

bool
stream_put_note(struct stream_writer *writer, const char *text)
{
	return stream_put_text(writer, RECORD_NOTE, text);
}

bool
stream_put_abort(struct stream_writer *writer, const char *text)
{
	return stream_put_text(writer, RECORD_ABORT, text);
}

bool
stream_put_end(struct stream_writer *writer, const struct end_summary *end)
{
	unsigned char payload[RECORD_END_SIZE];
	struct record record = { .type = RECORD_END, .stored = sizeof(payload) };

	end_encode(end, payload);
	record_seal(&record, payload);
	return stream_put(writer, &record, payload);
}

bool
stream_put_range(struct stream_writer *writer, enum record_type type, uint64_t offset,
    uint64_t length)
{
	struct record record = { .type = type, .offset = offset, .length = length };

	record_seal(&record, "");
	return stream_put(writer, &record, "");
}
