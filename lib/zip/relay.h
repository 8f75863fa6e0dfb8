/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * relay: passes payloads from a pipe to a pipe inside the kernel, unseen, when a
 * compressor has found that it only holds up the others.
 */
#ifndef RELAY_H
#define RELAY_H

#include <stdbool.h>
#include <stddef.h>

#include "pipe/flow.h"
#include "pipe/input.h"
#include "zip/load.h"

struct relay {
	bool usable;
	struct input *input;
	struct flow flow;
	struct load *load;	/* gets the times spent waiting */
};

/* Sets usable: the input and out are pipes. */
void relay_open(struct relay *, struct input *, int out, struct load *);
void relay_close(struct relay *);

/*
 * Write head, then pass on the next length bytes of the input.  Returns what was passed
 * of them: fewer at end of file; -1 with errno set.
 */
ssize_t relay_pass(struct relay *, const void *head, size_t head_length, size_t length);

#endif
