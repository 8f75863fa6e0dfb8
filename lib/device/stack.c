/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <dirent.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "device/stack.h"

#define SECTOR	512		/* of sysfs, with devices of any sector size */

/* Read the first line of a device's file in sysfs, without its newline. */
static bool
stack_line(dev_t device, const char *name, char *line, size_t size)
{
	char path[512];
	FILE *file;
	bool got;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s", major(device), minor(device), name);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	got = fgets(line, (int)size, file) != NULL;
	fclose(file);
	if (got)
		line[strcspn(line, "\n")] = '\0';
	return got;
}

static bool
stack_number(dev_t device, const char *name, dev_t *number)
{
	char line[64];
	unsigned high, low;

	if (!stack_line(device, name, line, sizeof(line)) ||
	    sscanf(line, "%u:%u", &high, &low) != 2)
		return false;
	*number = makedev(high, low);
	return true;
}

bool
stack_path(dev_t device, char *path, size_t size, struct error *error)
{
	char uevent[64], line[512];
	struct stat status;
	FILE *file;

	snprintf(uevent, sizeof(uevent), "/sys/dev/block/%u:%u/uevent", major(device), minor(device));
	file = fopen(uevent, "re");
	if (file == NULL)
		return error_errno(error, "%s", uevent);
	path[0] = '\0';
	while (fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, "DEVNAME=", 8) == 0) {
			line[strcspn(line, "\n")] = '\0';
			snprintf(path, size, "/dev/%s", line + 8);
		}
	fclose(file);
	if (path[0] == '\0' || stat(path, &status) == -1 || !S_ISBLK(status.st_mode) ||
	    status.st_rdev != device)
		return error_set(error, "%u:%u: no node under /dev", major(device), minor(device));
	return true;
}

int
stack_open(dev_t device)
{
	struct error error = { 0 };
	struct stat status;
	char path[512];
	int fd;

	if (!stack_path(device, path, sizeof(path), &error))
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd != -1 && (fstat(fd, &status) == -1 || !S_ISBLK(status.st_mode) ||
	    status.st_rdev != device)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

bool
stack_partition(dev_t device, dev_t *disk, uint64_t *start)
{
	char line[64];
	uintmax_t sectors;

	if (!stack_line(device, "partition", line, sizeof(line)) ||
	    !stack_line(device, "start", line, sizeof(line)) || sscanf(line, "%ju", &sectors) != 1)
		return false;
	*start = (uint64_t)sectors * SECTOR;
	return stack_number(device, "../dev", disk);
}

/* By the device itself, for the path in sysfs may name another file by now. */
static bool
loop_status(dev_t device, struct loop_info64 *info)
{
	int fd = stack_open(device);
	bool done = fd != -1 && ioctl(fd, LOOP_GET_STATUS64, info) == 0;

	if (fd != -1)
		close(fd);
	return done;
}

bool
stack_loop(dev_t device, struct stat *backing, uint64_t *start, char *path, size_t size)
{
	struct loop_info64 info;
	char name[4096], line[64];
	uintmax_t offset;
	bool named;

	if (!stack_line(device, "loop/backing_file", name, sizeof(name)) ||
	    !stack_line(device, "loop/offset", line, sizeof(line)) ||
	    sscanf(line, "%ju", &offset) != 1)
		return false;
	*start = (uint64_t)offset;
	named = stat(name, backing) == 0;
	if (loop_status(device, &info) && !(named && backing->st_dev == (dev_t)info.lo_device &&
	    backing->st_ino == info.lo_inode)) {
		memset(backing, 0, sizeof(*backing));
		backing->st_dev = (dev_t)info.lo_device;
		backing->st_ino = (ino_t)info.lo_inode;
		backing->st_rdev = (dev_t)info.lo_rdevice;
		backing->st_mode = info.lo_rdevice != 0 ? S_IFBLK : S_IFREG;
		named = true;
	}
	if (path != NULL)
		snprintf(path, size, "%s", name);
	return named;
}

size_t
stack_slaves(dev_t device, dev_t *list, size_t max)
{
	char path[128], name[600];
	struct dirent *entry;
	size_t count = 0;
	DIR *directory;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/slaves", major(device), minor(device));
	directory = opendir(path);
	if (directory == NULL)
		return 0;
	while (count < max && (entry = readdir(directory)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "slaves/%s/dev", entry->d_name);
		if (stack_number(device, name, &list[count]))
			count++;
	}
	closedir(directory);
	return count;
}
