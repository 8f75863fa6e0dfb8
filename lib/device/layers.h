/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * layers: the block devices and files that share bytes with a disk.
 *
 * A disk is known by many names and numbers: a partition lies on a disk, a loop device on a
 * file, a logical volume on both, and each of them can be opened and written.  This finds
 * those that share bytes with a given range, by the kernel's lists in sysfs: devices and files
 * below the range, those above it, and loop devices and partitions that map the same bytes.
 * Two partitions of one disk share none.
 *
 * Devices above that only read are left out: a snapshot of device-mapper on its origin, and
 * a thin volume on its external origin.
 */
#ifndef LAYERS_H
#define LAYERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* One device or file.  The disk itself is the first. */
struct layer {
	dev_t device;		/* a block device's number; of a file, its file system's */
	ino_t inode;		/* of a file; 0 of a block device */
	bool below;		/* the disk lies on it, or it lies on such a one */
	bool loop;		/* a loop device that was attached to the disk, or to what lies on it */
	bool exact;		/* the range is known; else it may be anywhere in the layer */
	uint64_t start, end;	/* the bytes of the layer that are the disk's */
	bool up, down;		/* where the walk goes on */
};

struct layers {
	const char *sys;		/* where sysfs is mounted */
	struct layer *list;
	size_t count;
	struct layers_loop *loops;	/* all of this system, while the walk lasts */
	size_t loop_count;
};

/*
 * The layers of the bytes from start to end (UINT64_MAX: up to its end) of a block device or a
 * regular file.  sys is SYSFS, or a folder like it (sysfs.h).  False with errno set: there is no memory.
 * layers_free ends it in either case.
 */
bool layers_find(struct layers *, const char *sys, const struct stat *, uint64_t start, uint64_t end);
void layers_free(struct layers *);

/* The layer that is this block device, or this file; NULL: it is none of them. */
const struct layer *layers_device(const struct layers *, dev_t device);
const struct layer *layers_file(const struct layers *, dev_t device, ino_t inode);

/* A layer's name: "/dev/sda1", "/dev/mapper/vg-web", "the file behind it".  Returns out. */
char *layers_name(const struct layers *, const struct layer *, char *out, size_t size);

#endif
