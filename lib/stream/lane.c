/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "base/bytes.h"
#include "hash/hash64.h"
#include "stream/lane.h"

#define AT_REQUIRED	16
#define AT_ID		32
#define AT_INDEX	74
#define AT_COUNT	76
#define AT_SUM		120

static void
lane_seal(struct stream_header *header)
{
	store64(header->bytes + AT_SUM, hash64(header->bytes, AT_SUM));
}

void
lane_mark(struct stream_header *header, const struct lane *lane)
{
	unsigned char *p = header->bytes;

	store64(p + AT_REQUIRED, load64(p + AT_REQUIRED) | STREAM_REQUIRED_STRIPED);
	store16(p + AT_INDEX, (uint16_t)lane->index);
	store16(p + AT_COUNT, (uint16_t)lane->count);
	lane_seal(header);
}

bool
lane_detect(const unsigned char *bytes)
{
	return memcmp(bytes, STREAM_MAGIC, STREAM_MAGIC_SIZE) == 0 &&
	    load64(bytes + AT_SUM) == hash64(bytes, AT_SUM) &&
	    (load64(bytes + AT_REQUIRED) & STREAM_REQUIRED_STRIPED) != 0;
}

bool
lane_unmark(struct stream_header *header, struct lane *lane, struct error *error)
{
	unsigned char *p = header->bytes;

	lane->index = load16(p + AT_INDEX);
	lane->count = load16(p + AT_COUNT);
	memcpy(lane->id, p + AT_ID, STREAM_ID_SIZE);
	if (lane->count == 0 || lane->count > LANE_MAX || lane->index >= lane->count)
		return error_set(error, "lane %u of %u lanes", lane->index, lane->count);
	store64(p + AT_REQUIRED, load64(p + AT_REQUIRED) & ~(uint64_t)STREAM_REQUIRED_STRIPED);
	store16(p + AT_INDEX, 0);
	store16(p + AT_COUNT, 0);
	lane_seal(header);
	return true;
}
