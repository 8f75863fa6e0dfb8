/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include <bsd/stdlib.h>

#include "base/bytes.h"
#include "base/size.h"
#include "hash/blk128.h"
#include "hash/hash64.h"
#include "stream/header.h"

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
	store16(p + 8, STREAM_MAJOR);
	store16(p + 10, header->identity.known && header->minor == 0 ? STREAM_MINOR : header->minor);
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

bool
header_grid_fits(uint64_t grid)
{
	return grid >= STREAM_GRID_MIN && grid <= STREAM_GRID_MAX && (grid & (grid - 1)) == 0;
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
	if (!header_grid_fits(header->grid))
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
	if (load16(p + 8) != STREAM_MAJOR) {
		error_set(error, "block stream of version %u, this program knows %u", load16(p + 8),
		    STREAM_MAJOR);
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
