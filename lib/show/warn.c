/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "show/warn.h"

void
warn_print(int number, const char *format, ...)
{
	char text[WARN_MAX];
	int saved = errno;
	va_list arguments;
	size_t used;

	snprintf(text, sizeof(text) - 1, "%s: ", program_invocation_short_name);
	used = strlen(text);
	va_start(arguments, format);
	vsnprintf(text + used, sizeof(text) - 1 - used, format, arguments);
	va_end(arguments);
	used = strlen(text);
	if (number >= 0)
		snprintf(text + used, sizeof(text) - 1 - used, ": %s", strerror(number));
	text_clean(text);
	used = strlen(text);
	text[used++] = '\n';
	(void)!write_full(STDERR_FILENO, text, used);
	errno = saved;
}
