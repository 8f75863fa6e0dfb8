/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * error: what went wrong, in words that name the file, the byte and the reason.
 *
 * Modules fill one and return false; only filters print it.  The first error
 * wins: filling a struct that already holds one changes nothing.
 */
#ifndef ERROR_H
#define ERROR_H

#include <stdbool.h>
#include <stddef.h>

struct error {
	bool set;
	int number;		/* errno value, 0 where none applies */
	char text[1024];	/* one line, no newline, no terminal escapes */
};

/* Both return false, so that a caller can return what they return. */
bool error_set(struct error *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Appends ": " and strerror(errno). */
bool error_errno(struct error *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Copy text from a stream for display: at most size - 1 bytes, whatever is no
 * printable ASCII written as '?'.
 */
void text_escape(char *out, size_t size, const unsigned char *text, size_t length);

#endif
