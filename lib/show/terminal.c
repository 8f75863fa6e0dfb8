/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "show/line.h"
#include "show/terminal.h"

/* False for a process in the background. */
static bool
in_foreground(void)
{
	pid_t foreground = tcgetpgrp(STDERR_FILENO);

	return foreground == -1 || foreground == getpgrp();
}

bool
terminal_claim(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };

	if (!isatty(STDERR_FILENO))
		return true;
	if (!in_foreground())
		return false;
	return fcntl(STDERR_FILENO, F_SETLK, &lock) == 0 || (errno != EAGAIN && errno != EACCES);
}

void
terminal_release(void)
{
	struct flock lock = { .l_type = F_UNLCK, .l_whence = SEEK_SET, .l_len = 1 };

	if (isatty(STDERR_FILENO))
		(void)fcntl(STDERR_FILENO, F_SETLK, &lock);
}

bool
terminal_welcome(void)
{
	struct termios modes;

	return tcgetattr(STDERR_FILENO, &modes) == -1 || (modes.c_lflag & TOSTOP) == 0 || in_foreground();
}

/*
 * A blank in the last column makes a terminal go to the next line before the next character, and only
 * then: \r still goes back to the start of this one.  Where that is not known to work the cursor
 * waits in the first column.
 */
size_t
terminal_draw(char *out, size_t size, const char *text, unsigned columns, unsigned drawn)
{
	const char *kind = getenv("TERM");
	bool wraps = isatty(STDERR_FILENO) && kind != NULL && strcmp(kind, "dumb") != 0;
	unsigned end = wraps ? line_width(STDERR_FILENO) : drawn;

	if (end >= LINE_SIZE)
		end = LINE_SIZE - 1;
	return (size_t)snprintf(out, size, "\r%s%*s%s", text, end > columns ? (int)(end - columns) : 0,
	    "", wraps ? "" : "\r");
}
