/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "base/bytes.h"
#include "base/size.h"
#include "hash/hash64.h"
#include "stream/record.h"

static const unsigned char record_magic[4] = { 'B', 'R', 'E', 'C' };

static uint64_t
record_header_sum(const unsigned char p[RECORD_SIZE], const unsigned char id[STREAM_ID_SIZE])
{
	return hash64_seeded(p, 56, load64(id));
}

void
record_encode(const struct record *record, const unsigned char id[STREAM_ID_SIZE],
    unsigned char p[RECORD_SIZE])
{
	memcpy(p, record_magic, sizeof(record_magic));
	p[4] = (unsigned char)record->type;
	p[5] = (unsigned char)record->codec;
	store16(p + 6, (uint16_t)record->flags);
	store64(p + 8, record->sequence);
	store64(p + 16, record->offset);
	store64(p + 24, record->length);
	store32(p + 32, record->stored);
	store32(p + 36, record->stored_sum);
	store64(p + 40, record->sum);
	store64(p + 48, record->old);
	store64(p + 56, record_header_sum(p, id));
}

uint64_t
record_plain_size(const struct record *record, const struct stream_header *header)
{
	uint64_t hash = header->hash == STREAM_SHA256 ? 32 : BLK128_SIZE;

	switch (record->type) {
	case RECORD_DATA:
		return record->length;
	case RECORD_MAP:
		return (record->length / header->grid + (record->length % header->grid != 0)) * hash;
	default:
		return record->stored;
	}
}

/* True if this type of record may occur in this kind of stream. */
static bool
record_belongs(const struct record *record, enum stream_kind kind)
{
	switch (record->type) {
	case RECORD_DATA:
		return kind != STREAM_MAP;
	case RECORD_MAP:
		return kind == STREAM_MAP;
	case RECORD_BAD:
		return kind == STREAM_IMAGE || kind == STREAM_DELTA;
	default:
		return true;
	}
}

/*
 * `old` by block hashes needs whole blocks, or a last block that is as short in the base.
 */
static bool
record_covers_blocks(const struct record *record, const struct stream_header *header)
{
	uint64_t end = record->offset + record->length;

	if (record->offset % header->grid != 0)
		return false;
	return end % header->grid == 0 || (end == header->size && end == header->base_size);
}

static bool
record_check_flags(const struct record *record, const struct stream_header *header,
    struct error *error)
{
	bool range = record->type == RECORD_DATA || record->type == RECORD_ZERO;
	enum stream_kind kind = header->kind;

	if (record->flags == 0)
		return true;
	if (record->flags != RECORD_OLD_BYTES && record->flags != RECORD_OLD_HASHES)
		return error_set(error, "unknown record flags %#x", record->flags);
	if (!range || (kind != STREAM_DELTA && kind != STREAM_UNDO))
		return error_set(error, "%s record with flags %#x", record_name(record->type),
		    record->flags);
	if (record->length > STREAM_PAYLOAD_MAX)
		return error_set(error, "checked record of %ju bytes", (uintmax_t)record->length);
	if (record->flags == RECORD_OLD_HASHES && !record_covers_blocks(record, header))
		return error_set(error, "%s record is checked by block hashes but covers no whole blocks",
		    record_name(record->type));
	return true;
}

/* True if the payload may have this codec. */
static bool
record_codec_belongs(const struct record *record, const struct stream_header *header)
{
	bool sized = record->type == RECORD_DATA || record->type == RECORD_MAP;

	switch (record->codec) {
	case RECORD_STORED:
		return true;
	case RECORD_DEFLATE:
		return sized;
	case RECORD_ZSTD:
		return sized && (header->required & STREAM_REQUIRED_ZSTD) != 0;
	}
	return false;
}

static bool
record_check_stored(const struct record *record, const struct stream_header *header,
    struct error *error)
{
	bool sized = record->type == RECORD_DATA || record->type == RECORD_MAP;
	uint64_t plain = record_plain_size(record, header);
	uint64_t limit = sized ? header->payload_max :
	    record->type == RECORD_ZERO || record->type == RECORD_BAD ? 0 : RECORD_NOTE_MAX;

	if (!record_codec_belongs(record, header))
		return error_set(error, "%s record with unknown codec %d",
		    record_name(record->type), (int)record->codec);
	if (plain > limit || record->stored > limit)
		return error_set(error, "%s record with a payload of %ju bytes, at most %ju are allowed",
		    record_name(record->type),
		    (uintmax_t)(plain > record->stored ? plain : record->stored), (uintmax_t)limit);
	if (record->codec == RECORD_STORED ? record->stored != plain :
	    record->stored == 0 || record->stored >= plain)
		return error_set(error, "%s record stores %u bytes for %ju",
		    record_name(record->type), record->stored, (uintmax_t)plain);
	return true;
}

/* False for a type, codec or flag that a newer version may have added. */
static bool
record_is_known(const struct record *record)
{
	return record->type <= RECORD_ABORT && record->codec <= RECORD_ZSTD &&
	    (record->flags & ~(RECORD_OLD_BYTES | RECORD_OLD_HASHES)) == 0;
}

static bool
record_check(const struct record *record, const struct stream_header *header,
    struct error *error)
{
	bool range = record->type <= RECORD_BAD || record->type == RECORD_MAP;

	if (record->type < RECORD_DATA || record->type > RECORD_ABORT)
		return error_set(error, "unknown record type %d", (int)record->type);
	if (!record_belongs(record, header->kind))
		return error_set(error, "%s record in a stream of kind %d",
		    record_name(record->type), (int)header->kind);
	if (range != (record->length > 0))
		return error_set(error, "%s record of %ju bytes", record_name(record->type),
		    (uintmax_t)record->length);
	if (record->offset > SIZE_LIMIT || record->length > SIZE_LIMIT - record->offset)
		return error_set(error, "%s record beyond any device", record_name(record->type));
	return record_check_flags(record, header, error) &&
	    record_check_stored(record, header, error);
}

enum verdict
record_decode(struct record *record, const struct stream_header *header,
    const unsigned char p[RECORD_SIZE], struct error *error)
{
	if (memcmp(p, record_magic, sizeof(record_magic)) != 0) {
		error_set(error, "no record begins here");
		return VERDICT_BROKEN;
	}
	if (load64(p + 56) != record_header_sum(p, header->id)) {
		error_set(error, "record header with a wrong checksum");
		return VERDICT_BROKEN;
	}
	record->type = p[4];
	record->codec = p[5];
	record->flags = load16(p + 6);
	record->sequence = load64(p + 8);
	record->offset = load64(p + 16);
	record->length = load64(p + 24);
	record->stored = load32(p + 32);
	record->stored_sum = load32(p + 36);
	record->sum = load64(p + 40);
	record->old = load64(p + 48);
	if (record_check(record, header, error))
		return VERDICT_GOOD;
	return record_is_known(record) ? VERDICT_BROKEN : VERDICT_FOREIGN;
}

void
record_seal(struct record *record, const void *payload)
{
	record->sum = hash64(payload, record->stored);
	record->stored_sum = (uint32_t)record->sum;
}

void
end_encode(const struct end_summary *end, unsigned char p[RECORD_END_SIZE])
{
	store64(p, end->size);
	store64(p + 8, end->records);
	store64(p + 16, end->data);
	store64(p + 24, end->zero);
	store64(p + 32, end->bad);
	memcpy(p + 40, end->digest, BLK128_SIZE);
	memcpy(p + 56, end->base_digest, BLK128_SIZE);
}

bool
end_decode(struct end_summary *end, const unsigned char *p, size_t length, struct error *error)
{
	if (length < RECORD_END_SIZE)
		return error_set(error, "END record of %zu bytes", length);
	end->size = load64(p);
	end->records = load64(p + 8);
	end->data = load64(p + 16);
	end->zero = load64(p + 24);
	end->bad = load64(p + 32);
	memcpy(end->digest, p + 40, BLK128_SIZE);
	memcpy(end->base_digest, p + 56, BLK128_SIZE);
	return true;
}

const char *
record_name(enum record_type type)
{
	static const char *const names[] = {
		"DATA", "ZERO", "BAD", "NOTE", "MAP", "END", "ABORT"
	};

	return type >= RECORD_DATA && type <= RECORD_ABORT ? names[type - 1] : "unknown";
}
