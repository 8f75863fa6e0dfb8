/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "device/behind.h"
#include "device/stack.h"

/* Nobody stacks deeper; a loop of links in sysfs would. */
#define DEPTH	8

static void find_device(struct behind *, dev_t, unsigned depth);

/* A file system without a device number has none that could be a loop device. */
static void
find_file(struct behind *behind, const struct stat *status, unsigned depth)
{
	if (major(status->st_dev) != 0)
		find_device(behind, status->st_dev, depth);
}

/* The path in sysfs may name another file by now, or none in this mount namespace. */
static void
find_backing(struct behind *behind, const struct stat *backing, const char *path, unsigned depth)
{
	struct stat status;
	int fd;

	if (S_ISBLK(backing->st_mode)) {
		find_device(behind, backing->st_rdev, depth);
		return;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd == -1 || behind->count == BEHIND_MAX || fstat(fd, &status) == -1 ||
	    status.st_dev != backing->st_dev || status.st_ino != backing->st_ino) {
		behind->hidden = true;
		if (fd != -1)
			close(fd);
	} else {
		behind->fds[behind->count++] = fd;
	}
	find_file(behind, backing, depth);
}

static void
find_device(struct behind *behind, dev_t device, unsigned depth)
{
	dev_t list[BEHIND_MAX], disk;
	struct stat backing;
	char path[4096];
	uint64_t start;
	size_t count, i;

	if (depth == DEPTH)
		return;
	if (stack_partition(device, &disk, &start)) {
		find_device(behind, disk, depth + 1);
		return;
	}
	path[0] = '\0';
	if (stack_loop(device, &backing, &start, path, sizeof(path)))
		find_backing(behind, &backing, path, depth + 1);
	else if (path[0] != '\0')
		behind->hidden = true;
	count = stack_slaves(device, list, BEHIND_MAX);
	for (i = 0; i < count; i++)
		find_device(behind, list[i], depth + 1);
}

void
behind_open(struct behind *behind, int fd)
{
	struct stat status;

	memset(behind, 0, sizeof(*behind));
	if (fstat(fd, &status) == -1)
		return;
	if (S_ISBLK(status.st_mode))
		find_device(behind, status.st_rdev, 0);
	else
		find_file(behind, &status, 0);
}

void
behind_open_folder(struct behind *behind, const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[4096] = ".";
	int fd;

	if (slash != NULL && (size_t)(slash - path) + 2 < sizeof(folder)) {
		memcpy(folder, path, (size_t)(slash - path) + 1);
		folder[slash - path + 1] = '\0';
	}
	memset(behind, 0, sizeof(*behind));
	fd = open(folder, O_PATH | O_CLOEXEC);
	if (fd == -1)
		return;
	behind_open(behind, fd);
	close(fd);
}

bool
behind_add(struct behind *behind, const char *path, struct error *error)
{
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd == -1 || fstat(fd, &status) == -1) {
		error_errno(error, "%s", path);
		if (fd != -1)
			close(fd);
		return false;
	}
	if (behind->count < BEHIND_MAX)
		behind->fds[behind->count++] = fd;
	else
		behind->hidden = true;
	if (S_ISBLK(status.st_mode))
		find_device(behind, status.st_rdev, 0);
	else
		find_file(behind, &status, 0);
	return true;
}

void
behind_close(struct behind *behind)
{
	while (behind->count > 0)
		close(behind->fds[--behind->count]);
}

enum fresh
behind_drop(const struct behind *behind, int *lost)
{
	enum fresh worst = behind->hidden ? FRESH_UNSEEN : FRESH_MEDIUM, one;
	unsigned i;

	for (i = 0; i < behind->count; i++) {
		one = fresh_drop(behind->fds[i], 0, 0, lost);
		if (one != FRESH_MEMORY && one > worst)
			worst = one;
	}
	return worst;
}
