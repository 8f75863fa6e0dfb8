/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "io.h"
#include "source.h"

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC		0x58465342
#endif

/* File systems of which the answers to SEEK_DATA are known to be right. */
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
	if (!S_ISREG(status.st_mode))
		return error_set(error, "%s: neither a block device nor a regular file "
		    "(use - for a pipe)", source->name);
	source->size = (uint64_t)status.st_size;
	source->holes = trust_holes || holes_are_sound(source->fd);
	if (source->holes) {
		source->allocated = (uint64_t)status.st_blocks * 512;
		if (source->allocated > source->size)
			source->allocated = source->size;
	}
	return true;
}

/* Turn O_DIRECT on as asked. */
static bool
source_set_direct(struct source *source, enum source_direct direct, struct error *error)
{
	int flags = fcntl(source->fd, F_GETFL);

	if (direct == SOURCE_DIRECT_NEVER || (direct == SOURCE_DIRECT_AUTO && !source->device))
		return true;
	if (fcntl(source->fd, F_SETFL, flags | O_DIRECT) == -1) {
		if (direct == SOURCE_DIRECT_ALWAYS)
			return error_errno(error, "%s: O_DIRECT", source->name);
		return true;
	}
	source->direct = true;
	return true;
}

bool
source_open(struct source *source, const char *path, enum source_direct direct, bool trust_holes,
    struct error *error)
{
	memset(source, 0, sizeof(*source));
	source->name = path;
	if (strcmp(path, "-") == 0) {
		source->name = "standard input";
		source->fd = 0;
		source->pipe = true;
		source->size = source->allocated = UINT64_MAX;
		pipe_widen(source->fd);
		return true;
	}
	source->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (source->fd == -1)
		return error_errno(error, "%s", path);
	if (!source_measure(source, trust_holes, error) ||
	    !source_set_direct(source, direct, error)) {
		close(source->fd);
		return false;
	}
	if (!source->direct) {
		/* Reads are large and several are in flight: the kernel's read-ahead
		 * would only leave pages behind that nobody asked for. */
		posix_fadvise(source->fd, 0, 0, POSIX_FADV_RANDOM);
		atomic_init(&source->nowait, true);
	}
	return true;
}

void
source_close(struct source *source)
{
	if (!source->pipe)
		close(source->fd);
	source->fd = -1;
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
		*hole = errno == ENXIO;		/* none up to the end */
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

static ssize_t
source_read_pipe(struct source *source, unsigned char *data, size_t length)
{
	size_t done = 0;

	while (done < length) {
		ssize_t n = read(source->fd, data + done, length - done);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* O_DIRECT wants whole sectors: read those around the range. */
static ssize_t
source_read_direct(struct source *source, uint64_t offset, unsigned char *data, size_t length)
{
	const uint64_t mask = SOURCE_ALIGN - 1;
	uint64_t start = offset & ~mask;
	size_t head = (size_t)(offset - start);
	size_t whole = (head + length + mask) & ~mask;
	unsigned char *room = data;
	ssize_t n;

	if (source->device && whole > source->size - start)
		whole = source->size - start;
	if (head > 0 && (room = buffer_create(whole)) == NULL)
		return -1;
	n = pread_full(source->fd, room, whole, start);
	if (n >= 0) {
		n = (size_t)n < head ? 0 : n - (ssize_t)head;
		if ((size_t)n > length)
			n = (ssize_t)length;
		if (room != data)
			memcpy(data, room + head, (size_t)n);
	}
	if (room != data)
		free(room);
	return n;
}

/*
 * Through the page cache: what was cached stays, what this read brought in goes
 * again.
 */
static ssize_t
source_read_cached(struct source *source, uint64_t offset, unsigned char *data, size_t length)
{
	struct iovec vector = { data, length };
	ssize_t n = 0, rest;

	if (atomic_load_explicit(&source->nowait, memory_order_relaxed)) {
		n = preadv2(source->fd, &vector, 1, (off_t)offset, RWF_NOWAIT);
		if (n == (ssize_t)length)
			return n;
		if (n == -1 && (errno == EOPNOTSUPP || errno == ENOSYS))
			atomic_store(&source->nowait, false);
		if (n == -1)
			n = 0;
	}
	rest = pread_full(source->fd, data + n, length - (size_t)n, offset + (uint64_t)n);
	if (rest == -1)
		return -1;
	if (rest > 0)
		posix_fadvise(source->fd, (off_t)(offset + (uint64_t)n), rest, POSIX_FADV_DONTNEED);
	return n + rest;
}

ssize_t
source_read(struct source *source, uint64_t offset, unsigned char *data, size_t length)
{
	if (source->pipe)
		return source_read_pipe(source, data, length);
	if (source->direct)
		return source_read_direct(source, offset, data, length);
	return source_read_cached(source, offset, data, length);
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
	struct source_bad *last = salvage->bad + salvage->count - 1;

	memset(salvage->data + start, 0, length);
	if (salvage->count > 0 && last->start + last->length == start) {
		last->length += length;
		return true;
	}
	salvage->bad[salvage->count++] = (struct source_bad){ start, length, number };
	return salvage->count < salvage->max;
}

/* Read by halves, cut at sectors of the device.  False when the list is full. */
static bool
salvage_range(struct salvage *salvage, uint32_t start, uint32_t length)
{
	uint32_t sector = salvage->source->sector, half;
	uint64_t at = salvage->offset + start;
	unsigned char *room = salvage->data + start;
	unsigned char *bounce = NULL;
	ssize_t n;
	int number;

	/* Its own memory, for what stands in sectors only is not aligned for O_DIRECT. */
	if (salvage->source->direct && (room = bounce = buffer_create(length + SOURCE_ALIGN)) == NULL)
		return salvage_bad(salvage, start, length, ENOMEM);
	n = salvage->source->direct && at % sector == 0 && length % sector == 0 ?
	    pread_full(salvage->source->fd, room, length, at) :
	    source_read(salvage->source, at, room, length);
	number = n == -1 ? errno : EIO;
	if (n == (ssize_t)length && bounce != NULL)
		memcpy(salvage->data + start, bounce, length);
	free(bounce);
	if (n == (ssize_t)length)
		return true;
	half = (uint32_t)((at + length / 2) / sector * sector - at);
	if (length <= sector || half == 0 || half >= length)
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
