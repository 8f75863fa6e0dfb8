/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * stack: how block devices stand on each other, by sysfs.
 *
 * Devices are known by major:minor, for one device may have several nodes, and a container
 * nodes of its own.  Sizes and offsets are bytes.  Nothing is changed.  Any thread.
 */
#ifndef STACK_H
#define STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/error.h"

/*
 * The path of a block device's node under /dev, at most size bytes.  False: error is
 * filled.
 */
bool stack_path(dev_t, char *path, size_t size, struct error *);

/* Open that node for reading.  -1: there is none, or it cannot be opened. */
int stack_open(dev_t);

/* If the device is a partition: its disk, and where on that it begins. */
bool stack_partition(dev_t, dev_t *disk, uint64_t *start);

/*
 * If the device is a loop device: the file or device behind it, where in that it begins, and
 * the path, which may name another file by now, or none in this mount namespace.  Path has
 * size bytes and may be NULL.
 */
bool stack_loop(dev_t, struct stat *backing, uint64_t *start, char *path, size_t size);

/* The devices that one is made of; at most max of them. */
size_t stack_slaves(dev_t, dev_t *list, size_t max);

#endif
