/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * flow: moves bytes from one descriptor to another: inside the kernel if one of them is a
 * pipe and the bytes need not be seen, or through a ring in memory on demand.
 *
 * While it waits for input, it also notices when the reader of the output is gone.
 */
#ifndef FLOW_H
#define FLOW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FLOW_LOOK	4096

struct ring;

struct flow {
	int in, out;
	const int *rest;		/* inputs that follow */
	unsigned rest_count;
	_Atomic unsigned index;		/* of the input at hand */
	bool spliced;			/* splice(2) has not been refused so far */
	unsigned char *buffer;		/* for bytes that are not spliced */
	bool looks;			/* tee(2) has not been refused so far */
	int side[2];			/* the pipe that tee copies to */
	size_t pending;			/* bytes that were looked at and are still in the pipe */
	struct ring *ring;		/* or NULL */
	bool output_failed;		/* the last error was of the output */
};

/*
 * Start, and widen both if they are pipes. ring_size is 0, or the size of the ring, which a
 * thread begins to fill.  False with errno set.
 */
bool flow_open(struct flow *, int in, int out, size_t ring_size);

/* The same of several inputs, at least one, read one after the other; they must live as long. */
bool flow_open_all(struct flow *, const int *ins, unsigned count, int out, size_t ring_size);

/* Free the resources of flow_open.  Not with a ring: its thread ends with the process. */
void flow_close(struct flow *);

/*
 * Look at up to length of the next bytes, at most FLOW_LOOK. They also pass on: now, or
 * together with the bytes of the next call, which saves waking the reader for a few bytes.
 * There must be a next call.  Waits until bytes come, at most timeout milliseconds (-1 for
 * ever).  Returns how many; 0 at end of file; -1 with errno set: EPIPE if the output's
 * reader is gone, ETIMEDOUT after silence.
 */
ssize_t flow_look(struct flow *, void *data, size_t length, int timeout);

/* Pass on up to length bytes unseen; returns how many, as flow_look does. */
ssize_t flow_pass(struct flow *, size_t length, int timeout);

#endif
