/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * changes: lists of changed ranges, as other tools write them.
 *
 * Told apart by looking: XML of thin_delta (thin-provisioning-tools; block size in its
 * superblock element), XML of era_invalidate (it names no block size), the text that
 * `nbdinfo --map=qemu:dirty-bitmap:…` prints (offset, length, type, description; type 1
 * is dirty), or plain lines of offset and length in bytes, # to the end of a line being
 * a comment.  Ranges may come in any order and overlap.
 */
#ifndef CHANGES_H
#define CHANGES_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "extents.h"
#include "input.h"

/*
 * Read a whole list.  era_block is the block size of era_invalidate's list in bytes, 0
 * if it is not known, which such a list makes an error.  Every number is bounded by what
 * a device can have; no entity of XML is expanded.  False: error names the list and the
 * line.
 */
bool changes_read(struct input *, uint64_t era_block, struct extents *, struct error *);

#endif
