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
 * Print the help (option 'h') or the version ('V') to standard output.  Returns the status to exit
 * with: 0, or 2 with a message if it could not be printed.
 */
int help_print(const struct help *, int option);

/* Print the line of usage, which names --help, to standard error: getopt_long(3) said what is wrong. */
void help_usage(const struct help *);

/* Say what is wrong with the command line, then the same. */
void help_wrong(const struct help *, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define help_errx(help, ...)	(help_wrong(help, __VA_ARGS__), exit(2))

#endif
