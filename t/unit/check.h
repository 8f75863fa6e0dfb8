/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * check: what the unit tests share.  A test is a main() that checks, and ends with
 * return check_done(); each check that fails prints its place, and the rest go on.
 */
#ifndef CHECK_H
#define CHECK_H

#include <err.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static unsigned check_failures;

/* The current case, printed with each failure: the row of a table, for example. */
static const char *check_case = "";

__attribute__((unused)) static bool
check_that(bool holds, const char *what, const char *file, int line)
{
	if (!holds) {
		fprintf(stderr, "%s:%d: %s%s%s\n", file, line, check_case, *check_case ? ": " : "",
		    what);
		check_failures++;
	}
	return holds;
}

__attribute__((unused)) static void
check_number(uintmax_t have, uintmax_t want, const char *what, const char *file, int line)
{
	if (have == want)
		return;
	check_that(false, what, file, line);
	fprintf(stderr, "\thave %ju (%#jx)\n\twant %ju (%#jx)\n", have, have, want, want);
}

__attribute__((unused)) static void
check_text(const char *have, const char *want, const char *what, const char *file, int line)
{
	if (strcmp(have, want) == 0)
		return;
	check_that(false, what, file, line);
	fprintf(stderr, "\thave \"%s\"\n\twant \"%s\"\n", have, want);
}

#define CHECK(condition) \
	check_that((condition), #condition, __FILE__, __LINE__)
#define CHECK_NUMBER(have, want) \
	check_number((uintmax_t)(have), (uintmax_t)(want), #have, __FILE__, __LINE__)
#define CHECK_TEXT(have, want) \
	check_text((have), (want), #have, __FILE__, __LINE__)

/* A file in memory that holds these bytes, read from its start. */
__attribute__((unused)) static int
check_file(const void *data, size_t length)
{
	int fd = memfd_create("check", MFD_CLOEXEC);

	if (fd == -1 || write(fd, data, length) != (ssize_t)length || lseek(fd, 0, SEEK_SET) != 0)
		err(2, "memfd");
	return fd;
}

__attribute__((unused)) static void
check_pipe(int ends[2])
{
	if (pipe(ends) != 0)
		err(2, "pipe");
}

__attribute__((unused)) static int
check_done(void)
{
	if (check_failures > 0)
		fprintf(stderr, "%u checks failed\n", check_failures);
	return check_failures > 0;
}

#endif
