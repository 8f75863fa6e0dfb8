/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * wait: wait for input, and notice meanwhile that nobody reads the output any more.
 *
 * Without that a filter whose reader has gone would wait for ever on an input that stays
 * silent.  Any thread.
 */
#ifndef WAIT_H
#define WAIT_H

#include <stdbool.h>

/*
 * Wait until a read of in would not block: bytes, end of file, or an error.  output is the
 * descriptor that the results go to, or -1; timeout is milliseconds, -1 for ever.  1: ready;
 * 0: silence, errno is ETIMEDOUT; -1 with errno set, EPIPE where output's reader has gone.
 */
int wait_input(int in, int output, int timeout);

/* Wait until a write to out would not block.  False with errno set. */
bool wait_output(int out);

/* True if fd is a pipe or a FIFO. */
bool is_pipe(int fd);

#endif
