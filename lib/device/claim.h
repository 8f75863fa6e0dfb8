/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * claim: what is written is nobody else's.
 *
 * The kernel knows who has mounted, mapped or claimed a block device.  It does not
 * know of a running QEMU, nor that a file is the disk of a loop device: those are
 * looked for here.  Each function returns false, or -1, and fills the error.
 */
#ifndef CLAIM_H
#define CLAIM_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/error.h"

/*
 * Open a block device, as its only user, or a regular file for reading and writing,
 * and fill status.  -1 with error->number ENOENT: there is nothing of that name.
 */
int claim_open(const char *path, struct stat *status, struct error *);

/*
 * Lock the bytes that QEMU locks in its images, so that a running QEMU or a second
 * blkwrite is met now and kept off until fd is closed.  What cannot be locked at all
 * is let pass.
 */
bool claim_image_lock(int fd, const char *name, struct error *);

/* Refuse what a loop device shows to others. */
bool claim_unattached(const struct stat *, const char *name, struct error *);

/* Refuse what standard input reads from. */
bool claim_not_input(const struct stat *, const char *name, struct error *);

#endif
