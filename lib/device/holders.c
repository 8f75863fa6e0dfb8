/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/size.h"
#include "device/holders.h"
#include "device/layers.h"
#include "device/mounts.h"
#include "device/process.h"
#include "device/sysfs.h"

/* Writers that are asked for again: one that stays is enough, so few are kept. */
#define WRITERS_MAX	64

/* How often.  At the end longer: a blkwrite that is refused for our sake must not make us fail. */
#define PASSING_LOOKS	10
#define PASSING_LOOKS_END	40
#define PASSING_PAUSE	100000000	/* nanoseconds between two looks */

/* The number of the first PID namespace (the kernel's PROC_PID_INIT_INO). */
#define FIRST_NAMESPACE	"pid:[4026531836]"

/* An open file of a process that is a layer of the disk. */
struct opened {
	pid_t pid;
	char fd[16];
	const struct layer *layer;
};

struct look {
	struct layers layers;
	enum holders_purpose purpose;
	pid_t own;			/* our number in /proc; 0: not known */
	struct holders *found;
	struct opened writers[WRITERS_MAX];
	unsigned writer_count;
	unsigned denied;		/* processes that could not be looked at */
	char (*namespaces)[32];		/* of mounts that were looked at */
	size_t namespace_count;
};

/* ", as /dev/sda1" where it is held by another of its names; else nothing. */
static const char *
as_layer(const struct look *look, const struct layer *layer, char *out, size_t size)
{
	char name[300];

	out[0] = '\0';
	if (layer != &look->layers.list[0])
		snprintf(out, size, ", as %s", layers_name(&look->layers, layer, name, sizeof(name)));
	return out;
}

static bool
is_qemu(const char *name)
{
	return (strncmp(name, "qemu-", 5) == 0 && strcmp(name, "qemu-ga") != 0) ||
	    strcmp(name, "kvm") == 0;
}

/*
 * Whether a process that has a layer open is there for its sake: it serves the nbd device, or
 * keeps the metadata of arrays and volumes on a layer below.
 */
static bool
is_servant(const struct look *look, const struct opened *opened, const char *name)
{
	static const char *const keepers[] = { "lvm", "lvmpolld", "dmeventd", "mdadm", "mdmon", "multipathd" };
	char folder[SYSFS_FOLDER], path[64];
	uint64_t thread;
	size_t i;

	for (i = 0; opened->layer->below && i < sizeof(keepers) / sizeof(*keepers); i++)
		if (strcmp(name, keepers[i]) == 0)
			return true;
	sysfs_folder(opened->layer->device, folder);
	if (opened->layer->inode != 0 || !sysfs_number(look->layers.sys, folder, "pid", &thread))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/task/%ju", (int)opened->pid, (uintmax_t)thread);
	return access(path, F_OK) == 0;
}

/*
 * The blkwrite at the end of our own pipe has its target open while it waits for us.  If that is
 * the disk that we read, it refuses to write (conflict.h), and says so.
 */
static bool
is_our_writer(const struct look *look, pid_t pid, const char *name)
{
	return look->purpose == HOLDERS_OF_SOURCE && strcmp(name, "blkwrite") == 0 &&
	    getpgid(pid) == getpgrp();
}

/* The layer that an open file of a process is.  NULL: none, or it was closed meanwhile. */
static const struct layer *
opened_layer(const struct look *look, int folder, const char *fd)
{
	struct statx status;

	/* Not asking a server: that of a network file system may be gone. */
	if (statx(folder, fd, AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO, &status) == -1)
		return NULL;
	if (S_ISBLK(status.stx_mode))
		return layers_device(&look->layers, makedev(status.stx_rdev_major, status.stx_rdev_minor));
	if (S_ISREG(status.stx_mode) && status.stx_ino != 0)
		return layers_file(&look->layers, makedev(status.stx_dev_major, status.stx_dev_minor),
		    status.stx_ino);
	return NULL;
}

/* The flags of an open file, as of open(2).  Unknown is O_RDWR. */
static int
opened_flags(pid_t pid, const char *fd)
{
	char path[64], line[128];
	FILE *file;
	int flags = O_RDWR;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%s", (int)pid, fd);
	file = fopen(path, "re");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, "flags:", 6) == 0)
			flags = (int)strtoul(line + 6, NULL, 8);
	if (file != NULL)
		fclose(file);
	return flags;
}

/* A process has a layer open: report it at once if it is a QEMU; look at other writers again later. */
static void
look_at_opened(struct look *look, const struct opened *opened)
{
	int flags = opened_flags(opened->pid, opened->fd);
	bool writes = (flags & O_PATH) == 0 && (flags & O_ACCMODE) != O_RDONLY;
	char name[64], as[320];

	if ((flags & O_PATH) != 0 || (!writes && look->purpose == HOLDERS_OF_SOURCE))
		return;
	process_name(opened->pid, name, sizeof(name));
	if (is_servant(look, opened, name) || is_our_writer(look, opened->pid, name))
		return;
	if (is_qemu(name))
		error_set(&look->found->held, "%s (process %d) holds it open%s%s", name,
		    (int)opened->pid, writes ? " for writing" : "",
		    as_layer(look, opened->layer, as, sizeof(as)));
	/* Except for our ancestors, such as a shell that locked the target with flock(1) and waits. */
	else if (writes && look->writer_count < WRITERS_MAX &&
	    !process_is_ancestor(opened->pid, look->own))
		look->writers[look->writer_count++] = *opened;
}

/* A file of which only the status may not be asked, as of another user's FUSE, is no disk. */
static bool
may_look(int folder, const char *fd)
{
	return readlinkat(folder, fd, (char[8]){ 0 }, 8) != -1 || errno != EACCES;
}

/*
 * All open files of a process.  Init may be kept from root as well, where a container is all there
 * is; it holds no disks, so it is not reported.
 */
static void
look_at_process(struct look *look, pid_t pid)
{
	struct opened opened = { .pid = pid };
	struct dirent *entry;
	char path[64];
	bool denied;
	DIR *files;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	files = opendir(path);
	denied = files == NULL && errno == EACCES;
	while (files != NULL && !denied && !look->found->held.set && (entry = readdir(files)) != NULL) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(opened.fd, sizeof(opened.fd), "%.15s", entry->d_name);
		errno = 0;
		opened.layer = opened_layer(look, dirfd(files), opened.fd);
		denied = opened.layer == NULL && errno == EACCES && !may_look(dirfd(files), opened.fd);
		if (opened.layer != NULL)
			look_at_opened(look, &opened);
	}
	if (denied && (pid != 1 || geteuid() != 0))
		look->denied++;
	if (files != NULL)
		closedir(files);
}

static void
look_at_mounts(struct look *look, const char *table)
{
	struct mounts_found mount;
	bool source = look->purpose == HOLDERS_OF_SOURCE;
	char as[320];

	if (mounts_find(table, &look->layers, source, &mount))
		error_set(&look->found->held, "mounted%s at %s%s", source ? " read-write" : "",
		    mount.where, as_layer(look, mount.layer, as, sizeof(as)));
}

/* The mounts that a process sees, unless another has them, too. */
static void
look_at_namespace(struct look *look, pid_t pid)
{
	char path[64], name[32];
	ssize_t length;
	size_t i;
	void *more;

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	length = readlink(path, name, sizeof(name) - 1);
	if (length == -1)
		return;
	name[length] = '\0';
	for (i = 0; i < look->namespace_count; i++)
		if (strcmp(look->namespaces[i], name) == 0)
			return;
	more = realloc(look->namespaces, (look->namespace_count + 1) * sizeof(*look->namespaces));
	if (more == NULL)
		return;
	look->namespaces = more;
	memcpy(look->namespaces[look->namespace_count++], name, sizeof(name));
	snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)pid);
	look_at_mounts(look, path);
}

pid_t
holders_own(void)
{
	char link[32];
	ssize_t length = readlink("/proc/self", link, sizeof(link) - 1);
	uint64_t number;

	if (length == -1)
		return 0;
	link[length] = '\0';
	return number_parse(link, 1, INT_MAX, &number) ? (pid_t)number : 0;
}

static void
look_at_processes(struct look *look, pid_t own)
{
	DIR *processes = opendir("/proc");
	struct dirent *entry;
	uint64_t number;

	while (processes != NULL && !look->found->held.set && (entry = readdir(processes)) != NULL) {
		if (!isdigit((unsigned char)entry->d_name[0]) ||
		    !number_parse(entry->d_name, 1, INT_MAX, &number) || (pid_t)number == own)
			continue;
		look_at_process(look, (pid_t)number);
		if (!look->found->held.set)
			look_at_namespace(look, (pid_t)number);
	}
	if (processes != NULL)
		closedir(processes);
}

static bool
still_open(const struct look *look, const struct opened *opened)
{
	char path[64];
	int folder;
	bool open_still;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)opened->pid);
	folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	open_still = folder != -1 && opened_layer(look, folder, opened->fd) == opened->layer;
	if (folder != -1)
		close(folder);
	return open_still;
}

/* A process that keeps it open for writing for a second is a holder. */
static void
look_at_writers(struct look *look)
{
	const struct timespec pause = { .tv_nsec = PASSING_PAUSE };
	unsigned looks = look->purpose == HOLDERS_OF_WRITTEN ? PASSING_LOOKS_END : PASSING_LOOKS;
	unsigned round, i, left;
	char name[64], as[320];

	for (round = 0; round < looks && look->writer_count > 0; round++) {
		nanosleep(&pause, NULL);
		for (i = left = 0; i < look->writer_count; i++)
			if (still_open(look, &look->writers[i]))
				look->writers[left++] = look->writers[i];
		look->writer_count = left;
	}
	if (look->writer_count == 0)
		return;
	process_name(look->writers[0].pid, name, sizeof(name));
	error_set(&look->found->held, "%s (process %d) holds it open for writing%s", name,
	    (int)look->writers[0].pid, as_layer(look, look->writers[0].layer, as, sizeof(as)));
}

/* Swap, disks of Xen, and loop devices, which write what is in their cache at any time. */
static void
look_at_kernel(struct look *look)
{
	const struct layers *layers = &look->layers;
	bool source = look->purpose == HOLDERS_OF_SOURCE;
	struct mounts_found user;
	char name[300], as[320];
	size_t i;

	look_at_mounts(look, "/proc/self/mountinfo");
	if (mounts_find_swap("/proc/swaps", layers, &user))
		error_set(&look->found->held, "%s is swap%s", user.where,
		    as_layer(look, user.layer, as, sizeof(as)));
	if (mounts_find_xen(layers, source, &user))
		error_set(&look->found->held, "domain %s of Xen has it as its disk%s", user.where,
		    as_layer(look, user.layer, as, sizeof(as)));
	for (i = 0; i < layers->count && !source; i++)
		if (layers->list[i].loop)
			error_set(&look->found->held, "attached to %s (losetup -d detaches it)",
			    layers_name(layers, &layers->list[i], name, sizeof(name)));
}

/* Whether all processes of this system can be in our /proc. */
static void
say_unseen(const struct look *look, pid_t own, const struct stat *status)
{
	bool others = geteuid() != 0 && status->st_uid != geteuid();
	struct error *unseen = &look->found->unseen;
	char link[32] = "", devices[PATH_MAX];
	ssize_t length;

	if (look->found->held.set || (!S_ISBLK(status->st_mode) &&
	    (!others || look->purpose == HOLDERS_OF_SOURCE)))
		return;
	snprintf(devices, sizeof(devices), "%s/dev/block", look->layers.sys);
	length = readlink("/proc/self/ns/pid", link, sizeof(link) - 1);
	if (own == 0)
		error_set(unseen, "/proc is not mounted");
	else if (look->denied > 0)
		error_set(unseen, "the open files of %u processes could not be looked at%s", look->denied,
		    geteuid() != 0 ? ", only root may" : "");
	else if (access("/proc/1", F_OK) == -1)
		error_set(unseen, "/proc hides the processes of other users (hidepid)");
	else if (length > 0 && strcmp(link, FIRST_NAMESPACE) != 0)
		error_set(unseen, "processes outside of this container cannot be looked at");
	else if (access(devices, F_OK) == -1)
		error_set(unseen, "/sys is not mounted");
}

void
holders_find(struct holders *found, const struct stat *status, uint64_t start, uint64_t end,
    enum holders_purpose purpose)
{
	holders_find_for(holders_own(), found, status, start, end, purpose);
}

void
holders_find_for(pid_t own, struct holders *found, const struct stat *status, uint64_t start,
    uint64_t end, enum holders_purpose purpose)
{
	struct look look = { .purpose = purpose, .own = own, .found = found };

	memset(found, 0, sizeof(*found));
	if (!layers_find(&look.layers, SYSFS, status, start, end))
		error_errno(&found->unseen, "memory");
	if (look.layers.count > 0) {
		look_at_kernel(&look);
		if (!found->held.set && own != 0)
			look_at_processes(&look, own);
		if (!found->held.set)
			look_at_writers(&look);
		say_unseen(&look, own, status);
	}
	layers_free(&look.layers);
	free(look.namespaces);
}
