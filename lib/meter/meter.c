/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "hash/hash64.h"
#include "meter/meter.h"
#include "stream/fault.h"

/* Relaxed: each number is read on its own, to be displayed. */
static void
publish(atomic_uint_fast64_t *where, uint64_t value)
{
	atomic_store_explicit(where, value, memory_order_relaxed);
}

static void
wire_add(struct meter *meter, uint64_t length)
{
	publish(&meter->wire, atomic_load_explicit(&meter->wire, memory_order_relaxed) + length);
}

static uint64_t
wire_bytes(const struct meter *meter)
{
	return atomic_load_explicit(&meter->wire, memory_order_relaxed);
}

void
meter_open(struct meter *meter, const char *name, bool plain)
{
	memset(meter, 0, sizeof(*meter));
	meter->name = name;
	meter->state = plain ? METER_PLAIN : METER_HEADER;
	publish(&meter->size, METER_UNKNOWN);
	publish(&meter->data_total, METER_UNKNOWN);
	publish(&meter->compared_total, METER_UNKNOWN);
}

/* The stream is bad: record it once, and treat the rest as plain bytes. */
static void
meter_fail(struct meter *meter, enum meter_fault kind, uint64_t at, const char *reason)
{
	if (meter->fault.set)
		return;
	fault_set(&meter->fault, (struct place){ meter->name, at, meter->device }, reason);
	atomic_store(&meter->fault_kind, kind);
}

/* The rest is plain bytes, in an unknown number. */
static void
meter_plain(struct meter *meter)
{
	meter->state = METER_PLAIN;
	atomic_store(&meter->kind, 0);
	publish(&meter->size, METER_UNKNOWN);
	publish(&meter->data_total, METER_UNKNOWN);
	publish(&meter->compared_total, METER_UNKNOWN);
}

static void
meter_break(struct meter *meter, const char *reason)
{
	meter_fail(meter, METER_BROKEN, meter->at, reason);
	meter_plain(meter);
}

static void
meter_give_up(struct meter *meter, const char *reason)
{
	fault_set(&meter->foreign, (struct place){ meter->name, meter->at, PLACE_HEADER }, reason);
	meter_plain(meter);
}

size_t
meter_wants(const struct meter *meter)
{
	switch (meter->state) {
	case METER_HEADER:
		if (meter->have < STREAM_MAGIC_SIZE)
			return STREAM_MAGIC_SIZE - meter->have;
		if (meter->have < STREAM_HEADER_MIN)
			return STREAM_HEADER_MIN - meter->have;
		return meter->header.length - meter->have;
	case METER_RECORD:
		return RECORD_SIZE - meter->have;
	case METER_PAYLOAD:
		if (meter->record.type == RECORD_END || meter->record.type == RECORD_ABORT ||
		    (meter->record.type == RECORD_NOTE && meter->header.kind == STREAM_DELTA))
			return (size_t)meter->left;
		return 0;
	default:
		return 0;
	}
}

uint64_t
meter_passes(const struct meter *meter)
{
	return meter->state == METER_PAYLOAD ? meter->left : UINT64_MAX;
}

static void
meter_next_record(struct meter *meter)
{
	meter->state = METER_RECORD;
	meter->at = wire_bytes(meter);
	meter->have = 0;
}

/* Meter a newer format as plain bytes; report damage. */
static void
meter_judge(struct meter *meter, enum verdict verdict, const char *reason)
{
	if (verdict == VERDICT_FOREIGN)
		meter_give_up(meter, reason);
	else
		meter_break(meter, reason);
}

/* More of the header has come; only its first part gives its length. */
static void
header_seen(struct meter *meter)
{
	struct stream_header *header = &meter->header;
	enum verdict verdict = VERDICT_GOOD;
	struct error error = { 0 };
	size_t magic = meter->have < STREAM_MAGIC_SIZE ? meter->have : STREAM_MAGIC_SIZE;

	if (memcmp(header->bytes, STREAM_MAGIC, magic) != 0) {
		meter->state = METER_PLAIN;
		return;
	}
	if (meter->have == STREAM_HEADER_MIN)
		verdict = header_decode(header, &error);
	if (verdict != VERDICT_GOOD) {
		meter_judge(meter, verdict, error.text);
		return;
	}
	if (meter->have < STREAM_HEADER_MIN || meter->have < header->length)
		return;
	if (!header_decode_rest(header, &error)) {
		meter_break(meter, error.text);
		return;
	}
	order_start(&meter->order, header);
	publish(&meter->size, header->size);
	publish(&meter->data_total, header->data);
	atomic_store(&meter->kind, header->kind);
	meter_next_record(meter);
}

/* Publish the position, with meter->left bytes of this record's payload still to come. */
static void
record_publish(struct meter *meter)
{
	const struct record *record = &meter->record;
	uint64_t end = record->offset + record->length, done = record->length;

	if (record->type == RECORD_ZERO) {
		publish(&meter->zero, meter->order.zero);
		publish(&meter->position, end);
	} else if (record->type == RECORD_DATA || record->type == RECORD_MAP) {
		if (meter->left > 0)
			done = (uint64_t)((unsigned __int128)record->length *
			    (record->stored - meter->left) / record->stored);
		publish(&meter->data, meter->data_before + done);
		publish(&meter->position, record->offset + done);
	} else if (record->type == RECORD_BAD)
		publish(&meter->position, meter->order.offset);
}

/* END gives the size of the device if the header could not. */
static void
end_seen(struct meter *meter)
{
	const struct record *record = &meter->record;
	uint64_t sum = hash64(meter->bytes, record->stored);
	struct end_summary end;
	struct error error = { 0 };

	if (sum != record->sum)
		meter_break(meter, "END record with a wrong checksum");
	else if (!end_decode(&end, meter->bytes, record->stored, &error) ||
	    !order_check_end(&meter->order, &end, &error))
		meter_break(meter, error.text);
	else {
		publish(&meter->size, end.size);
		publish(&meter->position, end.size);
		if (atomic_load_explicit(&meter->compared_total, memory_order_relaxed) != METER_UNKNOWN)
			publish(&meter->compared, meter->compared_total);
		meter->state = METER_AFTER;
	}
}

/* A NOTE in a delta may say how far the comparison has come; any other is passed on. */
static void
note_seen(struct meter *meter)
{
	char text[64], *divider;
	size_t length = meter->record.stored;
	uint64_t compared, total;

	if (meter->header.kind != STREAM_DELTA || length >= sizeof(text) ||
	    hash64(meter->bytes, length) != meter->record.sum)
		return;
	memcpy(text, meter->bytes, length);
	text[length] = '\0';
	divider = strchr(text, '/');
	if (divider == NULL || strncmp(text, "compared=", strlen("compared=")) != 0)
		return;
	*divider = '\0';
	if (!number_parse(divider + 1, 1, SIZE_LIMIT, &total) ||
	    !number_parse(text + strlen("compared="), 0, total, &compared))
		return;
	publish(&meter->compared, compared);
	publish(&meter->compared_total, total);
}

static void
abort_seen(struct meter *meter)
{
	if (!meter->fault.set) {
		fault_aborted(&meter->fault,
		    (struct place){ meter->name, meter->at, meter->order.offset }, meter->bytes,
		    meter->record.stored);
		atomic_store(&meter->fault_kind, METER_ABORTED);
	}
	meter->state = METER_AFTER;
}

/* All of a record has passed. */
static void
record_done(struct meter *meter)
{
	meter->data_before = meter->order.data;
	if (meter->record.type == RECORD_END)
		end_seen(meter);
	else if (meter->record.type == RECORD_ABORT)
		abort_seen(meter);
	else {
		if (meter->record.type == RECORD_NOTE)
			note_seen(meter);
		meter_next_record(meter);
	}
}

static void
record_seen(struct meter *meter)
{
	enum verdict verdict;
	struct error error = { 0 };

	if (meter->have < RECORD_SIZE)
		return;
	meter->record.offset = SIZE_LIMIT + 1;
	verdict = record_decode(&meter->record, &meter->header, meter->bytes, &error);
	if (verdict != VERDICT_GOOD) {
		/* Where the sum over it held, it is this record's byte that is wrong. */
		if (meter->record.offset <= SIZE_LIMIT)
			meter->device = meter->record.offset;
		meter_judge(meter, verdict, error.text);
		return;
	}
	if (!order_check(&meter->order, &meter->record, &error)) {
		meter_break(meter, error.text);
		return;
	}
	meter->device = meter->order.offset;
	meter->state = METER_PAYLOAD;
	meter->have = 0;
	meter->left = meter->record.stored;
	record_publish(meter);
	if (meter->left == 0)
		record_done(meter);
}

static void
payload_passed(struct meter *meter, uint64_t length)
{
	meter->left -= length;
	record_publish(meter);
	if (meter->left == 0)
		record_done(meter);
}

void
meter_see(struct meter *meter, const void *data, size_t length)
{
	unsigned char *to = meter->state == METER_HEADER ? meter->header.bytes : meter->bytes;

	memcpy(to + meter->have, data, length);
	meter->have += length;
	wire_add(meter, length);
	if (meter->state == METER_HEADER)
		header_seen(meter);
	else if (meter->state == METER_RECORD)
		record_seen(meter);
	else
		payload_passed(meter, length);
}

void
meter_pass(struct meter *meter, uint64_t length)
{
	uint64_t at = wire_bytes(meter);

	wire_add(meter, length);
	if (meter->state == METER_PAYLOAD)
		payload_passed(meter, length);
	else if (meter->state == METER_AFTER && length > 0)
		meter_fail(meter, METER_BROKEN, at, "bytes behind the last record");
}

void
meter_mark(struct meter *meter)
{
	meter->marked[0] = atomic_load_explicit(&meter->position, memory_order_relaxed);
	meter->marked[1] = atomic_load_explicit(&meter->data, memory_order_relaxed);
	meter->marked[2] = atomic_load_explicit(&meter->zero, memory_order_relaxed);
}

void
meter_untake(struct meter *meter, uint64_t length)
{
	publish(&meter->wire, wire_bytes(meter) - length);
	publish(&meter->position, meter->marked[0]);
	publish(&meter->data, meter->marked[1]);
	publish(&meter->zero, meter->marked[2]);
}

static void
meter_cut(struct meter *meter)
{
	if (meter->fault.set)
		return;
	fault_cut(&meter->fault,
	    (struct place){ meter->name, wire_bytes(meter), meter->order.offset });
	atomic_store(&meter->fault_kind, METER_CUT);
}

void
meter_end(struct meter *meter)
{
	bool begun = meter->state != METER_HEADER || meter->have > 0;

	if (begun && meter->state != METER_PLAIN && meter->state != METER_AFTER)
		meter_cut(meter);
}
