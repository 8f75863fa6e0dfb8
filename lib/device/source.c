/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/io.h"
#include "device/behind.h"
#include "device/holders.h"
#include "device/lock.h"
#include "device/source.h"

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC		0x58465342
#endif

/* File systems whose answers to SEEK_DATA are known to be right. */
static bool
holes_are_sound(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) == -1)
		return false;
	switch ((uint32_t)fs.f_type) {
	case EXT4_SUPER_MAGIC:		/* ext2 and ext3 too */
	case XFS_SUPER_MAGIC:
	case BTRFS_SUPER_MAGIC:
	case F2FS_SUPER_MAGIC:
	case TMPFS_MAGIC:
		return true;
	default:
		return false;
	}
}

static bool
source_measure_device(struct source *source, struct error *error)
{
	int sector;

	if (ioctl(source->fd, BLKGETSIZE64, &source->size) == -1 ||
	    ioctl(source->fd, BLKSSZGET, &sector) == -1)
		return error_errno(error, "%s", source->name);
	source->sector = (uint32_t)sector;
	source->device = true;
	return true;
}

static void
source_measure_file(struct source *source, const struct stat *status, bool trust_holes)
{
	char byte;

	source->size = (uint64_t)status->st_size;
	/* Files in /proc have content, but a size of 0. */
	if (source->size == 0 && pread(source->fd, &byte, 1, 0) == 1)
		source->pipe = true;
	source->holes = trust_holes || holes_are_sound(source->fd);
	if (source->holes) {
		source->allocated = (uint64_t)status->st_blocks * 512;
		if (source->allocated > source->size)
			source->allocated = source->size;
	}
}

static bool
source_measure(struct source *source, bool trust_holes, struct error *error)
{
	struct stat status;

	if (fstat(source->fd, &status) == -1)
		return error_errno(error, "%s", source->name);
	source->sector = 512;
	source->allocated = UINT64_MAX;
	if (S_ISBLK(status.st_mode))
		return source_measure_device(source, error);
	if (S_ISREG(status.st_mode)) {
		source_measure_file(source, &status, trust_holes);
		return true;
	}
	source->pipe = S_ISFIFO(status.st_mode);
	if (source->pipe)
		return true;
	errno = EISDIR;
	if (S_ISDIR(status.st_mode))
		return error_errno(error, "%s", source->name);
	return error_set(error, "%s: neither a block device nor a regular file", source->name);
}

/*
 * Whether O_DIRECT is the way to read from the medium; otherwise the file's pages are
 * dropped, so that they are read anew.
 */
static bool
source_make_fresh(struct source *source)
{
	source->fresh = fresh_at_best(source->fd);
	if (source->device || source->fresh == FRESH_SERVER || fresh_is_direct(source->fd))
		return true;
	source->fresh = fresh_drop(source->fd, 0, 0, &source->lost);
	return false;
}

/* Turn on O_DIRECT if that is wanted. */
static bool
source_set_direct(struct source *source, enum source_direct direct, struct error *error)
{
	int flags = fcntl(source->fd, F_GETFL);

	if (direct == SOURCE_DIRECT_NEVER || (direct == SOURCE_DIRECT_AUTO && !source->device) ||
	    (direct == SOURCE_MEDIUM && !source_make_fresh(source)))
		return true;
	if (fcntl(source->fd, F_SETFL, flags | O_DIRECT) == -1) {
		if (direct == SOURCE_DIRECT_ALWAYS)
			return error_errno(error, "%s: O_DIRECT", source->name);
		if (direct == SOURCE_MEDIUM)
			source->fresh = fresh_drop(source->fd, 0, 0, &source->lost);
		return true;
	}
	source->direct = true;
	/* Older kernels do not report a file system's alignment; a page is enough for all. */
	if (!source->device)
		source->sector = SOURCE_ALIGN;
	return true;
}

bool
source_direct_find(const char *name, enum source_direct *direct)
{
	static const char *const names[] = {
		[SOURCE_DIRECT_AUTO] = "auto", [SOURCE_DIRECT_ALWAYS] = "always", [SOURCE_DIRECT_NEVER] = "never"
	};
	unsigned i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(name, names[i]) == 0) {
			*direct = (enum source_direct)i;
			return true;
		}
	return false;
}

bool
source_open(struct source *source, const char *path, enum source_direct direct, bool trust_holes,
    struct error *error)
{
	memset(source, 0, sizeof(*source));
	source->name = path;
	if (strcmp(path, "-") == 0) {
		source->name = "standard input";
		source->fd = STDIN_FILENO;
		source->pipe = true;
	} else {
		source->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		if (source->fd == -1)
			return error_errno(error, "%s", path);
		if (!source_measure(source, trust_holes, error) ||
		    (!source->pipe && !source_set_direct(source, direct, error))) {
			close(source->fd);
			return false;
		}
	}
	if (source->pipe) {
		source->size = source->allocated = UINT64_MAX;
		input_open(&source->input, source->fd, -1, source->name);
	} else if (!source->direct)
		cache_open(&source->cache, source->fd, source->size);
	return true;
}

bool
source_look_behind(struct source *source, const char *backing, dev_t *plain, struct error *error)
{
	struct behind behind;
	struct stat status;
	enum fresh fresh;

	if (source->pipe)
		return true;
	if (source->device || backing != NULL || fstat(source->fd, &status) == -1)
		plain = NULL;
	if (plain != NULL && *plain != 0 && *plain == status.st_dev)
		return true;
	behind_open(&behind, source->fd);
	if (plain != NULL && behind.count == 0 && !behind.hidden)
		*plain = status.st_dev;
	if (backing != NULL && !behind_add(&behind, backing, error)) {
		behind_close(&behind);
		return false;
	}
	if (backing != NULL && source->fresh == FRESH_SERVER)
		source->fresh = FRESH_MEDIUM;
	if (behind.count > 0)
		(void)fsync(source->fd);
	fresh = behind_drop(&behind, &source->lost);
	behind_close(&behind);
	if (fresh > source->fresh)
		source->fresh = fresh;
	return true;
}

void
source_close(struct source *source)
{
	if (!source->pipe && !source->direct)
		cache_close(&source->cache);
	if (source->fd != STDIN_FILENO)
		close(source->fd);
	source->fd = -1;
}

void
source_share(const struct source *source, uint64_t offset, uint64_t length, bool live,
    const char *result, struct error *note)
{
	uint64_t end = length > UINT64_MAX - offset ? UINT64_MAX : offset + length;
	enum lock_state lock;
	struct holders holders;
	struct stat status;

	if (source->pipe)
		return;
	lock = lock_for_reading(source->fd);
	if (live || fstat(source->fd, &status) == -1)
		return;
	holders_find(&holders, &status, offset, end, HOLDERS_OF_SOURCE);
	if (holders.held.set)
		error_set(note, "%s: %s: the %s may be torn (read a snapshot; --live if it is meant)",
		    source->name, holders.held.text, result);
	else if (lock == LOCK_WRITER)
		error_set(note, "%s: another program has locked it for writing: the %s may be torn",
		    source->name, result);
	else if (holders.unseen.set)
		error_set(note, "%s: whether it is written to is not known: %s", source->name,
		    holders.unseen.text);
}

/* Behind the end of a file that was truncated in the meantime there is no hole, but nothing. */
static bool
source_reaches(const struct source *source, uint64_t end)
{
	struct stat status;

	return fstat(source->fd, &status) == 0 && (uint64_t)status.st_size >= end;
}

uint64_t
source_extent(const struct source *source, uint64_t offset, uint64_t end, bool *hole)
{
	off_t data, after;

	*hole = false;
	if (!source->holes)
		return end;
	data = lseek(source->fd, (off_t)offset, SEEK_DATA);
	if (data == -1) {
		*hole = errno == ENXIO && source_reaches(source, end);
		return end;
	}
	if ((uint64_t)data > offset) {
		*hole = true;
		return (uint64_t)data < end ? (uint64_t)data : end;
	}
	after = lseek(source->fd, (off_t)offset, SEEK_HOLE);
	if (after == -1 || (uint64_t)after <= offset || (uint64_t)after > end)
		return end;
	return (uint64_t)after;
}

/* O_DIRECT needs whole sectors: any other range is read through a buffer of whole ones. */
static ssize_t
source_read_direct(struct source *source, uint64_t offset, unsigned char *data, size_t length)
{
	uint32_t sector = source->sector;
	size_t head = (size_t)(offset % sector);
	size_t whole = (head + length + sector - 1) / sector * sector;
	uint64_t start = offset - head;
	unsigned char *room;
	ssize_t n;

	if (head == 0 && whole == length && (uintptr_t)data % SOURCE_ALIGN == 0)
		return pread_full(source->fd, data, length, offset);
	room = buffer_create(whole);
	if (room == NULL)
		return -1;
	n = pread_full(source->fd, room, whole, start);
	if (n >= 0) {
		n = (size_t)n < head ? 0 : n - (ssize_t)head;
		if ((size_t)n > length)
			n = (ssize_t)length;
		memcpy(data, room + head, (size_t)n);
	} else if (errno == EINVAL && source->device && whole > source->size - start)
		errno = EIO;		/* less than a sector at a device's end: out of reach */
	free(room);
	return n;
}

ssize_t
source_read(struct source *source, uint64_t offset, unsigned char *data, size_t length)
{
	if (source->pipe)
		return input_read(&source->input, data, length);
	if (source->direct)
		return source_read_direct(source, offset, data, length);
	return cache_read(&source->cache, data, length, offset);
}

struct salvage {
	struct source *source;
	uint64_t offset;
	unsigned char *data;
	struct source_bad *bad;
	unsigned count, max;
};

/* Note an unreadable range; false when the list is full. */
static bool
salvage_bad(struct salvage *salvage, uint32_t start, uint32_t length, int number)
{
	struct source_bad *last = salvage->count > 0 ? &salvage->bad[salvage->count - 1] : NULL;

	memset(salvage->data + start, 0, length);
	if (last != NULL && last->number == number && last->start + last->length == start) {
		last->length += length;
		return true;
	}
	salvage->bad[salvage->count++] = (struct source_bad){ start, length, number };
	return salvage->count < salvage->max;
}

/* Read by bisection, cut at sectors of the device.  False when the list is full. */
static bool
salvage_range(struct salvage *salvage, uint32_t start, uint32_t length)
{
	uint32_t sector = salvage->source->sector, half;
	uint64_t at = salvage->offset + start, middle = at + length / 2;
	ssize_t n = source_read(salvage->source, at, salvage->data + start, length);
	int number = n == -1 ? errno : EIO;

	if (n == (ssize_t)length)
		return true;
	middle -= middle % sector;
	if (middle <= at)
		middle = at - at % sector + sector;
	half = (uint32_t)(middle - at);
	if (half >= length)
		return salvage_bad(salvage, start, length, number);
	return salvage_range(salvage, start, half) &&
	    salvage_range(salvage, start + half, length - half);
}

unsigned
source_salvage(struct source *source, uint64_t offset, unsigned char *data, size_t length,
    struct source_bad *bad, unsigned max)
{
	struct salvage salvage = {
		.source = source, .offset = offset, .data = data, .bad = bad, .max = max
	};

	salvage_range(&salvage, 0, (uint32_t)length);
	return salvage.count;
}

bool
source_read_whole(struct source *source, uint64_t offset, unsigned char *data, size_t length,
    struct error *error)
{
	ssize_t n = source_read(source, offset, data, length);
	struct source_bad bad;

	if (n >= 0 && (size_t)n < length)
		return error_set(error, "%s: at byte %ju: it ends here now, but had %ju bytes when opened",
		    source->name, (uintmax_t)(offset + (uint64_t)n), (uintmax_t)source->size);
	if (n >= 0 || source_salvage(source, offset, data, length, &bad, 1) == 0)
		return true;
	errno = bad.number;
	return error_errno(error, "%s: at byte %ju", source->name, (uintmax_t)(offset + bad.start));
}
