/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * identity: identifies the disk behind a descriptor, under any name it was opened by.
 *
 * A stream carries it (blkstream(5), "Header"), so that a program that writes notices that it
 * would overwrite the disk that is still being read.  It holds for one host and until that
 * boots again: it is made of the boot id and of device numbers.  A partition is a part of its
 * disk, a mapped device in one piece a part of what is below it, and a loop device a part of what
 * is behind it.  Any thread.
 */
#ifndef IDENTITY_H
#define IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#define IDENTITY_SIZE	16

struct identity {
	bool known;
	unsigned char disk[IDENTITY_SIZE];	/* XXH3-128 of boot id and number; not all zero */
	uint64_t offset;	/* bytes from the beginning of that disk */
	uint64_t began;		/* seconds since the host booted, in steps; 0: not known */
};

/*
 * The disk that fd is open on, from offset on, now.  It is not known for a pipe, and where
 * the system does not say.
 */
void identity_find(struct identity *, int fd, uint64_t offset);

/*
 * The seconds since boot of an identity are in such steps: streams of one disk that were begun
 * with the same id are the same.
 */
#define IDENTITY_STEP	64

/* Seconds since the host booted; 0: not known. */
uint64_t identity_now(void);

/* Whether both are known to be of one disk; and whether two ranges of it share bytes. */
bool identity_same_disk(const struct identity *, const struct identity *);
bool identity_overlaps(const struct identity *a, uint64_t a_length, const struct identity *b,
    uint64_t b_length);

#endif
