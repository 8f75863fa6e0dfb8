/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * container: files that hold a disk without being one, by their first bytes.  Only container_of reads
 * a file, and leaves its first page in the page cache.
 *
 * Copying one of these as if it were a disk is nearly always a mistake: the reader of the copy wants
 * the disk in it.
 */
#ifndef CONTAINER_H
#define CONTAINER_H

#include <stdbool.h>
#include <stddef.h>

/* So many of the first bytes tell all of them. */
#define CONTAINER_LOOK	128

struct container {
	const char *name;	/* "a qcow2 image" */
	const char *unpack;	/* the command that gives what is in it: "xz -dc"; NULL for a stream */
	bool stream;		/* a block stream */
	bool image;		/* a disk image for virtual machines */
	size_t at;		/* where its magic is */
	const char *magic;
	size_t length;		/* of the magic */
};

/* Which of them begins like that; NULL for any other bytes. */
const struct container *container_find(const void *bytes, size_t length);

/*
 * The same of a regular file that is open for reading, whose position stays.  NULL also if it cannot
 * be read.
 */
const struct container *container_of(int fd);

#endif
