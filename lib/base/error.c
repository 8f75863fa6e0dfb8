/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

static void error_fill(struct error *, const char *, va_list)
    __attribute__((format(printf, 2, 0)));

static void
error_fill(struct error *error, const char *format, va_list arguments)
{
	char line[sizeof(error->text)];
	size_t i;

	vsnprintf(line, sizeof(line), format, arguments);
	for (i = 0; line[i] != '\0'; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	memcpy(error->text, line, i + 1);
	error->set = true;
}

bool
error_set(struct error *error, const char *format, ...)
{
	va_list arguments;

	if (error->set)
		return false;
	va_start(arguments, format);
	error_fill(error, format, arguments);
	va_end(arguments);
	error->number = 0;
	return false;
}

bool
error_errno(struct error *error, const char *format, ...)
{
	int number = errno;
	va_list arguments;
	size_t used;

	if (error->set)
		return false;
	va_start(arguments, format);
	error_fill(error, format, arguments);
	va_end(arguments);
	used = strlen(error->text);
	snprintf(error->text + used, sizeof(error->text) - used, ": %s", strerror(number));
	error->number = number;
	errno = number;
	return false;
}

void
text_escape(char *out, size_t size, const unsigned char *text, size_t length)
{
	size_t i;

	for (i = 0; i < length && i + 1 < size; i++)
		out[i] = text[i] >= ' ' && text[i] < 0x7f ? (char)text[i] : '?';
	out[i] = '\0';
}
