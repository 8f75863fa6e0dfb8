/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sectors: the note in an undo log by which a range is known that was restored only in part.
 *
 * A machine that dies leaves each sector of a range as it was or as it was to be.  The record
 * has one of the two, and of the other the sum of all of the range, which is of no use then.
 * So the note in front of the record has a sum of each sector (blkstream(5)).  Any thread.
 */
#ifndef SECTORS_H
#define SECTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stream/record.h"

#define SECTORS_UNIT	512u
#define SECTORS_NAME	"sectors="

/* The longest range that a note can be about, at any offset. */
#define SECTORS_RANGE	(256u << 10)
#define SECTORS_NOTE_MAX	(sizeof(SECTORS_NAME) - 1 + (SECTORS_RANGE / SECTORS_UNIT + 1) * 4)

/* Make the note for length bytes of data, at most SECTORS_RANGE.  Returns its length. */
size_t sectors_note(uint64_t offset, const unsigned char *data, size_t length,
    unsigned char note[SECTORS_NOTE_MAX]);

enum sectors_verdict {
	SECTORS_OTHER,		/* some sector is neither */
	SECTORS_MIXED,		/* each is what the note says or what the record restores */
	SECTORS_LIKELY		/* there is no note, and some sectors are restored already */
};

/*
 * Classify the contents of a range whose checksum does not match the record.  restored is the
 * data of the record, NULL for zeros; note may have any length, or belong to another record.
 */
enum sectors_verdict sectors_compare(uint64_t offset, const unsigned char *held, size_t length,
    const unsigned char *restored, const unsigned char *note, size_t note_length);

#endif
