/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * plain: the disk in a block stream as plain bytes, in order, zeros too, for programs that know no
 * streams.
 *
 * Every check of blkwrite is made, but nothing can be held back: only the result tells whether what
 * has left was a whole disk.
 */
#ifndef PLAIN_H
#define PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "stream/intake.h"

struct plain {
	struct intake intake;		/* its end is that of the stream, once plain_run has returned true */
	struct input input;
	struct error *error;
	uint64_t written, zero;		/* bytes that have left, and zeros in blocks or holes of them */
	int write_errno;		/* writing failed */
};

/*
 * Read an image from standard input, with the id that is wanted (NULL: any), on so many threads, and
 * write it to standard output.  False: error is filled; with write_errno of EPIPE there is nothing to
 * say.  A thread may then still wait for input: plain must live as long as the process.
 */
bool plain_run(struct plain *, const char *id, unsigned jobs, struct error *);

/* The line of -v.  Returns out. */
char *plain_line(const struct plain *, double seconds, char *out, size_t size);

#endif
