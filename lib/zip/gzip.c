/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include <libdeflate.h>

#include "base/bytes.h"
#include "zip/gzip.h"

#define METHOD_DEFLATE	8

#define FLAG_HEADER_CRC	0x02
#define FLAG_EXTRA	0x04
#define FLAG_NAME	0x08
#define FLAG_COMMENT	0x10
#define FLAGS_RESERVED	0xe0

#define SYSTEM_UNIX	3
#define MEMBER_LAST	1u
#define STORED_MAX	65535

static const unsigned char magic[4] = { 0x1f, 0x8b, METHOD_DEFLATE, FLAG_EXTRA };
static const unsigned char subfield[6] = { 20, 0, 'B', 'K', 16, 0 };

bool
gzip_begins(const unsigned char *bytes, size_t length)
{
	return length >= 2 && memcmp(bytes, magic, 2) == 0;
}

bool
gzip_is_ours(const unsigned char *bytes, size_t length)
{
	return length >= GZIP_HEADER && memcmp(bytes, magic, sizeof(magic)) == 0 &&
	    memcmp(bytes + 10, subfield, sizeof(subfield)) == 0;
}

void
gzip_header_encode(const struct gzip_member *member, unsigned char out[GZIP_HEADER])
{
	memset(out, 0, GZIP_HEADER);
	memcpy(out, magic, sizeof(magic));
	out[9] = SYSTEM_UNIX;
	memcpy(out + 10, subfield, sizeof(subfield));
	store32(out + 16, member->data);
	store32(out + 20, member->last ? MEMBER_LAST : 0);
	store64(out + 24, member->offset);
}

bool
gzip_header_decode(struct gzip_member *member, const unsigned char in[GZIP_HEADER],
    struct error *error)
{
	uint32_t flags = load32(in + 20);

	member->data = load32(in + 16);
	member->last = flags == MEMBER_LAST;
	member->offset = load64(in + 24);
	if (member->data == 0 || member->data > GZIP_DATA_MAX)
		return error_set(error, "gzip member that says it has %u bytes of deflate data",
		    member->data);
	if ((flags & ~MEMBER_LAST) != 0)
		return error_set(error, "gzip member with unknown flags %#x", flags);
	return true;
}

uint32_t
gzip_crc(uint32_t crc, const void *data, size_t length)
{
	return libdeflate_crc32(crc, data, length);
}

void
gzip_trailer_encode(uint32_t crc, uint32_t length, unsigned char out[GZIP_TRAILER])
{
	store32(out, crc);
	store32(out + 4, length);
}

bool
gzip_trailer_check(const unsigned char in[GZIP_TRAILER], uint32_t crc, uint32_t length,
    struct error *error)
{
	if (load32(in) != crc)
		return error_set(error, "gzip member with a wrong checksum");
	if (load32(in + 4) != length)
		return error_set(error, "gzip member with a wrong length");
	return true;
}

int
gzip_store(const unsigned char *data, size_t length,
    unsigned char heads[GZIP_STORED_BLOCKS][GZIP_STORED_HEAD], struct iovec *parts)
{
	int block;

	for (block = 0; length > 0; block++) {
		uint16_t size = length < STORED_MAX ? (uint16_t)length : STORED_MAX;

		heads[block][0] = size == length;	/* the last block */
		store16(heads[block] + 1, size);
		store16(heads[block] + 3, (uint16_t)~size);
		*parts++ = (struct iovec){ heads[block], GZIP_STORED_HEAD };
		*parts++ = (struct iovec){ (void *)data, size };
		data += size;
		length -= size;
	}
	return 2 * block;
}

uint32_t
gzip_stored_size(size_t length)
{
	return (uint32_t)(length + (length + STORED_MAX - 1) / STORED_MAX * GZIP_STORED_HEAD);
}

/* The next bytes of a header, which its own checksum covers. */
static bool
header_read(struct input *input, unsigned char *data, size_t length, uint32_t *crc,
    struct error *error)
{
	ssize_t n = input_read(input, data, length);

	if (n == -1)
		return error_errno(error, "gzip header");
	if ((size_t)n < length)
		return error_set(error, "unexpected end of file");
	*crc = gzip_crc(*crc, data, length);
	return true;
}

static bool
header_skip_extra(struct input *input, uint32_t *crc, struct error *error)
{
	unsigned char data[256];
	size_t left;

	if (!header_read(input, data, 2, crc, error))
		return false;
	for (left = load16(data); left > 0;) {
		size_t n = left < sizeof(data) ? left : sizeof(data);

		if (!header_read(input, data, n, crc, error))
			return false;
		left -= n;
	}
	return true;
}

static bool
header_skip_text(struct input *input, uint32_t *crc, struct error *error)
{
	unsigned char byte;

	do {
		if (!header_read(input, &byte, 1, crc, error))
			return false;
	} while (byte != '\0');
	return true;
}

bool
gzip_header_skip(struct input *input, struct error *error)
{
	unsigned char fixed[10], sum[2];
	uint32_t crc = 0, before;
	unsigned flags;

	if (!header_read(input, fixed, sizeof(fixed), &crc, error))
		return false;
	flags = fixed[3];
	if (!gzip_begins(fixed, sizeof(fixed)))
		return error_set(error, "not in gzip format");
	if (fixed[2] != METHOD_DEFLATE)
		return error_set(error, "gzip member of unknown method %d", fixed[2]);
	if ((flags & FLAGS_RESERVED) != 0)
		return error_set(error, "gzip member with unknown flags %#x", flags);
	if ((flags & FLAG_EXTRA) != 0 && !header_skip_extra(input, &crc, error))
		return false;
	if ((flags & FLAG_NAME) != 0 && !header_skip_text(input, &crc, error))
		return false;
	if ((flags & FLAG_COMMENT) != 0 && !header_skip_text(input, &crc, error))
		return false;
	if ((flags & FLAG_HEADER_CRC) == 0)
		return true;
	before = crc;
	if (!header_read(input, sum, sizeof(sum), &crc, error))
		return false;
	if (load16(sum) != (before & 0xffff))
		return error_set(error, "gzip header with a wrong checksum");
	return true;
}
