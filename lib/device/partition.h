/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * partition: where a partition of a disk or of its image begins and ends, by its table (GPT, MBR).
 *
 * Any thread may call it.
 */
#ifndef PARTITION_H
#define PARTITION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* "1" to "1024": a partition's number, as the kernel counts. False: error names the value. */
bool partition_parse(const char *value, unsigned *number, struct error *);

/*
 * Find a partition of path, and turn offset and length, bytes from where it begins, into those of
 * path; a length of UINT64_MAX is up to the partition's end.  Number 0: nothing is done.  path
 * is opened and closed: call it before anything else has path open.  False: error is filled; there
 * is no such partition, the range does not fit, or it cannot be known.
 *
 * A device says how large its sectors are.  An image does not: a GPT is found with 512 and
 * 4096 bytes, an MBR counts in 512.
 */
bool partition_narrow(const char *path, unsigned number, uint64_t *offset, uint64_t *length,
    struct error *);

#endif
