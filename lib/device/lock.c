/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "device/layers.h"
#include "device/lock.h"
#include "device/process.h"
#include "device/stack.h"
#include "device/sysfs.h"

#define STEP		20000000	/* nanoseconds between two tries */

/* Whether a process holds LOCK_EX on the file of that inode. */
static bool
process_holds(pid_t pid, ino_t wanted)
{
	char path[300], line[256];
	struct dirent *entry;
	uintmax_t inode;
	bool holds = false;
	FILE *info;
	DIR *list;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo", (int)pid);
	list = opendir(path);
	while (list != NULL && !holds && (entry = readdir(list)) != NULL) {
		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%.200s", (int)pid, entry->d_name);
		info = fopen(path, "re");
		while (info != NULL && !holds && fgets(line, sizeof(line), info) != NULL)
			holds = sscanf(line, "lock: %*s FLOCK ADVISORY WRITE %*d %*x:%*x:%ju", &inode) == 1 &&
			    inode == wanted;
		if (info != NULL)
			fclose(info);
	}
	if (list != NULL)
		closedir(list);
	return holds;
}

/*
 * Whether we run under a lock of that file: flock(1), "udevadm lock" or a shell took it, and
 * started us, with its descriptor or without.
 */
static bool
is_held_for_us(int fd)
{
	struct stat status;
	pid_t pid;

	if (fstat(fd, &status) == -1)
		return false;
	for (pid = getpid(); pid > 1; pid = process_parent(pid))
		if (process_holds(pid, status.st_ino))
			return true;
	return false;
}

/* False: another program's lock conflicts.  True where there are no locks. */
static bool
try_lock(int fd, int operation)
{
	return flock(fd, operation | LOCK_NB) == 0 || errno != EWOULDBLOCK || is_held_for_us(fd);
}

/* The node of a device under /dev, if fd is open on another one; else -1. */
static int
open_proper_node(int fd)
{
	struct stat ours, theirs;
	int node;

	if (fstat(fd, &ours) == -1 || !S_ISBLK(ours.st_mode))
		return -1;
	node = stack_open(ours.st_rdev);
	if (node != -1 && fstat(node, &theirs) == 0 &&
	    (ours.st_dev != theirs.st_dev || ours.st_ino != theirs.st_ino))
		return node;
	if (node != -1)
		close(node);
	return -1;
}

enum lock_state
lock_for_reading(int fd)
{
	int node = open_proper_node(fd);

	/* Nothing closes node: its lock lasts as long as the process. */
	if (try_lock(fd, LOCK_SH) && (node == -1 || try_lock(node, LOCK_SH)))
		return LOCK_OURS;
	return LOCK_WRITER;
}

/* Try for LOCK_EX until the deadline, on clock_seconds. */
static bool
lock_patiently(int fd, double deadline)
{
	static const struct timespec step = { .tv_nsec = STEP };

	while (!try_lock(fd, LOCK_EX)) {
		if (clock_seconds() > deadline)
			return false;
		nanosleep(&step, NULL);
	}
	return true;
}

/*
 * Lock a device that shares bytes with ours.  Another writer may hold it for a part of its
 * own: two partitions of a disk may be written side by side, and the kernel's claim keeps
 * apart those that share bytes.  So only readers are a conflict here.  fd stays open.
 */
static enum lock_state
lock_relative(int fd, double deadline)
{
	if (fd == -1 || lock_patiently(fd, deadline) || !try_lock(fd, LOCK_SH))
		return LOCK_OURS;
	close(fd);
	return LOCK_READER;
}

/* A file is opened by the path that its loop device has, if that still leads there. */
static int
open_file_layer(const struct layers *layers, const struct layer *file)
{
	struct stat status;
	uint64_t start;
	char path[4096];
	size_t i;
	int fd;

	for (i = 0; i < layers->count; i++) {
		if (layers->list[i].inode != 0 ||
		    !stack_loop(layers->list[i].device, &status, &start, path, sizeof(path)) ||
		    !S_ISREG(status.st_mode) || status.st_dev != file->device || status.st_ino != file->inode)
			continue;
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		if (fd == -1 || (fstat(fd, &status) == 0 && status.st_dev == file->device &&
		    status.st_ino == file->inode))
			return fd;
		close(fd);
	}
	return -1;
}

/* The devices below the device, those above it, and others that map the same bytes. */
static enum lock_state
lock_layers(const struct stat *status, double deadline)
{
	enum lock_state state = LOCK_OURS;
	struct layers layers;
	size_t i;

	if (layers_find(&layers, SYSFS, status, 0, UINT64_MAX))
		for (i = 1; i < layers.count && state == LOCK_OURS; i++) {
			const struct layer *layer = &layers.list[i];

			state = lock_relative(layer->inode != 0 ? open_file_layer(&layers, layer) :
			    stack_open(layer->device), deadline);
		}
	layers_free(&layers);
	return state;
}

enum lock_state
lock_for_writing(int fd)
{
	struct stat status;
	bool device = fstat(fd, &status) == 0 && S_ISBLK(status.st_mode);
	double deadline = device ? clock_seconds() + LOCK_PATIENCE : 0;
	int node = open_proper_node(fd);
	enum lock_state state = LOCK_OURS;

	if (!lock_patiently(fd, deadline))
		state = try_lock(fd, LOCK_SH) ? LOCK_READER : LOCK_WRITER;
	if (state == LOCK_OURS && node != -1 && !lock_patiently(node, deadline))
		state = try_lock(node, LOCK_SH) ? LOCK_READER : LOCK_WRITER;
	return state == LOCK_OURS && device ? lock_layers(&status, deadline) : state;
}
