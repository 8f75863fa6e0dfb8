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
 * a '?'; elsewhere the name stays as it is, so that the line can be checked.
 */
void sumline_print(FILE *, enum checksum_kind, const char *digits, const char *name, bool binary,
    bool tag);

/* Print "name: verdict", the name as on a terminal. */
void sumline_print_verdict(FILE *, const char *name, const char *verdict);

/*
 * Parse a line without its newline, which is changed.  A bare digest is of kind bare
 * if has_bare, else its length decides.  False: no checksum line.
 */
bool sumline_parse(char *line, bool has_bare, enum checksum_kind bare, struct sumline *);

enum sumline_found {
	SUMLINE_SUM, SUMLINE_COMMENT, SUMLINE_MALFORMED, SUMLINE_END, SUMLINE_ERROR
};

/*
 * Read and parse the next line of a list, in room for SUMLINE_MAX bytes.  Lines may end
 * in CR LF; empty ones are comments.  SUMLINE_ERROR with errno set: reading failed.
 */
enum sumline_found sumline_read(struct input *, char *room, bool has_bare,
    enum checksum_kind bare, struct sumline *);

#endif
