/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * flow: moves bytes from one descriptor to another, inside the kernel where one of
 * them is a pipe and nobody needs to see them, and through a ring in memory on demand.
 *
 * Whoever waits for input also watches that the reader of the output is still there.
 */
#ifndef FLOW_H
#define FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FLOW_LOOK	4096

struct ring;

struct flow {
	int in, out;
	bool spliced;			/* splice(2) has not been refused so far */
	unsigned char *buffer;		/* for what is not spliced */
	bool looks;			/* tee(2) neither */
	int side[2];			/* the pipe that it copies to */
	size_t pending;			/* bytes that were looked at and are still in the pipe */
	struct ring *ring;		/* NULL without */
	bool output_failed;		/* the last error was the output's */
};

/*
 * Start, and widen what is a pipe.  ring_size is 0, or that of the ring, which a
 * thread begins to fill.  False with errno set.
 */
bool flow_open(struct flow *, int in, int out, size_t ring_size);

/* Free what flow_open made.  Not with a ring: its thread ends with the process. */
void flow_close(struct flow *);

/*
 * Look at up to length of the next bytes, at most FLOW_LOOK.  They pass on, too: now,
 * or with what the next call passes, which is better than to wake a reader for a few
 * bytes.  There must be a next call.  Waits until something comes, at most timeout
 * milliseconds (-1 for ever).  Returns how many; 0 at end of file; -1 with errno set:
 * EPIPE where nobody reads the output any more, ETIMEDOUT after silence.
 */
ssize_t flow_look(struct flow *, void *data, size_t length, int timeout);

/* Pass on up to length bytes unseen; returns how many, as flow_look does. */
ssize_t flow_pass(struct flow *, size_t length, int timeout);

#endif
