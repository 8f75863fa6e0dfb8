/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * confine: gives up what a filter no longer needs, before it reads what others wrote.
 *
 * A filter parses bytes that it does not trust.  If a fault let them take it over, they would
 * have all that its user may do, and that is often root.  With Landlock (landlock(7), Linux 5.13)
 * a thread gives up for ever to open, create or remove what the rules do not name, to start
 * programs, to connect or listen by TCP, and to trace, signal or look into processes that are
 * not confined like it.  What is open stays open.
 *
 * It holds for the calling thread and for those that it creates afterwards, so call it before
 * there are others, or before those that parse.  It may be called again: then both sets of
 * rules hold.  Two things follow for code that runs later:
 *
 *  - a path that it opens must be named by a rule of the filter, else it fails with EACCES.
 *    stat(2), readlink(2) and access(2) are not restricted, nor is anything done by a descriptor;
 *  - the links in /proc/PID/fd of other processes cannot be followed under any rule, because
 *    the kernel counts that as tracing.
 */
#ifndef CONFINE_H
#define CONFINE_H

#include <stdbool.h>
#include <stddef.h>

/* The accesses allowed to a path and, if it is a folder, to everything below it. */
enum confine_may {
	CONFINE_READ = 1,	/* open it for reading, list it */
	CONFINE_WRITE = 2,	/* open it for writing, truncate it; ioctl(2) on devices */
	/* With all that is beneath the folder that contains the path: */
	CONFINE_CREATE = 4,	/* create regular files, open them in any way, and remove them */
	CONFINE_REMOVE = 8	/* remove files */
};

struct confine_rule {
	const char *path;	/* followed if it is a symbolic link; NULL: no rule */
	unsigned may;		/* of enum confine_may */
};

/*
 * Allow only what the rules say.  A path that does not exist, or cannot be opened, is no rule.
 * True: it is in force.  False with errno set: the kernel cannot do it, and nothing is given up.
 * Filters ignore that: it is a second line of defence, and none of their promises rests on it.
 */
bool confine_paths(const struct confine_rule *, size_t count);

/* Whether the kernel can do it. */
bool confine_possible(void);

/* Allow reading of all files, and nothing else. */
bool confine_reading(void);

/* Allow no path at all. */
bool confine_wholly(void);

#endif
