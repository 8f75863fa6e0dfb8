/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * help: what --help, --version and a wrong command line print, in all filters alike.
 *
 * The texts are in files of this room, one for each filter; t/project/help.bats holds them against the
 * manuals.  As warn.h does, this prints for the filters, and leaves it to them to exit.
 */
#ifndef HELP_H
#define HELP_H

struct help {
	const char *usage;	/* one line: "blkread [option ...] file" */
	const char *text;	/* of --help, whole */
};

extern const struct help help_blkread, help_blkzip, help_blkmeter, help_blkfan, help_blkwrite, help_blkdiff,
    help_blksum;

/* The letters and names of getopt_long(3) that all filters have. */
#define HELP_LETTERS	"hV"
#define HELP_NAMES	{ "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'V' }

/* The last lines of each list of options. */
#define HELP_OPTIONS \
	"  -h, --help                  print this text\n" \
	"  -V, --version               print the version, and what is built in\n"

/*
 * Handle a result of getopt_long(3) that is none of the filter's own options.  'h' prints the help and 'V'
 * the version to standard output; '?', after which getopt_long has reported the mistake, prints the line of
 * usage, which names --help, to standard error.  Returns the exit status: 0, or 2, also if standard output
 * cannot be written.
 */
int help_answer(const struct help *, int option);

/* Say what is wrong with the command line, then the line of usage. */
void help_wrong(const struct help *, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define help_errx(help, ...)	(help_wrong(help, __VA_ARGS__), exit(2))

#endif
