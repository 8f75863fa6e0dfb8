/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * behind: the files that a disk lies on, by loop devices, whose page cache is between the
 * disk and its medium.
 *
 * O_DIRECT on a loop device bypasses the cache of that device, not the one of the file that
 * it is attached to; and a logical volume or a file system may lie on a loop device.  One
 * thread at a time.
 */
#ifndef BEHIND_H
#define BEHIND_H

#include <stdbool.h>

#include "base/error.h"
#include "device/fresh.h"

#define BEHIND_MAX	16

struct behind {
	int fds[BEHIND_MAX];	/* open for reading, the uppermost first */
	unsigned count;
	bool hidden;		/* there are others that could not be opened */
};

/* Find and open those of a device or a file. */
void behind_open(struct behind *, int fd);

/* Those of a file that does not exist yet. */
void behind_open_folder(struct behind *, const char *path);

/* One that is known to the caller, as the image that a server of FUSE shows.  False: error is filled. */
bool behind_add(struct behind *, const char *path, struct error *);
void behind_close(struct behind *);

/*
 * Flush and drop them all (fresh_drop).  Returns the worst of what they are; one that is in
 * memory counts as a medium, for its pages are never wrong.
 */
enum fresh behind_drop(const struct behind *, int *lost);

#endif
