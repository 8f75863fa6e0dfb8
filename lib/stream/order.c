/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "base/size.h"
#include "stream/order.h"

void
order_start(struct order *order, const struct stream_header *header)
{
	memset(order, 0, sizeof(*order));
	order->header = header;
}

/*
 * A range of an image begins where the last one ended, on the grid, and contains the BAD
 * before it.
 */
static bool
order_check_image(struct order *order, const struct record *record, struct error *error)
{
	uint64_t grid = order->header->kind == STREAM_MAP ? order->header->grid : BLK128_BLOCK;

	if (record->offset != order->offset)
		return error_set(error, "%s record leaves out %ju bytes before it",
		    record_name(record->type), (uintmax_t)(record->offset - order->offset));
	if (record->offset % grid != 0)
		return error_set(error, "%s record does not begin on the grid",
		    record_name(record->type));
	if (order->bad_end > record->offset + record->length)
		return error_set(error, "BAD range is not inside the record that follows it");
	order->bad_end = 0;
	return true;
}

static bool
order_check_range(struct order *order, const struct record *record, struct error *error)
{
	enum stream_kind kind = order->header->kind;
	bool whole = kind == STREAM_IMAGE || kind == STREAM_MAP;
	uint64_t size = order->header->size;
	bool apart = whole && record->type == RECORD_BAD;
	uint64_t after = apart && order->bad_end > order->offset ? order->bad_end : order->offset;

	if (size != STREAM_UNKNOWN && (record->offset > size || record->length > size - record->offset))
		return error_set(error, "%s record of %ju bytes lies outside the device of %ju",
		    record_name(record->type), (uintmax_t)record->length, (uintmax_t)size);
	if (kind != STREAM_UNDO && record->offset < after)
		return error_set(error, "%s record overlaps the one before it, which ends at %ju",
		    record_name(record->type), (uintmax_t)after);
	if (apart) {
		order->bad_end = record->offset + record->length;
		order->bad += record->length;
		return true;
	}
	if (whole && !order_check_image(order, record, error))
		return false;
	if (record->type == RECORD_DATA || record->type == RECORD_MAP)
		order->data += record->length;
	else if (record->type == RECORD_ZERO)
		order->zero += record->length;
	else
		order->bad += record->length;
	order->offset = record->offset + record->length;
	return true;
}

bool
order_check(struct order *order, const struct record *record, struct error *error)
{
	if (order->ended)
		return error_set(error, "record behind the end");
	if (record->sequence != order->sequence)
		return error_set(error, "record %ju where record %ju should be",
		    (uintmax_t)record->sequence, (uintmax_t)order->sequence);
	if (record->length > 0) {
		if (!order_check_range(order, record, error))
			return false;
	} else if (record->offset != order->offset)
		return error_set(error, "%s record at %ju, but the last range ended at %ju",
		    record_name(record->type), (uintmax_t)record->offset, (uintmax_t)order->offset);
	if (record->type == RECORD_END && order->bad_end != 0)
		return error_set(error, "BAD range is not inside a record that follows it");
	order->ended = record->type == RECORD_END || record->type == RECORD_ABORT;
	order->sequence++;
	return true;
}

bool
order_check_end(const struct order *order, const struct end_summary *end, struct error *error)
{
	const struct stream_header *header = order->header;

	if (end->records != order->sequence - 1 || end->data != order->data ||
	    end->zero != order->zero || end->bad != order->bad)
		return error_set(error, "END counts %ju records, %ju data, %ju zero and %ju bad bytes; "
		    "%ju, %ju, %ju and %ju came", (uintmax_t)end->records, (uintmax_t)end->data,
		    (uintmax_t)end->zero, (uintmax_t)end->bad, (uintmax_t)(order->sequence - 1),
		    (uintmax_t)order->data, (uintmax_t)order->zero, (uintmax_t)order->bad);
	if (header->size != STREAM_UNKNOWN && end->size != header->size)
		return error_set(error, "END says a device of %ju bytes, the header %ju",
		    (uintmax_t)end->size, (uintmax_t)header->size);
	if (end->size < order->offset || end->size > SIZE_LIMIT ||
	    ((header->kind == STREAM_IMAGE || header->kind == STREAM_MAP) && end->size != order->offset))
		return error_set(error, "END says a device of %ju bytes, the records end at %ju",
		    (uintmax_t)end->size, (uintmax_t)order->offset);
	return true;
}

void
order_summary(const struct order *order, struct end_summary *end)
{
	memset(end, 0, sizeof(*end));
	end->size = order->header->size != STREAM_UNKNOWN ? order->header->size : order->offset;
	end->records = order->sequence;
	end->data = order->data;
	end->zero = order->zero;
	end->bad = order->bad;
}
