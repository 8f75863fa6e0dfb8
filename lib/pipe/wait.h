/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * wait: wait for input, and notice meanwhile that the reader of the output is gone.
 *
 * Otherwise a filter whose reader is gone would wait for ever on a silent input.  Any
 * thread.
 */
#ifndef WAIT_H
#define WAIT_H

#include <stdbool.h>

/*
 * Wait until a read of in would not block: bytes, end of file, or an error. output is the
 * descriptor that the results go to, or -1; timeout is milliseconds, -1 for ever.  1: ready;
 * 0: silence, errno is ETIMEDOUT; -1 with errno set, EPIPE if output's reader is gone.
 */
int wait_input(int in, int output, int timeout);

/* Wait until a write to out would not block.  False with errno set. */
bool wait_output(int out);

/* True if fd is a pipe or a FIFO. */
bool is_pipe(int fd);

#endif
