/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sysfs: reads the kernel's data on block devices from files below /sys.
 *
 * sys is where it is mounted, SYSFS, or a folder like it; a folder is named from there.
 * Any thread may call these.
 */
#ifndef SYSFS_H
#define SYSFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SYSFS	"/sys"

/* The folder of a block device: "dev/block/8:1". */
#define SYSFS_FOLDER	64
void sysfs_folder(dev_t, char folder[SYSFS_FOLDER]);

/*
 * The first line of a file, without its newline; the file's name is made from format.  False:
 * it cannot be read, or is empty.
 */
bool sysfs_line(const char *sys, char *line, int size, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A decimal number that is all of a file.  False: there is none. */
bool sysfs_number(const char *sys, const char *folder, const char *name, uint64_t *number);

/* The device number in a folder's file dev. */
bool sysfs_device(const char *sys, const char *folder, dev_t *);

#endif
