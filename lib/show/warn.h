/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * warn: err(3) and warn(3) whose text does nothing to a terminal.
 *
 * Messages have names of files in them, which may have been made by anybody; see text_clean() in
 * base/error.h.  A message is one write(2) of at most WARN_MAX bytes.  These are called on any
 * thread.
 */
#ifndef WARN_H
#define WARN_H

#include <stdbool.h>

#define WARN_MAX	4096

/* Print "program: text", then ": " and the description of number unless that is negative. */
void warn_print(int number, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define warn(...)		warn_print(errno, __VA_ARGS__)
#define warnx(...)		warn_print(-1, __VA_ARGS__)
#define err(status, ...)	(warn_print(errno, __VA_ARGS__), exit(status))
#define errx(status, ...)	(warn_print(-1, __VA_ARGS__), exit(status))

#endif
