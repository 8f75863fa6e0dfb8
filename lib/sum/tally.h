/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tally: the counts of a check of a list of digests, and the messages about them, in the
 * words of md5sum(1), which scripts parse.
 */
#ifndef TALLY_H
#define TALLY_H

#include <stdbool.h>
#include <stdint.h>

struct tally {
	uint64_t lines;
	uint64_t sums;			/* lines with a digest */
	uint64_t malformed;		/* neither a digest nor a comment */
	const char *foreign;		/* the kind of digest that such a line has; NULL: none is known */
	uint64_t matched, mismatched, unreadable;	/* files; missing ones may be in none */
};

#define TALLY_WARNINGS	3
#define TALLY_TEXT	80

/* Add the files of one list to those of all. */
void tally_add(struct tally *all, const struct tally *);

/* Files that were looked at. */
uint64_t tally_files(const struct tally *);

/* A warning by its number, from 0 to TALLY_WARNINGS - 1.  False: there is no cause for it. */
bool tally_warning(const struct tally *, unsigned number, char text[TALLY_TEXT]);

#endif
