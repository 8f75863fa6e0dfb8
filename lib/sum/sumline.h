/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sumline: lines of checksum files as md5sum(1), sha256sum(1), xxh128sum(1) and BSD's
 * md5(1) write and read them.
 */
#ifndef SUMLINE_H
#define SUMLINE_H

#include <stdbool.h>
#include <stdio.h>

#include "hash/checksum.h"
#include "pipe/input.h"

/* A longer line is none: no path that can be opened needs that much. */
#define SUMLINE_MAX	16384

struct sumline {
	enum checksum_kind kind;
	char digits[CHECKSUM_HEX];	/* lower case */
	char *name;			/* points into the line that was parsed, unescaped there */
};

/*
 * Print a digest and the file's name.  A name with a backslash, newline or carriage
 * return is escaped, and the line then begins with a backslash.  binary prints the
 * star that md5sum -b prints; tag makes a BSD line.  On a terminal a control character is
 * a '?'; elsewhere the name stays as it is, so that the line can be checked.  zero ends the
 * line with a zero byte instead, and escapes nothing.
 */
#define SUMLINE_BINARY	1u
#define SUMLINE_TAG	2u
#define SUMLINE_ZERO	4u
void sumline_print(FILE *, enum checksum_kind, const char *digits, const char *name, unsigned form);

/* Print "name: verdict", the name as on a terminal. */
void sumline_print_verdict(FILE *, const char *name, const char *verdict);

/* How to parse the lines of a list; the caller sets whatever it knows at the beginning. */
struct sumline_style {
	bool has_bare;			/* a bare digest is of kind bare; else its length decides */
	enum checksum_kind bare;
	bool seen, one_blank;		/* the first line has told how many blanks stand before names */
	const char *foreign;		/* the format of a line that was refused, if known; else NULL */
};

/*
 * Parse a line without its newline, which is changed.  Where the first line of a list has one blank
 * before the name, as md5 -r of BSD writes it, a second one begins a name.  False: no checksum line.
 */
bool sumline_parse(char *line, struct sumline_style *, struct sumline *);

enum sumline_found {
	SUMLINE_SUM, SUMLINE_COMMENT, SUMLINE_MALFORMED, SUMLINE_END, SUMLINE_ERROR
};

/*
 * Read and parse the next line of a list, in room for SUMLINE_MAX bytes.  Lines may end
 * in CR LF; empty ones are comments.  SUMLINE_ERROR with errno set: reading failed.
 */
enum sumline_found sumline_read(struct input *, char *room, struct sumline_style *, struct sumline *);

#endif
