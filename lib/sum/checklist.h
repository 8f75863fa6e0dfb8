/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * checklist: the files of a list of digests, checked as md5sum -c checks them.
 *
 * Nothing is printed here: the results go to the caller, in the order of the list.  One
 * thread.
 */
#ifndef CHECKLIST_H
#define CHECKLIST_H

#include <stdbool.h>

#include "base/error.h"
#include "hash/checksum.h"
#include "pipe/input.h"
#include "sum/tally.h"

/* The subject of a text for standard error. */
enum checklist_about {
	CHECKLIST_TROUBLE,	/* a file, or the whole list, could not be read */
	CHECKLIST_LINE,		/* a line that is not a digest's */
	CHECKLIST_SUMMARY	/* the result of the whole list */
};

struct checklist {
	bool has_kind;			/* a bare digest is of kind; else its length decides */
	enum checksum_kind kind;
	bool ignore_missing;		/* a file that does not exist is no failure */
	bool strict;			/* a malformed line is one */

	/* The digest of a file that is named in the list.  False: error is filled. */
	bool (*digest)(void *context, const char *name, enum checksum_kind,
	    char digits[CHECKSUM_HEX], struct error *);
	/* "OK", "FAILED" or more, of the file. */
	void (*verdict)(void *context, const char *name, const char *verdict, bool good);
	void (*say)(void *context, enum checklist_about, const char *text);
	void *context;

	struct tally total;		/* of all lists that were checked */
};

/* Check one list.  False: it is no list, could not be read, or nothing in it was verified. */
bool checklist_run(struct checklist *, struct input *);

#endif
