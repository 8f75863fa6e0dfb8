/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "base/io.h"
#include "read/raw.h"
#include "show/progress.h"

bool
raw_begin(struct raw *raw, int fd, bool digest)
{
	memset(raw, 0, sizeof(*raw));
	raw->fd = fd;
	return !digest || (raw->digest = blk128_create()) != NULL;
}

static void
raw_add(struct raw *raw, const struct scan_chunk *chunk)
{
	uint64_t at, block;

	if (chunk->hole) {
		blk128_add_zeros(raw->digest, chunk->length);
		raw->zero += chunk->length;
		return;
	}
	blk128_add(raw->digest, chunk->hashes, chunk->length);
	for (at = 0; at < chunk->length; at += block) {
		block = chunk->length - at < BLK128_BLOCK ? chunk->length - at : BLK128_BLOCK;
		raw->zero += chunk->zero[at / BLK128_BLOCK] ? block : 0;
	}
}

static bool
raw_put_zeros(const struct raw *raw, uint64_t length)
{
	static const unsigned char zeros[SCAN_CHUNK];

	while (length > 0) {
		size_t part = length < sizeof(zeros) ? (size_t)length : sizeof(zeros);

		if (!write_full(raw->fd, zeros, part))
			return false;
		progress_add(part);
		length -= part;
	}
	return true;
}

bool
raw_put(struct raw *raw, const struct scan_chunk *chunk)
{
	if (raw->digest != NULL)
		raw_add(raw, chunk);
	if (chunk->hole)
		return raw_put_zeros(raw, chunk->length);
	if (!write_full(raw->fd, chunk->data, chunk->length))
		return false;
	progress_add(chunk->length);
	return true;
}
