/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * refuse: give broken files to a program, one by one, and see it refuse each.
 *
 *	refuse [-bmr] [-t target -o offset -l length] program [argument ...] -- file ...
 *
 * Refusing is status 2 and one line on stderr, of printable ASCII, that begins with the
 * program's name, within 20 seconds.
 *
 *	-b	the line names a byte of the stream
 *	-m	it may pass the file on instead, with status 0 or 2, but then as it is
 *	-r	it may pass on something with status 0, but then, as after refusing, what it
 *		wrote must be refused by "blkzip -t"
 *	-t	a file that is filled with 'x' before each, with as many bytes behind the range
 *		as lie in front of it; afterwards the range still holds 'x', or zeros where it
 *		does not, and nothing else has changed
 *
 * Status 0: all did; 1: what did not is printed.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/size.h"

#include <err.h>

#define OUTPUT_MAX	(32u << 20)

static bool byte_wanted, may_pass, may_recode;
static const char *target;
static uint64_t offset, length;
static int out, errors;
static unsigned failures;
static const char *tried;		/* the file */

static void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void
fail(const char *format, ...)
{
	va_list arguments;
	const char *slash = strrchr(tried, '/');

	printf("%s: ", slash != NULL ? slash + 1 : tried);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	failures++;
}

/* Run with input from fd 0 on; the status as of wait(2). */
static int
run(char **program, int input, int output)
{
	int status;
	pid_t child;

	if (ftruncate(errors, 0) != 0 || lseek(errors, 0, SEEK_SET) != 0 || ftruncate(output, 0) != 0 ||
	    lseek(output, 0, SEEK_SET) != 0 || lseek(input, 0, SEEK_SET) != 0)
		err(2, "seek");
	child = fork();
	if (child == -1)
		err(2, "fork");
	if (child == 0) {
		dup2(input, 0);
		dup2(output, 1);
		dup2(errors, 2);
		alarm(20);
		execvp(program[0], program);
		_exit(127);
	}
	if (waitpid(child, &status, 0) == -1)
		err(2, "wait");
	return status;
}

/* One line that begins with the program's name, or none; printed where it is otherwise. */
static bool
check_line(const char *program, bool wanted)
{
	char line[4096];
	ssize_t n = pread_full(errors, line, sizeof(line) - 1, 0);
	const char *name = strrchr(program, '/');
	bool good = true;

	name = name != NULL ? name + 1 : program;
	line[n > 0 ? n : 0] = '\0';
	for (ssize_t i = 0; i < n; i++)
		if (line[i] < ' ' || line[i] > '~')
			good = good && i == n - 1 && line[i] == '\n';
	if (n > 0)
		good = good && line[n - 1] == '\n' && strncmp(line, name, strlen(name)) == 0 &&
		    line[strlen(name)] == ':';
	if (wanted && (n <= 0 || (byte_wanted && strstr(line, "stream byte ") == NULL)))
		good = false;
	if (!good)
		fail("%s says \"%.300s\"", name, line);
	return good;
}

static void
check_refused(char **program, int input, int output)
{
	int status = run(program, input, output);

	if (!WIFEXITED(status) || WEXITSTATUS(status) != 2)
		fail("%s ends with %#x", program[0], status);
	else
		check_line(program[0], true);
}

static void
check_passed(char **program, int input)
{
	static unsigned char before[OUTPUT_MAX], after[OUTPUT_MAX];
	int status = run(program, input, out);
	ssize_t n = pread_full(input, before, sizeof(before), 0);

	if (!WIFEXITED(status) || (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 2))
		fail("%s ends with %#x", program[0], status);
	else if (pread_full(out, after, sizeof(after), 0) != n || memcmp(before, after, (size_t)n) != 0)
		fail("%s passes it on changed", program[0]);
	else
		check_line(program[0], WEXITSTATUS(status) == 2);
}

static void
check_recoded(char **program, int input)
{
	static char name[] = "blkzip", flag[] = "-t", *test[] = { name, flag, NULL };
	static int again = -1;
	int status = run(program, input, out);

	if (again == -1)
		again = memfd_create("again", MFD_CLOEXEC);
	if (!WIFEXITED(status) || (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 2))
		fail("%s ends with %#x", program[0], status);
	else if (check_line(program[0], WEXITSTATUS(status) == 2))
		check_refused(test, out, again);
}

static void
fill_target(int fd, unsigned char *bytes, size_t size)
{
	memset(bytes, 'x', size);
	if (ftruncate(fd, (off_t)size) != 0 || !pwrite_full(fd, bytes, size, 0))
		err(2, "%s", target);
}

static void
check_target(int fd, unsigned char *bytes, size_t size)
{
	size_t i, wrong = 0, wild = 0;

	if (lseek(fd, 0, SEEK_END) != (off_t)size || pread_full(fd, bytes, size, 0) != (ssize_t)size) {
		fail("the target has another size");
		return;
	}
	for (i = 0; i < size; i++)
		if (bytes[i] != 'x') {
			bool inside = i >= offset && i < offset + length;

			wild += !inside;
			wrong += inside && bytes[i] != 0;
		}
	if (wild > 0)
		fail("%zu bytes outside of the range were written", wild);
	if (wrong > 0)
		fail("%zu bytes of the range are neither as they were nor zero", wrong);
}

static void
try(char **program, const char *file)
{
	size_t size = (size_t)(2 * offset + length);
	unsigned char *bytes = target != NULL ? malloc(size) : NULL;
	int fd = target != NULL ? open(target, O_RDWR | O_CREAT, 0666) : -1;
	int input = open(file, O_RDONLY);

	if (input == -1)
		err(2, "%s", file);
	if (target != NULL && (fd == -1 || bytes == NULL))
		err(2, "%s", target);
	tried = file;
	if (target != NULL)
		fill_target(fd, bytes, size);
	if (may_pass)
		check_passed(program, input);
	else if (may_recode)
		check_recoded(program, input);
	else
		check_refused(program, input, out);
	if (target != NULL) {
		check_target(fd, bytes, size);
		close(fd);
	}
	free(bytes);
	close(input);
}

int
main(int argc, char **argv)
{
	char **program;
	int option, files = 0;

	while ((option = getopt(argc, argv, "+bmrt:o:l:")) != -1)
		switch (option) {
		case 'b': byte_wanted = true; break;
		case 'm': may_pass = true; break;
		case 'r': may_recode = true; break;
		case 't': target = optarg; break;
		case 'o': if (!size_parse(optarg, &offset)) err(2, "-o"); break;
		case 'l': if (!size_parse(optarg, &length)) err(2, "-l"); break;
		default: return 2;
		}
	program = argv + optind;
	while (optind < argc && strcmp(argv[optind], "--") != 0)
		optind++;
	if (optind >= argc - 1)
		errx(2, "no files");
	argv[optind++] = NULL;
	out = memfd_create("out", MFD_CLOEXEC);
	errors = memfd_create("errors", MFD_CLOEXEC);
	if (out == -1 || errors == -1)
		err(2, "memfd");
	for (; optind < argc; optind++, files++)
		try(program, argv[optind]);
	printf("%d files, %u failures\n", files, failures);
	return failures > 0;
}
