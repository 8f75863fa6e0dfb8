/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lock: flock(2) on devices and files, for those that read and the one that writes.
 *
 * By convention a program that changes a disk holds LOCK_EX on its node, and udev leaves the
 * disk alone meanwhile.  Here a reader holds LOCK_SH and the writer LOCK_EX, so a disk that is
 * still being read is not overwritten, with any programs between the two.  A lock is on a
 * node, not on a device: where a device has another node, the one under /dev that the kernel
 * names is locked as well.
 *
 * A lock that the process was started under, by flock(1) or "udevadm lock", is taken for its own.
 *
 * Locks are held as long as the process lives, or until fd is closed.  Where a file system
 * has no such locks, nothing is locked and nothing is reported.  One thread at a time.
 */
#ifndef LOCK_H
#define LOCK_H

#include <stdbool.h>

enum lock_state {
	LOCK_OURS,		/* it is ours, or there are no locks here */
	LOCK_READER,		/* another program reads it, or a device that shares its bytes */
	LOCK_WRITER		/* another program holds it for writing */
};

/* Hold LOCK_SH.  Does not wait. */
enum lock_state lock_for_reading(int fd);

/*
 * Hold LOCK_EX; of a device also on all that shares its bytes (layers.h): the disk of a partition,
 * the partitions of a disk, the devices below a loop, device-mapper or md device, and other devices
 * that map the same part of those.  On devices it waits LOCK_PATIENCE for udev, which
 * holds LOCK_SH while it looks at a new one.  LOCK_READER: only LOCK_SH is held.
 */
#define LOCK_PATIENCE	5	/* seconds */
enum lock_state lock_for_writing(int fd);

#endif
