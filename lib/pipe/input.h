/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * input: a buffered reader of a pipe that can look ahead, and that stops when the reader of
 * its results is gone.
 *
 * Large reads go straight to the caller's memory; up to INPUT_AHEAD bytes behind them come
 * along in the same system call.  One thread at a time may use it.
 */
#ifndef INPUT_H
#define INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define INPUT_AHEAD	4096

struct input {
	int fd;
	int watch;		/* -1, or the descriptor that the results go to */
	int timeout;		/* -1, or milliseconds of silence until ETIMEDOUT */
	const char *name;	/* for messages; the caller's */
	uint64_t position;	/* bytes handed out so far */
	double waited;		/* seconds spent in reads and polls */
	bool eof;
	size_t start, end;
	unsigned char ahead[INPUT_AHEAD];
};

/*
 * Start on fd, and widen it if it is a pipe.  If watch is a pipe or socket whose reader is
 * gone, a blocking read fails with EPIPE instead of waiting on.
 */
void input_open(struct input *, int fd, int watch, const char *name);

/*
 * Open the file of that name, "-" is standard input, and start on it.  False with errno set.
 */
bool input_open_file(struct input *, const char *name, int watch);

/* Close the descriptor, unless it is standard input. */
void input_close(struct input *);

/* Read length bytes; fewer only at end of file.  -1 with errno set. */
ssize_t input_read(struct input *, void *data, size_t length);

/*
 * Look at the next bytes without taking them: up to length (at most INPUT_AHEAD),
 * fewer only at end of file.  *data lives until the next call.
 */
ssize_t input_peek(struct input *, size_t length, const unsigned char **data);

/*
 * Read a line into text, without its newline and with a final 0.  Returns its length; size
 * if it is longer than size - 1 bytes, and then the rest of it was skipped; -1 at end of
 * file (errno 0) or with errno set.
 */
ssize_t input_line(struct input *, char *text, size_t size);

/*
 * After the last expected byte: wait up to milliseconds for end of file.  0 end of
 * file, 1 more bytes came, 2 silence; -1 with errno set.
 */
int input_finish(struct input *, int milliseconds);

#endif
