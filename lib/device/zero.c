/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "device/zero.h"

/* One try; false with errno set. */
static bool
zero_by(int fd, bool device, int method, uint64_t at, uint64_t length)
{
	uint64_t range[2] = { at, length };
	int mode = method == ZERO_PUNCH ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;

	if (method != ZERO_OUT)
		return fallocate(fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)length) == 0;
	if (device)
		return ioctl(fd, BLKZEROOUT, range) == 0;
	errno = EOPNOTSUPP;
	return false;
}

bool
zero_range(int fd, bool device, atomic_int *method, uint64_t at, uint64_t length)
{
	int try;

	for (try = atomic_load(method); try < ZERO_NONE; try++) {
		int was = try;

		if (zero_by(fd, device, try, at, length))
			return true;
		if (errno == EOPNOTSUPP || errno == EINVAL || errno == ENOSYS || errno == ENOTTY)
			atomic_compare_exchange_strong(method, &was, try + 1);
	}
	return false;
}
