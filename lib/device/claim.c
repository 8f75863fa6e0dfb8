/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "device/claim.h"

/* QEMU's image locks are byte locks in this range (its block/file-posix.c). */
#define QEMU_LOCK_START		100
#define QEMU_LOCK_LENGTH	200

#define LOOPS	"/sys/block/loop*/loop/backing_file"

bool
claim_is_null(const struct stat *status)
{
	return S_ISCHR(status->st_mode) && status->st_rdev == makedev(1, 3);
}

/*
 * O_EXCL without O_CREAT affects only block devices: the kernel refuses one that is
 * claimed, and refuses other exclusive users until we close it.
 */
int
claim_open(const char *path, struct stat *status, struct error *error)
{
	int fd = open(path, O_RDWR | O_EXCL | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd == -1 && errno == EBUSY) {
		error_set(error, "%s: in use: mounted, swapped on, mapped, or open exclusively elsewhere",
		    path);
		error->number = EBUSY;
	} else if (fd == -1)
		error_errno(error, "%s", path);
	if (fd == -1)
		return -1;
	if (fstat(fd, status) == -1)
		error_errno(error, "%s", path);
	else if (!S_ISBLK(status->st_mode) && !S_ISREG(status->st_mode) && !claim_is_null(status))
		error_set(error, "%s: neither a block device nor a regular file", path);
	else
		return fd;
	close(fd);
	return -1;
}

/*
 * QEMU holds shared locks on single bytes while it has the image open; a write lock on
 * all of them conflicts with any of these.
 */
bool
claim_image_lock(int fd, const char *name, struct error *error)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET,
		.l_start = QEMU_LOCK_START, .l_len = QEMU_LOCK_LENGTH
	};

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0 || (errno != EAGAIN && errno != EACCES))
		return true;
	error_set(error, "%s: in use: a running QEMU or another blkwrite holds its image lock", name);
	error->number = EBUSY;
	return false;
}

static bool
same_file(const struct stat *a, const struct stat *b)
{
	if (S_ISBLK(a->st_mode) && S_ISBLK(b->st_mode))
		return a->st_rdev == b->st_rdev;
	return S_ISREG(a->st_mode) && S_ISREG(b->st_mode) && a->st_dev == b->st_dev &&
	    a->st_ino == b->st_ino;
}

/* Read a line, without its newline.  False: the loop device has gone in the meantime. */
static bool
read_line(const char *path, char *line, int size)
{
	FILE *file = fopen(path, "re");
	bool got = file != NULL && fgets(line, size, file) != NULL;

	if (file != NULL)
		fclose(file);
	if (got)
		line[strcspn(line, "\n")] = '\0';
	return got;
}

bool
claim_unattached(const struct stat *status, const char *name, struct error *error)
{
	struct stat backing;
	char line[4096];
	glob_t loops;
	size_t i;

	if (glob(LOOPS, GLOB_NOSORT, NULL, &loops) != 0)
		return true;
	for (i = 0; i < loops.gl_pathc; i++) {
		const char *loop = loops.gl_pathv[i] + strlen("/sys/block/");

		if (!read_line(loops.gl_pathv[i], line, sizeof(line)) || stat(line, &backing) == -1 ||
		    !same_file(&backing, status))
			continue;
		error_set(error, "%s: in use: attached to /dev/%.*s (losetup -d detaches it)", name,
		    (int)strcspn(loop, "/"), loop);
		break;
	}
	globfree(&loops);
	return !error->set;
}

bool
claim_not_input(const struct stat *status, const char *name, struct error *error)
{
	struct stat input;

	if (fstat(STDIN_FILENO, &input) == 0 && same_file(&input, status))
		return error_set(error, "%s: standard input reads from it", name);
	return true;
}

/* The real path of the folder that contains path, or NULL.  The caller frees it. */
static char *
path_folder(const char *path)
{
	char *copy = strdup(path), *slash, *folder;

	if (copy == NULL)
		return NULL;
	slash = strrchr(copy, '/');
	if (slash != NULL)
		slash[slash == copy ? 1 : 0] = '\0';
	folder = realpath(slash == NULL ? "." : copy, NULL);
	free(copy);
	return folder;
}

/*
 * By its name, or because it lies on the file system of /dev, mounted elsewhere too.  /dev/shm is only
 * named so: it has files.
 */
static bool
folder_is_dev(const char *folder)
{
	struct stat status, dev, root;
	struct statfs fs;

	if ((strcmp(folder, "/dev/shm") == 0 || strncmp(folder, "/dev/shm/", 9) == 0) &&
	    statfs(folder, &fs) == 0 && fs.f_type == TMPFS_MAGIC)
		return false;
	if (strcmp(folder, "/dev") == 0 || strncmp(folder, "/dev/", 5) == 0)
		return true;
	return stat(folder, &status) == 0 && stat("/dev", &dev) == 0 && stat("/", &root) == 0 &&
	    dev.st_dev != root.st_dev && status.st_dev == dev.st_dev;
}

bool
claim_may_create(const char *path, struct error *error)
{
	char *folder = path_folder(path);
	struct stat status;

	if (folder == NULL)
		return error_errno(error, "%s", path);
	if (folder_is_dev(folder))
		error_set(error, "%s: no such device, and no file is created under /dev", path);
	else if (lstat(path, &status) == 0)
		error_set(error, "%s: a dangling symbolic link", path);
	free(folder);
	return !error->set;
}

/* Disks hold secrets: only the owner may read the file. */
int
claim_create(const char *path, struct error *error)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_CREAT | O_EXCL | O_NOCTTY, 0600);

	if (fd == -1)
		error_errno(error, "%s", path);
	return fd;
}
