/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "help/help.h"
#include "help/version.h"
#include "show/warn.h"

static void
print_usage(const struct help *help)
{
	fprintf(stderr, "usage: %s; --help explains the options\n", help->usage);
}

int
help_answer(const struct help *help, int option)
{
	char version[VERSION_SIZE];

	if (option != 'h' && option != 'V') {
		print_usage(help);
		return 2;
	}
	fputs(option == 'V' ? version_text(version, sizeof(version)) : help->text, stdout);
	if (fflush(stdout) == EOF || ferror(stdout) || close(STDOUT_FILENO) == -1) {
		warn("standard output");
		return 2;
	}
	return 0;
}

void
help_wrong(const struct help *help, const char *format, ...)
{
	char text[WARN_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	warnx("%s", text);
	print_usage(help);
}
