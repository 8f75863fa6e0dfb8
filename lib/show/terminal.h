/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * terminal: decides whether this process may draw on the terminal on standard error, and draws a line
 * apart from the output of other processes.  If standard error is not a terminal, all may write.
 */
#ifndef TERMINAL_H
#define TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

/*
 * True if this process may draw: it is in the foreground, and no other process holds the lock (fcntl(2),
 * byte 0 of the terminal's node).  It then holds the lock until terminal_release.
 */
bool terminal_claim(void);
void terminal_release(void);

/* False where a line would stop this process (SIGTTOU): in the background, with "stty tostop". */
bool terminal_welcome(void);

/*
 * Compose in out what draws text over the line of which so many columns were drawn before; columns
 * is the width of text, less than the terminal's.  What another program prints then begins on a line
 * of its own.  Returns the length, as snprintf(3) does.
 */
size_t terminal_draw(char *out, size_t size, const char *text, unsigned columns, unsigned drawn);

#endif
