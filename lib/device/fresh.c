/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "device/fresh.h"

/* In linux/magic.h of newer kernels, or nowhere. */
#ifndef FUSE_SUPER_MAGIC
#define FUSE_SUPER_MAGIC	0x65735546
#endif
#define CIFS_MAGIC		0xff534d42
#define ZFS_MAGIC		0x2fc12fc1
#define BCACHEFS_MAGIC		0xca451a4e

/* The same number on every architecture; C libraries do not know it yet. */
#ifndef SYS_cachestat
#define SYS_cachestat		451
#endif

/* A folio has at most that many pages, and begins at a multiple of its size. */
#define FOLIO_PAGES		512u

/* Pages that are looked at with one mincore(2). */
#define LOOK_PAGES		16384u

/* A folio that is dirtied meanwhile stays; so try again. */
#define TRIES			3

struct cachestat_range {
	uint64_t offset, length;
};

struct cachestat_pages {
	uint64_t cached, dirty, written_back, evicted, recently_evicted;
};

/*
 * Without a device number of its own, a file system is not on a block device, but for the
 * few that are and use several.
 */
enum fresh
fresh_at_best(int fd)
{
	struct stat status;
	struct statfs fs;

	if (fstat(fd, &status) == -1 || fstatfs(fd, &fs) == -1)
		return FRESH_UNSEEN;
	if (S_ISBLK(status.st_mode))
		return FRESH_MEDIUM;
	switch ((uint32_t)fs.f_type) {
	case TMPFS_MAGIC:
	case RAMFS_MAGIC:
	case HUGETLBFS_MAGIC:
		return FRESH_MEMORY;
	case FUSE_SUPER_MAGIC:
	case NFS_SUPER_MAGIC:
	case V9FS_MAGIC:
	case CIFS_MAGIC:
		return FRESH_SERVER;
	case BTRFS_SUPER_MAGIC:
	case OVERLAYFS_SUPER_MAGIC:
	case ZFS_MAGIC:
	case BCACHEFS_MAGIC:
		return FRESH_MEDIUM;
	default:
		return major(status.st_dev) != 0 ? FRESH_MEDIUM : FRESH_SERVER;
	}
}

bool
fresh_is_direct(int fd)
{
#ifdef STATX_DIOALIGN
	const uint32_t page = 4096;
	struct statx status;

	return statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &status) == 0 &&
	    (status.stx_mask & STATX_DIOALIGN) != 0 && status.stx_dio_offset_align != 0 &&
	    status.stx_dio_offset_align <= page && status.stx_dio_mem_align <= page;
#else
	(void)fd;
	return false;
#endif
}

static uint64_t
size_of(int fd)
{
	struct stat status;
	uint64_t size = 0;

	if (fstat(fd, &status) == -1)
		return 0;
	if (S_ISBLK(status.st_mode) && ioctl(fd, BLKGETSIZE64, &size) == 0)
		return size;
	return (uint64_t)status.st_size;
}

/*
 * To all but the owner and those who may write the file, mincore(2) says that every page is
 * cached.
 */
static bool
mincore_is_honest(int fd)
{
	struct stat status;
	char path[32];

	if (geteuid() == 0 || (fstat(fd, &status) == 0 && status.st_uid == geteuid()))
		return true;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0;
}

/* Whole pages from start to end, by looking at each of them. */
static int64_t
count_pages(int fd, uint64_t start, uint64_t end, size_t page)
{
	unsigned char held[LOOK_PAGES];
	int64_t cached = 0;

	if (!mincore_is_honest(fd))
		return -1;
	for (; start < end; start += LOOK_PAGES * page) {
		size_t pages = (size_t)((end - start + page - 1) / page), i;
		void *map;
		bool looked;

		if (pages > LOOK_PAGES)
			pages = LOOK_PAGES;
		map = mmap(NULL, pages * page, PROT_READ, MAP_SHARED, fd, (off_t)start);
		if (map == MAP_FAILED)
			return -1;
		looked = mincore(map, pages * page, held) == 0;
		munmap(map, pages * page);
		if (!looked)
			return -1;
		for (i = 0; i < pages; i++)
			cached += (held[i] & 1) * (int64_t)page;
	}
	return cached;
}

/*
 * cachestat(2) is quick where little is cached.  It looks at the inode of an overlay, whose
 * pages belong to another one.
 */
int64_t
fresh_cached(int fd, uint64_t offset, uint64_t length)
{
	struct cachestat_range range = { offset, length };
	struct cachestat_pages pages;
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint64_t size = size_of(fd), end = size;
	struct statfs fs;

	if (fstatfs(fd, &fs) == 0 && (uint32_t)fs.f_type != OVERLAYFS_SUPER_MAGIC &&
	    syscall(SYS_cachestat, fd, &range, &pages, 0) == 0)
		return (int64_t)(pages.cached * page);
	if (offset >= size)
		return 0;
	if (length != 0 && length < size - offset)
		end = offset + length;
	return count_pages(fd, offset - offset % page, end, page);
}

/* False with errno set: some of it could not be written, now or earlier. */
static bool
write_out(int fd, uint64_t offset, uint64_t length)
{
	if (length == 0)
		return fsync(fd) == 0 || errno == EINVAL || errno == EROFS;
	return sync_file_range(fd, (off_t)offset, (off_t)length, SYNC_FILE_RANGE_WAIT_BEFORE |
	    SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER) == 0;
}

enum fresh
fresh_drop(int fd, uint64_t offset, uint64_t length, int *lost)
{
	const uint64_t folio = FOLIO_PAGES * (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t start = offset - offset % folio, wide = 0;
	enum fresh best = fresh_at_best(fd);
	int64_t cached = -1;
	unsigned i;

	if (length != 0 && length < INT64_MAX - folio - offset)
		wide = (offset + length - start + folio - 1) / folio * folio;
	for (i = 0; i < TRIES; i++) {
		if (!write_out(fd, start, wide))
			*lost = errno;
		if (best == FRESH_MEMORY)
			return best;
		posix_fadvise(fd, (off_t)start, (off_t)wide, POSIX_FADV_DONTNEED);
		cached = fresh_cached(fd, offset, length);
		if (cached <= 0)
			break;
	}
	if (best != FRESH_MEDIUM)
		return best;
	return cached == 0 ? FRESH_MEDIUM : cached == -1 ? FRESH_UNSEEN : FRESH_KEPT;
}

const char *
fresh_words(enum fresh fresh)
{
	switch (fresh) {
	case FRESH_KEPT:
		return "only a cache was read, not the medium: some pages cannot be dropped, "
		    "for they are mapped or written all the time";
	case FRESH_UNSEEN:
		return "perhaps only a cache was read, not the medium: only its owner and root can see "
		    "what is cached";
	case FRESH_SERVER:
		return "the server of its file system was read, which may have a cache of its own";
	case FRESH_MEMORY:
		return "only a cache was read, not the medium: its file system is in memory";
	default:
		return "the medium was read";
	}
}
