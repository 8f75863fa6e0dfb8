/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * error: a message that names the file, the byte and the reason.
 *
 * Modules fill one and return false; only filters print it.  The first error wins: filling a
 * struct that already holds one changes nothing.
 */
#ifndef ERROR_H
#define ERROR_H

#include <stdbool.h>
#include <stddef.h>

struct error {
	bool set;
	int number;		/* errno value, 0 if none applies */
	char text[1024];	/* one line, no newline, no terminal escapes */
};

/* Both return false, so that a caller can return what they return. */
bool error_set(struct error *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Appends ": " and strerror(errno). */
bool error_errno(struct error *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Copy text from a stream for display: at most size - 1 bytes, with a '?' for every byte
 * that is not printable ASCII.
 */
void text_escape(char *out, size_t size, const unsigned char *text, size_t length);

/*
 * Make a text fit for a terminal, in place: each byte of a control character (below ' ', DEL,
 * U+0080 to U+009F) and each that is not UTF-8 becomes a '?'.
 */
void text_clean(char *text);

#endif
