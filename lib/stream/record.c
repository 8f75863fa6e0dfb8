/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include <bsd/stdlib.h>

#include "base/bytes.h"
#include "base/size.h"
#include "hash/hash64.h"
#include "stream/record.h"

static const unsigned char record_magic[4] = { 'B', 'R', 'E', 'C' };

void
header_init(struct stream_header *header, enum stream_kind kind, uint64_t size)
{
	memset(header, 0, sizeof(*header));
	header->length = STREAM_HEADER_MIN;
	arc4random_buf(header->id, sizeof(header->id));
	header->size = size;
	header->data = STREAM_UNKNOWN;
	header->grid = BLK128_BLOCK;
	header->payload_max = 256 << 10;
	header->kind = kind;
	header->hash = STREAM_XXH3_128;
	header->base_size = STREAM_UNKNOWN;
}

void
header_encode(struct stream_header *header)
{
	unsigned char *p = header->bytes;

	memset(p, 0, STREAM_HEADER_MIN);
	memcpy(p, STREAM_MAGIC, STREAM_MAGIC_SIZE);
	store16(p + 8, 1);
	store16(p + 10, header->identity.known && header->minor == 0 ? 1 : header->minor);
	store32(p + 12, STREAM_HEADER_MIN);
	store64(p + 16, header->required);
	store64(p + 24, header->optional);
	memcpy(p + 32, header->id, STREAM_ID_SIZE);
	store64(p + 48, header->size);
	store64(p + 56, header->data);
	store32(p + 64, header->grid);
	store32(p + 68, header->payload_max);
	p[72] = (unsigned char)header->kind;
	p[73] = (unsigned char)header->hash;
	store64(p + 80, header->base_size);
	if (header->identity.known) {
		memcpy(p + 88, header->identity.disk, IDENTITY_SIZE);
		store64(p + 104, header->identity.offset);
		store64(p + 112, header->identity.began);
	}
	store64(p + 120, hash64(p, 120));
}

/* Check the values that a newer version of the format may add to. */
static bool
header_is_known(const struct stream_header *header, struct error *error)
{
	uint64_t unknown = header->required & ~(uint64_t)STREAM_REQUIRED_ZSTD;

	if ((unknown & STREAM_REQUIRED_STRIPED) != 0)
		return error_set(error, "this is lane %u of %u of a stream: a share of its records, which only "
		    "blkwrite puts together with the others", load16(header->bytes + 74) + 1u,
		    load16(header->bytes + 76));
	if (unknown != 0)
		return error_set(error, "the stream needs features that this version lacks (bits %#jx)",
		    (uintmax_t)unknown);
	if (header->kind < STREAM_IMAGE || header->kind > STREAM_UNDO)
		return error_set(error, "unknown kind of stream %d", (int)header->kind);
	if (header->hash < STREAM_XXH3_128 || header->hash > STREAM_SHA256)
		return error_set(error, "unknown kind of block hash %d", (int)header->hash);
	return true;
}

static const char *const kind_names[] = {
	[STREAM_IMAGE] = "image", [STREAM_DELTA] = "delta", [STREAM_MAP] = "map",
	[STREAM_UNDO] = "undo log",
};

/* Check all other values of a header whose sum holds. */
static bool
header_check(const struct stream_header *header, struct error *error)
{
	if (header->length < STREAM_HEADER_MIN || header->length > STREAM_HEADER_MAX ||
	    (header->length > STREAM_HEADER_MIN && header->length < STREAM_HEADER_MIN + 8))
		return error_set(error, "header of %u bytes", header->length);
	if (header->grid < STREAM_GRID_MIN || header->grid > STREAM_GRID_MAX ||
	    (header->grid & (header->grid - 1)) != 0)
		return error_set(error, "grid of %u bytes", header->grid);
	if (header->payload_max == 0 || header->payload_max > STREAM_PAYLOAD_MAX)
		return error_set(error, "largest payload of %u bytes", header->payload_max);
	if (header->size != STREAM_UNKNOWN && header->size > SIZE_LIMIT)
		return error_set(error, "device of %ju bytes", (uintmax_t)header->size);
	if (header->size == STREAM_UNKNOWN && header->kind != STREAM_IMAGE)
		return error_set(error, "%s that does not say the size of its device",
		    kind_names[header->kind]);
	if (header->data != STREAM_UNKNOWN && header->data > SIZE_LIMIT)
		return error_set(error, "%ju data bytes to come", (uintmax_t)header->data);
	if (header->base_size != STREAM_UNKNOWN && header->base_size > SIZE_LIMIT)
		return error_set(error, "base of %ju bytes", (uintmax_t)header->base_size);
	if (header->base_size != STREAM_UNKNOWN && header->kind != STREAM_DELTA)
		return error_set(error, "%s with a base of %ju bytes, which only a delta has",
		    kind_names[header->kind], (uintmax_t)header->base_size);
	return true;
}

void
header_require(struct stream_header *header, uint64_t required)
{
	header->required = required;
	store64(header->bytes + 16, required);
	store64(header->bytes + 120, hash64(header->bytes, 120));
}

/* Reserved in version 1.0, and then zero, as it is where the disk is not known. */
static void
header_decode_identity(struct identity *identity, const unsigned char *p)
{
	static const unsigned char none[IDENTITY_SIZE];

	memcpy(identity->disk, p + 88, IDENTITY_SIZE);
	identity->offset = load64(p + 104);
	identity->began = load64(p + 112);
	identity->known = memcmp(identity->disk, none, IDENTITY_SIZE) != 0;
}

enum verdict
header_decode(struct stream_header *header, struct error *error)
{
	const unsigned char *p = header->bytes;

	if (memcmp(p, STREAM_MAGIC, STREAM_MAGIC_SIZE) != 0) {
		error_set(error, "not a block stream");
		return VERDICT_BROKEN;
	}
	if (load64(p + 120) != hash64(p, 120)) {
		error_set(error, "header with a wrong checksum");
		return VERDICT_BROKEN;
	}
	if (load16(p + 8) != 1) {
		error_set(error, "block stream of version %u, this program knows 1", load16(p + 8));
		return VERDICT_FOREIGN;
	}
	header->minor = load16(p + 10);
	header->length = load32(p + 12);
	header->required = load64(p + 16);
	header->optional = load64(p + 24);
	memcpy(header->id, p + 32, STREAM_ID_SIZE);
	header->size = load64(p + 48);
	header->data = load64(p + 56);
	header->grid = load32(p + 64);
	header->payload_max = load32(p + 68);
	header->kind = p[72];
	header->hash = p[73];
	header->base_size = load64(p + 80);
	header_decode_identity(&header->identity, p);
	if (!header_is_known(header, error))
		return VERDICT_FOREIGN;
	return header_check(header, error) ? VERDICT_GOOD : VERDICT_BROKEN;
}

bool
header_decode_rest(const struct stream_header *header, struct error *error)
{
	size_t rest = header->length - STREAM_HEADER_MIN;
	const unsigned char *p = header->bytes + STREAM_HEADER_MIN;

	if (rest > 0 && load64(p + rest - 8) != hash64(p, rest - 8))
		return error_set(error, "header extension with a wrong checksum");
	return true;
}

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
