/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * disk: a target in a file in its own folder, and checks of the file's contents.
 */
#ifndef DISK_H
#define DISK_H

#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/io.h"
#include "check.h"
#include "device/target.h"

static char folder[] = "/tmp/disk.XXXXXX";
static char name[64];
static struct target target;
static struct error error;

/* 8 MiB of that byte. */
static inline const unsigned char *
filled(int byte)
{
	static unsigned char bytes[8u << 20];

	memset(bytes, byte, sizeof(bytes));
	return bytes;
}

/* Make a file of size bytes that are all 0xaa, and open it as a target. */
static inline bool
begin(uint64_t size, struct target_options options)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd == -1 || !pwrite_full(fd, filled(0xaa), size, 0))
		err(2, "%s", name);
	close(fd);
	error = (struct error){ 0 };
	return target_open(&target, name, &options, &error);
}

static inline uint64_t
file_size(void)
{
	struct stat status;

	return stat(name, &status) == 0 ? (uint64_t)status.st_size : UINT64_MAX;
}

/* Whether length bytes of the file from at on are all the same. */
static inline bool
holds(uint64_t at, uint64_t length, int byte)
{
	unsigned char *seen = malloc(length);
	int fd = open(name, O_RDONLY);
	bool same = pread_full(fd, seen, length, at) == (ssize_t)length &&
	    memcmp(seen, filled(byte), length) == 0;

	close(fd);
	free(seen);
	return same;
}

static inline void
disk_folder(void)
{
	if (mkdtemp(folder) == NULL)
		err(2, "%s", folder);
	snprintf(name, sizeof(name), "%s/disk", folder);
}

/* The end of a test program: its exit status. */
static inline int
disk_done(void)
{
	unlink(name);
	if (rmdir(folder) != 0)
		err(2, "%s", folder);
	return check_done();
}

#endif
