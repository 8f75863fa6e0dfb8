/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"

ssize_t
pread_full(int fd, void *data, size_t length, uint64_t offset)
{
	size_t done = 0;

	while (done < length) {
		ssize_t n = pread(fd, (char *)data + done, length - done, (off_t)(offset + done));

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

/* After a failed write: true if it should be tried again. */
static bool
write_again(int fd)
{
	struct pollfd wait = { .fd = fd, .events = POLLOUT };

	if (errno == EINTR)
		return true;
	if (errno != EAGAIN)
		return false;
	while (poll(&wait, 1, -1) == -1)
		if (errno != EINTR)
			return false;
	return true;
}

bool
write_full(int fd, const void *data, size_t length)
{
	struct iovec vector = { (void *)data, length };

	return writev_full(fd, &vector, 1);
}

bool
writev_full(int fd, struct iovec *vector, int count)
{
	while (count > 0) {
		ssize_t n;

		if (vector->iov_len == 0) {
			vector++, count--;
			continue;
		}
		n = writev(fd, vector, count);
		if (n == -1 && write_again(fd))
			continue;
		if (n == 0)
			errno = ENOSPC;
		if (n <= 0)
			return false;
		while (count > 0 && (size_t)n >= vector->iov_len) {
			n -= (ssize_t)vector->iov_len;
			vector++, count--;
		}
		if (count > 0) {
			vector->iov_base = (char *)vector->iov_base + n;
			vector->iov_len -= (size_t)n;
		}
	}
	return true;
}

bool
pwrite_full(int fd, const void *data, size_t length, uint64_t offset)
{
	size_t done = 0;

	while (done < length) {
		ssize_t n = pwrite(fd, (const char *)data + done, length - done, (off_t)(offset + done));

		if (n == -1 && write_again(fd))
			continue;
		if (n == 0)
			errno = ENOSPC;
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

void
pipe_widen(int fd)
{
	int size = fcntl(fd, F_GETPIPE_SZ);

	if (size != -1 && size < IO_PIPE_SIZE)
		(void)fcntl(fd, F_SETPIPE_SZ, IO_PIPE_SIZE);
}

void
io_print_lines(void)
{
	static char line[64 << 10];

	(void)setvbuf(stdout, line, _IOLBF, sizeof(line));
}

bool
io_claim_standard(void)
{
	int fd;

	for (fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) != -1 || errno != EBADF)
			continue;
		if (open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
			return false;
	}
	return true;
}

bool
io_flush_folder(const char *path)
{
	char *copy = strdup(path);
	int fd = copy != NULL ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	bool flushed = fd != -1 && (fsync(fd) == 0 || errno == EINVAL);
	int number = errno;

	if (fd != -1)
		close(fd);
	free(copy);
	errno = number;
	return flushed;
}

uint64_t
io_bytes_left(int fd)
{
	struct stat status;
	off_t here, end;

	if (fstat(fd, &status) == -1 || (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode)))
		return UINT64_MAX;
	here = lseek(fd, 0, SEEK_CUR);
	end = lseek(fd, 0, SEEK_END);
	if (here == -1 || lseek(fd, here, SEEK_SET) == -1 || end <= here)
		return UINT64_MAX;
	return (uint64_t)(end - here);
}

void *
buffer_create(size_t size)
{
	void *data;
	int failed = posix_memalign(&data, 4096, size > 0 ? size : 1);

	if (failed != 0) {
		errno = failed;
		return NULL;
	}
	return data;
}

bool
bytes_are_zero(const void *data, size_t length)
{
	const unsigned char *p = data;
	size_t head = length < 16 ? length : 16, i;

	for (i = 0; i < head; i++)
		if (p[i] != 0)
			return false;
	return memcmp(p, p + head, length - head) == 0;
}

double
clock_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
