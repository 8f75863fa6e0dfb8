/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * evidence: reports, in a line or two, why a result may not prove what is on the medium.
 *
 * Of many files only the first of each kind is named, with the number of the others.  One
 * thread at a time.
 */
#ifndef EVIDENCE_H
#define EVIDENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "device/fresh.h"

/* All zero to begin with.  The names are allocated; NULL for want of memory. */
struct evidence {
	uint64_t cached, lost;		/* files */
	char *cached_name, *lost_name;	/* the first of them */
	enum fresh fresh;		/* why only a cache was read */
	int number;			/* errno of the lost write */
	dev_t plain;			/* of source_look_behind */
};

/* Add a file; lost is errno of an earlier write to it that was lost, or 0. */
void evidence_add(struct evidence *, const char *name, enum fresh, int lost);

/* The next line to print, without a newline, which is then forgotten.  False: no more. */
bool evidence_next(struct evidence *, char *line, size_t size);

/* Forget all that was added, and free the names. */
void evidence_clear(struct evidence *);

#endif
