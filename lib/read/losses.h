/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * losses: the ranges of a source that could not be read, as they are told: joined across chunks, the
 * first ones one by one, the others counted.  One thread at a time.
 */
#ifndef LOSSES_H
#define LOSSES_H

#include <stdint.h>

#include "read/scan.h"

/* Unreadable ranges that are listed one by one. */
#define LOSSES_LISTED	20

struct losses {
	void (*say)(const char *format, ...) __attribute__((format(printf, 1, 2)));
	const char *name;		/* of the source */
	uint64_t start, length;		/* bytes of the source: the last range found, which may go on */
	int number;			/* errno */
	uint64_t ranges, bytes;		/* of all */
};

/* Gather the bad ranges of the next chunk of a scan that began at offset; tell each one that has ended. */
void losses_note(struct losses *, uint64_t offset, const struct scan_chunk *);

/* Tell the last one. */
void losses_end(struct losses *);

#endif
