/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * outcome: composes the messages about a run that succeeded, line by line.
 *
 * One thread, after writer_run.
 */
#ifndef OUTCOME_H
#define OUTCOME_H

#include <stdbool.h>
#include <stddef.h>

#include "write/patch.h"
#include "write/restore.h"

struct outcome {
	struct writer *writer;
	const struct error *forced;	/* set: what --force has given up */
	const struct target *target;
	const struct intake *intake;	/* that read the header */
	struct restore *restore;	/* of an image, else NULL */
	struct patch *patch;		/* of a delta or an undo log, else NULL */
	bool verbose;			/* with the line of -v */
	double seconds;			/* that it took */
	unsigned next;			/* line; 0 to begin with */
};

/* The next line to print, without a newline; some name the target.  False: no more. */
bool outcome_next(struct outcome *, char *line, size_t size);

#endif
