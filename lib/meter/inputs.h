/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * inputs: the files that are metered one after the other, and how much they hold.
 */
#ifndef INPUTS_H
#define INPUTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct inputs {
	const char **names;	/* for messages */
	int *fds;
	unsigned count;
	uint64_t size;		/* bytes of all that are to come; UINT64_MAX if that of any is not known */
};

/*
 * Open them all, "-" is standard input; that alone if count is 0.  The names must live as long.  False:
 * error is filled.
 */
bool inputs_open(struct inputs *, char **names, unsigned count, struct error *);

#endif
