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

	vsnprintf(line, sizeof(line), format, arguments);
	text_clean(line);
	memcpy(error->text, line, strlen(line) + 1);
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

/*
 * The bytes of the character that text begins with; 0 for a control character, and for what is
 * not UTF-8: overlong forms, surrogates and numbers beyond U+10FFFF included.
 */
static size_t
character_length(const char *text)
{
	const unsigned char *byte = (const unsigned char *)text;
	unsigned low = 0x80, high = 0xbf;
	size_t length, i;

	if (byte[0] < 0x80)
		return byte[0] >= ' ' && byte[0] != 0x7f ? 1 : 0;
	if (byte[0] < 0xc2 || byte[0] > 0xf4)
		return 0;
	length = byte[0] < 0xe0 ? 2 : byte[0] < 0xf0 ? 3 : 4;
	switch (byte[0]) {
	case 0xc2: low = 0xa0; break;
	case 0xe0: low = 0xa0; break;
	case 0xed: high = 0x9f; break;
	case 0xf0: low = 0x90; break;
	case 0xf4: high = 0x8f; break;
	}
	if (byte[1] < low || byte[1] > high)
		return 0;
	for (i = 2; i < length; i++)
		if (byte[i] < 0x80 || byte[i] > 0xbf)
			return 0;
	return length;
}

void
text_clean(char *text)
{
	size_t length;

	while (*text != '\0') {
		length = character_length(text);
		if (length == 0) {
			*text = '?';
			length = 1;
		}
		text += length;
	}
}

void
text_escape(char *out, size_t size, const unsigned char *text, size_t length)
{
	size_t i;

	for (i = 0; i < length && i + 1 < size; i++)
		out[i] = text[i] >= ' ' && text[i] < 0x7f ? (char)text[i] : '?';
	out[i] = '\0';
}
