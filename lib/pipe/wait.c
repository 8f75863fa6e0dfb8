/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <poll.h>
#include <sys/stat.h>

#include "pipe/wait.h"

int
wait_input(int in, int output, int timeout)
{
	struct pollfd wait[2] = {
		{ .fd = in, .events = POLLIN },
		{ .fd = output, .events = 0 },
	};

	for (;;) {
		int n = poll(wait, 2, timeout);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == 0)
			errno = ETIMEDOUT;
		if (n <= 0)
			return n;
		if (wait[0].revents != 0)
			return 1;
		if ((wait[1].revents & (POLLERR | POLLHUP)) != 0) {
			errno = EPIPE;
			return -1;
		}
		wait[1].fd = -1;	/* POLLNVAL: it is closed, and a write will say so */
	}
}

bool
wait_output(int out)
{
	struct pollfd wait = { .fd = out, .events = POLLOUT };

	while (poll(&wait, 1, -1) == -1)
		if (errno != EINTR)
			return false;
	return true;
}

bool
is_pipe(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
}
