/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io.h"
#include "size.h"
#include "target.h"

/* QEMU's image locks are byte locks in this range (its block/file-posix.c). */
#define QEMU_LOCK_START		100
#define QEMU_LOCK_LENGTH	200

enum zero_method { ZERO_PUNCH, ZERO_RANGE, ZERO_OUT, ZERO_WRITE };

/* The resolved path of what may not exist yet: that of its directory. */
static bool
path_is_under_dev(const char *path)
{
	char *copy = strdup(path), *slash, *directory;
	bool under;

	if (copy == NULL)
		return true;
	slash = strrchr(copy, '/');
	if (slash != NULL)
		slash[slash == copy ? 1 : 0] = '\0';
	directory = realpath(slash == NULL ? "." : copy, NULL);
	under = directory != NULL &&
	    (strcmp(directory, "/dev") == 0 || strncmp(directory, "/dev/", 5) == 0);
	free(directory);
	free(copy);
	return under;
}

static bool
target_open_file(struct target *target, const struct target_options *options,
    struct error *error)
{
	const char *path = target->name;

	target->fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (target->fd != -1)
		return true;
	if (errno != ENOENT)
		return error_errno(error, "%s", path);
	if (!options->create)
		return error_set(error, "%s: no such file or device (--create makes a file)", path);
	if (path_is_under_dev(path))
		return error_set(error, "%s: no such device, and no file is created under /dev", path);
	target->fd = open(path, O_RDWR | O_CLOEXEC | O_CREAT | O_EXCL | O_NOCTTY, 0600);
	if (target->fd == -1)
		return error_errno(error, "%s", path);
	target->created = true;
	return true;
}

/* Open a device again as its only user, past the page cache. */
static bool
target_claim_device(struct target *target, struct error *error)
{
	char again[64];
	int fd, read_only = 0, sector;

	snprintf(again, sizeof(again), "/proc/self/fd/%d", target->fd);
	fd = open(again, O_RDWR | O_CLOEXEC | O_EXCL | O_DIRECT);
	if (fd == -1 && errno == EINVAL)
		fd = open(again, O_RDWR | O_CLOEXEC | O_EXCL);
	else
		target->direct = fd != -1;
	if (fd == -1 && errno == EBUSY)
		return error_set(error, "%s: in use: mounted, swapped on, mapped, or open exclusively elsewhere",
		    target->name);
	if (fd == -1)
		return error_errno(error, "%s", target->name);
	close(target->fd);
	target->fd = fd;
	if (ioctl(fd, BLKROGET, &read_only) == 0 && read_only)
		return error_set(error, "%s: the device is read-only", target->name);
	if (ioctl(fd, BLKGETSIZE64, &target->file_size) == -1 || ioctl(fd, BLKSSZGET, &sector) == -1)
		return error_errno(error, "%s", target->name);
	target->sector = (uint32_t)sector;
	target->device = true;
	return true;
}

/*
 * QEMU locks single bytes, shared, as long as it has the image open; a write lock on
 * all of them meets any of its.
 */
static bool
target_lock(struct target *target, struct error *error)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET,
		.l_start = QEMU_LOCK_START, .l_len = QEMU_LOCK_LENGTH
	};

	if (fcntl(target->fd, F_OFD_SETLK, &lock) == 0 || (errno != EAGAIN && errno != EACCES))
		return true;
	return error_set(error, "%s: in use: a running QEMU or another blkwrite holds its image lock",
	    target->name);
}

static bool
target_bound(struct target *target, const struct target_options *options, struct error *error)
{
	uint64_t end = target->device ? target->file_size : SIZE_LIMIT;

	target->offset = options->offset;
	if (options->offset > end)
		return error_set(error, "%s: offset %ju lies behind its end at %ju", target->name,
		    (uintmax_t)options->offset, (uintmax_t)end);
	if (options->length != UINT64_MAX && options->length > end - options->offset)
		return error_set(error, "%s: a range of %ju bytes from %ju ends behind its end at %ju",
		    target->name, (uintmax_t)options->length, (uintmax_t)options->offset,
		    (uintmax_t)end);
	if (options->length != UINT64_MAX)
		target->capacity = options->length;
	else
		target->capacity = target->device ? end - options->offset : UINT64_MAX;
	/* Data that comes aligned would have to be moved for every write. */
	if (target->direct && options->offset % target->sector != 0 &&
	    fcntl(target->fd, F_SETFL, fcntl(target->fd, F_GETFL) & ~O_DIRECT) == 0)
		target->direct = false;
	return true;
}

static bool
target_open_readback(struct target *target, struct error *error)
{
	char again[64];

	snprintf(again, sizeof(again), "/proc/self/fd/%d", target->fd);
	if (!source_open(&target->readback, again, SOURCE_DIRECT_ALWAYS, false, error)) {
		*error = (struct error){ 0 };
		if (!source_open(&target->readback, again, SOURCE_DIRECT_NEVER, false, error))
			return false;
	}
	target->readback.name = target->name;
	return true;
}

bool
target_open(struct target *target, const char *path, const struct target_options *options,
    struct error *error)
{
	struct stat status;

	memset(target, 0, sizeof(*target));
	pthread_mutex_init(&target->edges, NULL);
	target->name = path;
	target->sector = 1;
	target->confined = options->confined;
	target->zeroed = options->zeroed;
	if (!target_open_file(target, options, error))
		return false;
	if (fstat(target->fd, &status) == -1)
		return error_errno(error, "%s", path);
	if (S_ISBLK(status.st_mode)) {
		if (!target_claim_device(target, error))
			return false;
	} else if (S_ISREG(status.st_mode))
		target->file_size = (uint64_t)status.st_size;
	else
		return error_set(error, "%s: neither a block device nor a regular file", path);
	return target_lock(target, error) &&
	    target_bound(target, options, error) && target_open_readback(target, error);
}

bool
target_reserve(struct target *target, uint64_t size, struct error *error)
{
	if (size > target->capacity)
		return error_set(error, "%s: too small: %ju bytes are to come, %ju have room",
		    target->name, (uintmax_t)size, (uintmax_t)target->capacity);
	if (target->device)
		return true;
	if (size > SIZE_LIMIT - target->offset)
		return error_set(error, "%s: %ju bytes from %ju on are more than a file holds",
		    target->name, (uintmax_t)size, (uintmax_t)target->offset);
	if (target->offset + size > target->file_size &&
	    ftruncate(target->fd, (off_t)(target->offset + size)) == -1)
		return error_errno(error, "%s: at byte %ju", target->name,
		    (uintmax_t)(target->offset + size));
	return true;
}

/* Nothing is written outside of the range, whatever the caller made of its input. */
static bool
target_check(const struct target *target, uint64_t offset, uint64_t length, struct error *error)
{
	if (offset <= target->capacity && length <= target->capacity - offset)
		return true;
	return error_set(error, "%s: at byte %ju: %ju bytes do not fit into its %ju", target->name,
	    (uintmax_t)offset, (uintmax_t)length, (uintmax_t)target->capacity);
}

static bool
target_fail(const struct target *target, uint64_t at, struct error *error)
{
	return error_errno(error, "%s: at byte %ju", target->name, (uintmax_t)at);
}

/* Rewrite part of a sector: read it, change it, write it. */
static bool
target_write_edge(struct target *target, uint64_t at, const unsigned char *data, size_t length,
    struct error *error)
{
	uint64_t start = at - at % target->sector;
	unsigned char *room = buffer_create(SOURCE_ALIGN);
	bool written = false;

	if (room == NULL)
		return target_fail(target, at, error);
	pthread_mutex_lock(&target->edges);
	if (pread_full(target->fd, room, target->sector, start) == (ssize_t)target->sector) {
		memcpy(room + (at - start), data, length);
		written = pwrite_full(target->fd, room, target->sector, start);
	}
	pthread_mutex_unlock(&target->edges);
	free(room);
	return written ? true : target_fail(target, at, error);
}

/* O_DIRECT writes whole sectors from aligned memory. */
static bool
target_write_direct(struct target *target, uint64_t at, const unsigned char *data, size_t length,
    struct error *error)
{
	size_t head = (size_t)((target->sector - at % target->sector) % target->sector);
	size_t middle;
	unsigned char *room = NULL;
	bool written = true;

	if (head > length)
		head = length;
	if (head > 0 && !target_write_edge(target, at, data, head, error))
		return false;
	at += head, data += head, length -= head;
	middle = length - length % target->sector;
	if (middle > 0 && (uintptr_t)data % 512 != 0) {
		room = buffer_create(middle);
		if (room == NULL)
			return target_fail(target, at, error);
		memcpy(room, data, middle);
	}
	if (middle > 0)
		written = pwrite_full(target->fd, room != NULL ? room : data, middle, at);
	free(room);
	if (!written)
		return target_fail(target, at, error);
	if (middle < length)
		return target_write_edge(target, at + middle, data + middle, length - middle, error);
	return true;
}

bool
target_write(struct target *target, uint64_t offset, const unsigned char *data, size_t length,
    struct error *error)
{
	uint64_t at = target->offset + offset;

	if (!target_check(target, offset, length, error))
		return false;
	if (target->direct)
		return target_write_direct(target, at, data, length, error);
	if (!pwrite_full(target->fd, data, length, at))
		return target_fail(target, at, error);
	return true;
}

static bool
zero_by_writing(struct target *target, uint64_t offset, uint64_t length, struct error *error)
{
	static const unsigned char zeros[256 << 10] __attribute__((aligned(SOURCE_ALIGN)));

	while (length > 0) {
		size_t part = length < sizeof(zeros) ? (size_t)length : sizeof(zeros);

		if (!target_write(target, offset, zeros, part, error))
			return false;
		offset += part;
		length -= part;
	}
	return true;
}

/* One try; false with errno set. */
static bool
zero_by(const struct target *target, enum zero_method method, uint64_t at, uint64_t length)
{
	uint64_t range[2] = { at, length };
	const int keep = FALLOC_FL_KEEP_SIZE;

	switch (method) {
	case ZERO_PUNCH:
		return fallocate(target->fd, FALLOC_FL_PUNCH_HOLE | keep, (off_t)at, (off_t)length) == 0;
	case ZERO_RANGE:
		return fallocate(target->fd, FALLOC_FL_ZERO_RANGE | keep, (off_t)at, (off_t)length) == 0;
	default:
		if (!target->device) {
			errno = EOPNOTSUPP;
			return false;
		}
		return ioctl(target->fd, BLKZEROOUT, range) == 0;
	}
}

bool
target_zero(struct target *target, uint64_t offset, uint64_t length, struct error *error)
{
	uint64_t at = target->offset + offset, end = at + length, start;
	int method;

	if (!target_check(target, offset, length, error))
		return false;
	if (target->zeroed)
		return true;
	if (!target->device && end > target->file_size) {
		end = target->file_size;	/* what lies behind has never been written */
		if (at >= end)
			return true;
	}
	start = (at + target->sector - 1) / target->sector * target->sector;
	end -= target->device ? end % target->sector : 0;
	if (start >= end)
		return zero_by_writing(target, offset, length, error);
	for (method = atomic_load(&target->zero_method); method < ZERO_WRITE; method++) {
		int was;

		if (zero_by(target, (enum zero_method)method, start, end - start))
			break;
		if (errno != EOPNOTSUPP && errno != EINVAL && errno != ENOSYS && errno != ENOTTY)
			return target_fail(target, start, error);
		was = method;
		atomic_compare_exchange_strong(&target->zero_method, &was, method + 1);
	}
	if (method == ZERO_WRITE)
		return zero_by_writing(target, offset, length, error);
	return zero_by_writing(target, offset, start - at, error) && (!target->device ||
	    zero_by_writing(target, end - target->offset, at + length - end, error));
}

bool
target_discard(struct target *target, uint64_t offset, uint64_t length)
{
	uint64_t range[2] = { target->offset + offset, length };

	if (length == 0 || offset > target->capacity || length > target->capacity - offset)
		return false;
	if (!target->device)
		return fallocate(target->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		    (off_t)range[0], (off_t)range[1]) == 0;
	range[1] -= range[1] % target->sector;
	(void)ioctl(target->fd, BLKDISCARD, range);
	return false;
}

void
target_write_out(struct target *target, uint64_t offset, uint64_t length)
{
	if (!target->direct)
		(void)sync_file_range(target->fd, (off_t)(target->offset + offset), (off_t)length,
		    SYNC_FILE_RANGE_WRITE);
}

bool
target_flush(struct target *target, struct error *error)
{
	if (fsync(target->fd) == -1)
		return error_errno(error, "%s: flush", target->name);
	return true;
}

bool
target_read(struct target *target, uint64_t offset, unsigned char *data, size_t length,
    struct error *error)
{
	uint64_t at = target->offset + offset;
	ssize_t n;

	if (!target->readback.direct) {
		(void)sync_file_range(target->fd, (off_t)at, (off_t)length,
		    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
		posix_fadvise(target->fd, (off_t)at, (off_t)length, POSIX_FADV_DONTNEED);
	}
	n = source_read(&target->readback, at, data, length);
	if (n == -1)
		return error_errno(error, "%s: reading back at byte %ju", target->name, (uintmax_t)at);
	if ((size_t)n < length)
		return error_set(error, "%s: reading back at byte %ju: end of file", target->name,
		    (uintmax_t)(at + (uint64_t)n));
	return true;
}

uint64_t
target_extent(struct target *target, uint64_t offset, uint64_t end, bool *hole)
{
	return source_extent(&target->readback, target->offset + offset, target->offset + end,
	    hole) - target->offset;
}

bool
target_cut(struct target *target, uint64_t size, struct error *error)
{
	struct stat status;

	if (target->device || target->confined)
		return true;
	if (fstat(target->fd, &status) == -1 || ((uint64_t)status.st_size > target->offset + size &&
	    ftruncate(target->fd, (off_t)(target->offset + size)) == -1))
		return error_errno(error, "%s: at byte %ju", target->name,
		    (uintmax_t)(target->offset + size));
	return true;
}

uint64_t
target_tail(const struct target *target, uint64_t size)
{
	return target->capacity == UINT64_MAX ? 0 : target->capacity - size;
}

bool
target_close(struct target *target, struct error *error)
{
	source_close(&target->readback);
	if (close(target->fd) == -1)
		return error_errno(error, "%s: close", target->name);
	return true;
}
