/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "base/bytes.h"
#include "base/io.h"
#include "hash/hash64.h"
#include "write/sectors.h"

#define NAME_LENGTH	(sizeof(SECTORS_NAME) - 1)

/* The part of a range that lies in the same sector as its first byte. */
static size_t
sector_part(uint64_t offset, size_t length)
{
	size_t part = SECTORS_UNIT - (size_t)(offset % SECTORS_UNIT);

	return part < length ? part : length;
}

static size_t
sectors_count(uint64_t offset, size_t length)
{
	return (size_t)((offset % SECTORS_UNIT + length + SECTORS_UNIT - 1) / SECTORS_UNIT);
}

size_t
sectors_note(uint64_t offset, const unsigned char *data, size_t length,
    unsigned char note[SECTORS_NOTE_MAX])
{
	size_t used = NAME_LENGTH, part;

	memcpy(note, SECTORS_NAME, NAME_LENGTH);
	for (; length > 0; offset += part, data += part, length -= part) {
		part = sector_part(offset, length);
		store32(note + used, (uint32_t)hash64(data, part));
		used += 4;
	}
	return used;
}

enum sectors_verdict
sectors_compare(uint64_t offset, const unsigned char *held, size_t length,
    const unsigned char *restored, const unsigned char *note, size_t note_length)
{
	bool noted = note_length == NAME_LENGTH + 4 * sectors_count(offset, length) &&
	    memcmp(note, SECTORS_NAME, NAME_LENGTH) == 0, some = false;
	size_t part;

	for (note += noted ? NAME_LENGTH : 0; length > 0; offset += part, held += part, length -= part) {
		part = sector_part(offset, length);
		if (restored != NULL ? memcmp(held, restored, part) == 0 : bytes_are_zero(held, part))
			some = true;
		else if (noted && load32(note) != (uint32_t)hash64(held, part))
			return SECTORS_OTHER;
		restored += restored != NULL ? part : 0;
		note += noted ? 4 : 0;
	}
	return noted ? SECTORS_MIXED : some ? SECTORS_LIKELY : SECTORS_OTHER;
}
