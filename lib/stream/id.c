/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pipe/input.h"
#include "stream/id.h"

static int
hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *p = c == '\0' ? NULL : strchr(digits, tolower((unsigned char)c));

	return p == NULL ? -1 : (int)(p - digits);
}

static bool
id_parse(const char *text, unsigned char id[STREAM_ID_SIZE])
{
	size_t i;

	for (i = 0; i < STREAM_ID_SIZE; i++) {
		int high = hex_digit(text[2 * i]);
		int low = high == -1 ? -1 : hex_digit(text[2 * i + 1]);

		if (low == -1)
			return false;
		id[i] = (unsigned char)(high << 4 | low);
	}
	text += 2 * STREAM_ID_SIZE;
	return text[strspn(text, " \t\r\n")] == '\0';
}

/* False: the file cannot be read, or holds no id. */
static bool
id_load_file(const char *path, unsigned char id[STREAM_ID_SIZE], struct error *error)
{
	struct input input;
	char text[128];
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd == -1)
		return error_errno(error, "%s", path);
	input_open(&input, fd, -1, path);
	n = input_read(&input, text, sizeof(text));
	if (n == -1)
		error_errno(error, "%s", path);
	close(fd);
	if (n == -1)
		return false;
	if ((size_t)n < sizeof(text)) {
		text[n] = '\0';
		if (strlen(text) == (size_t)n && id_parse(text, id))
			return true;
	}
	return error_set(error, "%s: not an id of 32 hexadecimal digits", path);
}

bool
id_load(const char *argument, unsigned char id[STREAM_ID_SIZE], struct error *error)
{
	const char *value;

	if (argument[0] == '@')
		return id_load_file(argument + 1, id, error);
	if (strncmp(argument, "env:", 4) != 0)
		return error_set(error, "--id: an id is given as @FILE or env:NAME, "
		    "since ps(1) shows the command line");
	value = getenv(argument + 4);
	if (value == NULL)
		return error_set(error, "%s: not in the environment", argument + 4);
	return id_parse(value, id) ||
	    error_set(error, "%s: not an id of 32 hexadecimal digits", argument + 4);
}
