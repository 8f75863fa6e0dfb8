/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * claim: makes sure that nobody else uses the file or device that will be written.
 *
 * The kernel refuses a block device that is mounted, mapped or claimed.  It does not
 * know of a running QEMU, nor that a file backs a loop device: that is checked here.
 * Each function returns false, or -1, and fills the error.
 */
#ifndef CLAIM_H
#define CLAIM_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/error.h"

/*
 * Open a block device exclusively, or a regular file or /dev/null, for reading and writing, and
 * fill status.  -1 with error->number ENOENT: the path does not exist; EBUSY: it is in use.
 */
int claim_open(const char *path, struct stat *status, struct error *);

/*
 * Lock the bytes that QEMU locks in its images: fails, with error->number EBUSY, if a QEMU or another blkwrite uses
 * the file, and keeps them out until fd is closed.  Succeeds where there are no locks.
 */
bool claim_image_lock(int fd, const char *name, struct error *);

/* Whether it is /dev/null, by whatever name. */
bool claim_is_null(const struct stat *);

/* Refuse a file or device that backs a loop device. */
bool claim_unattached(const struct stat *, const char *name, struct error *);

/* Refuse the file or device that is our standard input. */
bool claim_not_input(const struct stat *, const char *name, struct error *);

/* Refuse to create a file at this path: under /dev, or through a link that points nowhere. */
bool claim_may_create(const char *path, struct error *);

/* Create it, empty, for reading and writing. */
int claim_create(const char *path, struct error *);

#endif
