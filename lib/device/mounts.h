/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mounts: finds users in the kernel of a disk, or of devices that share bytes with it: file
 * systems, swap, and Xen's domains.
 */
#ifndef MOUNTS_H
#define MOUNTS_H

#include <stdbool.h>
#include <stddef.h>

#include "device/layers.h"

struct mounts_found {
	const struct layer *layer;
	char where[256];	/* the mount point, the swap file, or the number of the domain */
};

/*
 * The first file system of a table like /proc/self/mountinfo that lies on one of the layers; with
 * writable, that is mounted read-write.  False: there is none.
 */
bool mounts_find(const char *table, const struct layers *, bool writable, struct mounts_found *);

/* The same for a table like /proc/swaps. */
bool mounts_find_swap(const char *table, const struct layers *, struct mounts_found *);

/* A domain's disk; with writable, one that the domain may write to. */
bool mounts_find_xen(const struct layers *, bool writable, struct mounts_found *);

#endif
