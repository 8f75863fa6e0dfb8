/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/io.h"
#include "device/medium.h"
#include "device/zero.h"

#define ALIGN	4096u

void
medium_init(struct medium *medium, int fd, const char *name)
{
	memset(medium, 0, sizeof(*medium));
	medium->fd = fd;
	medium->name = name;
	medium->sector = 1;
	pthread_mutex_init(&medium->edges, NULL);
}

bool
medium_fail(const struct medium *medium, uint64_t at, struct error *error)
{
	return error_errno(error, "%s: at byte %ju", medium->name, (uintmax_t)at);
}

/*
 * After a failed write, which may cover many sectors, find the first sector that cannot
 * be written, by bisection.  If all can be written now, the start of the write is named.
 */
static uint64_t
medium_locate(const struct medium *medium, const unsigned char *data, size_t length, uint64_t at)
{
	const size_t unit = medium->sector > 512 ? medium->sector : 512;
	const uint64_t start = at;
	int number = errno;

	while (length > unit) {
		size_t half = (length / 2 + unit - 1) / unit * unit;

		if (pwrite_full(medium->fd, data, half, at)) {
			data += half;
			at += half;
			length -= half;
		} else
			length = half;
	}
	if (pwrite_full(medium->fd, data, length, at))
		at = start;
	errno = number;
	return at;
}

static bool
medium_put(struct medium *medium, uint64_t at, const unsigned char *data, size_t length,
    struct error *error)
{
	if (pwrite_full(medium->fd, data, length, at))
		return true;
	atomic_store(&medium->failed, true);
	return medium_fail(medium, medium_locate(medium, data, length, at), error);
}

/* Rewrite part of a sector: read it, change it, write it. */
static bool
medium_put_edge(struct medium *medium, uint64_t at, const unsigned char *data, size_t length,
    struct error *error)
{
	uint64_t start = at - at % medium->sector;
	unsigned char *room = buffer_create(medium->sector);
	bool written = false;

	if (room == NULL)
		return medium_fail(medium, at, error);
	pthread_mutex_lock(&medium->edges);
	if (pread_full(medium->fd, room, medium->sector, start) == (ssize_t)medium->sector) {
		memcpy(room + (at - start), data, length);
		written = pwrite_full(medium->fd, room, medium->sector, start);
	}
	pthread_mutex_unlock(&medium->edges);
	free(room);
	if (written)
		return true;
	atomic_store(&medium->failed, true);
	return medium_fail(medium, at, error);
}

/* O_DIRECT writes whole sectors from memory that is aligned to them. */
static bool
medium_put_direct(struct medium *medium, uint64_t at, const unsigned char *data, size_t length,
    struct error *error)
{
	size_t head = (size_t)((medium->sector - at % medium->sector) % medium->sector);
	size_t middle;
	unsigned char *room = NULL;
	bool written = true;

	if (head > length)
		head = length;
	if (head > 0 && !medium_put_edge(medium, at, data, head, error))
		return false;
	at += head, data += head, length -= head;
	middle = length - length % medium->sector;
	if (middle > 0 && (uintptr_t)data % medium->sector != 0) {
		room = buffer_create(middle);
		if (room == NULL)
			return medium_fail(medium, at, error);
		memcpy(room, data, middle);
	}
	if (middle > 0)
		written = medium_put(medium, at, room != NULL ? room : data, middle, error);
	free(room);
	if (written && middle < length)
		written = medium_put_edge(medium, at + middle, data + middle, length - middle, error);
	return written;
}

bool
medium_write(struct medium *medium, uint64_t at, const unsigned char *data, size_t length,
    struct error *error)
{
	if (medium->direct)
		return medium_put_direct(medium, at, data, length, error);
	return medium_put(medium, at, data, length, error);
}

static bool
medium_write_zeros(struct medium *medium, uint64_t at, uint64_t length, struct error *error)
{
	static const unsigned char zeros[256 << 10] __attribute__((aligned(ALIGN)));

	while (length > 0) {
		size_t part = length < sizeof(zeros) ? (size_t)length : sizeof(zeros);

		if (!medium_write(medium, at, zeros, part, error))
			return false;
		at += part;
		length -= part;
	}
	return true;
}

/*
 * The unit in which ranges are zeroed without writing.  On a device that is a sector, or a
 * page if writes go through the page cache: zeroing bypasses the cache, and writing back
 * a page that is only partly zeroed would restore its old bytes.
 */
static uint64_t
medium_zero_unit(const struct medium *medium)
{
	if (!medium->device)
		return 1;
	return medium->direct || medium->sector > ALIGN ? medium->sector : ALIGN;
}

bool
medium_zero(struct medium *medium, uint64_t at, uint64_t length, struct error *error)
{
	uint64_t unit = medium_zero_unit(medium), end = at + length, start, stop;

	start = (at + unit - 1) / unit * unit;
	stop = end / unit * unit;
	if (medium->null)
		return true;
	if (start >= stop ||
	    !zero_range(medium->fd, medium->device, &medium->zero_method, start, stop - start))
		return medium_write_zeros(medium, at, end - at, error);
	return medium_write_zeros(medium, at, start - at, error) &&
	    medium_write_zeros(medium, stop, end - stop, error);
}

bool
medium_discard(struct medium *medium, uint64_t at, uint64_t length)
{
	uint64_t start = (at + medium->sector - 1) / medium->sector * medium->sector;
	uint64_t end = (at + length) / medium->sector * medium->sector;
	uint64_t range[2] = { start, end - start };

	if (start >= end || medium->null)
		return true;
	if (medium->device)
		return ioctl(medium->fd, BLKDISCARD, range) == 0;
	return fallocate(medium->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at,
	    (off_t)length) == 0;
}

bool
medium_allocate(struct medium *medium, uint64_t at, uint64_t length, struct error *error)
{
	int punch = ZERO_PUNCH;

	atomic_compare_exchange_strong(&medium->zero_method, &punch, ZERO_KEEP);
	if (medium->device || length == 0 ||
	    fallocate(medium->fd, FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)length) == 0)
		return true;
	medium->written_only = errno == EOPNOTSUPP;
	return medium->written_only || error_errno(error, "%s: at byte %ju: %ju bytes cannot be allocated",
	    medium->name, (uintmax_t)at, (uintmax_t)length);
}

void
medium_write_out(struct medium *medium, uint64_t at, uint64_t length)
{
	if (!medium->direct && !medium->null)
		(void)sync_file_range(medium->fd, (off_t)at, (off_t)length, SYNC_FILE_RANGE_WRITE);
}

/*
 * Dirty pages must be written out before they can be dropped.  This may consume the
 * report of a lost write, which the next fsync then does not return; hence lost.
 */
bool
medium_drop(struct medium *medium, uint64_t at, uint64_t length, enum fresh *left,
    struct error *error)
{
	int lost = 0;

	*left = fresh_drop(medium->fd, at, length, &lost);
	if (lost == 0)
		return true;
	atomic_store(&medium->lost, true);
	atomic_store(&medium->failed, true);
	errno = lost;
	return medium_fail(medium, at, error);
}

void
medium_forget(struct medium *medium)
{
	int lost;

	if (!medium->null)
		(void)fresh_drop(medium->fd, 0, 0, &lost);
}

bool
medium_flush(struct medium *medium, struct error *error)
{
	if (medium->null || fsync(medium->fd) == 0)
		return true;
	atomic_store(&medium->lost, true);
	atomic_store(&medium->failed, true);
	error_errno(error, "%s: flush", medium->name);
	posix_fadvise(medium->fd, 0, 0, POSIX_FADV_DONTNEED);
	return false;
}
