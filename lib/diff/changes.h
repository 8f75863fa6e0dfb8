/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * changes: lists of changed ranges, as other tools write them.
 *
 * Told apart by looking: XML (xml.h); the text that `nbdinfo --map=qemu:dirty-bitmap:…`
 * prints (offset, length, type, description; type 1 is dirty); or plain lines of offset
 * and length in bytes, # to the end of a line being a comment.  Ranges may come in any
 * order and overlap.
 */
#ifndef CHANGES_H
#define CHANGES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/extents.h"
#include "pipe/input.h"

struct changes_options {
	uint64_t size;		/* of the device: changes beyond its end are left out */
	uint64_t era_block;	/* bytes of a block of era_invalidate's list; 0: not known */
};

/*
 * Read a whole list.  One that can be seen to be cut is refused: the last line must have
 * its end, and a map of clean and dirty ranges must cover the device without a gap.
 * False: error names the list and the line.
 */
bool changes_read(struct input *, const struct changes_options *, struct extents *,
    struct error *);

#endif
