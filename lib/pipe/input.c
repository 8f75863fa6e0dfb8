/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/io.h"
#include "pipe/input.h"
#include "pipe/wait.h"

void
input_open(struct input *input, int fd, int watch, const char *name)
{
	memset(input, 0, sizeof(*input));
	input->fd = fd;
	input->watch = watch;
	input->timeout = -1;
	input->name = name;
	pipe_widen(fd);
}

bool
input_open_file(struct input *input, const char *name, int watch)
{
	bool standard = strcmp(name, "-") == 0;
	int fd = standard ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);

	if (fd == -1)
		return false;
	input_open(input, fd, watch, standard ? "standard input" : name);
	return true;
}

void
input_close(struct input *input)
{
	if (input->fd != STDIN_FILENO)
		close(input->fd);
}

static int
input_wait(const struct input *input, int timeout)
{
	return wait_input(input->fd, input->watch, timeout);
}

/* One read: bytes, end of file (0), or -1 with errno set. */
static ssize_t
input_some(struct input *input, struct iovec *vector, int count)
{
	ssize_t n;

	if (input->eof)
		return 0;
	do {
		if ((input->watch != -1 || input->timeout != -1) &&
		    input_wait(input, input->timeout) != 1)
			return -1;
		n = readv(input->fd, vector, count);
		if (n == -1 && errno == EAGAIN && input_wait(input, input->timeout) == 1)
			errno = EINTR;
	} while (n == -1 && errno == EINTR);
	if (n == 0)
		input->eof = true;
	return n;
}

/* Read into data and, behind it, into the buffer, which is empty. */
static ssize_t
input_fill(struct input *input, void *data, size_t length)
{
	struct iovec vector[2] = {
		{ data, length },
		{ input->ahead, sizeof(input->ahead) },
	};
	ssize_t n;

	input->start = input->end = 0;
	n = input_some(input, vector, 2);
	if (n > 0 && (size_t)n > length) {
		input->end = (size_t)n - length;
		n = (ssize_t)length;
	}
	return n;
}

ssize_t
input_read(struct input *input, void *data, size_t length)
{
	size_t done = input->end - input->start;
	double before;

	if (done > length)
		done = length;
	memcpy(data, input->ahead + input->start, done);
	input->start += done;
	if (done < length) {
		before = clock_seconds();
		while (done < length) {
			ssize_t n = input_fill(input, (char *)data + done, length - done);

			if (n == -1)
				return -1;
			if (n == 0)
				break;
			done += (size_t)n;
		}
		input->waited += clock_seconds() - before;
	}
	input->position += done;
	return (ssize_t)done;
}

ssize_t
input_peek(struct input *input, size_t length, const unsigned char **data)
{
	size_t have = input->end - input->start;

	memmove(input->ahead, input->ahead + input->start, have);
	input->start = 0;
	input->end = have;
	if (length > sizeof(input->ahead))
		length = sizeof(input->ahead);
	while (input->end < length && !input->eof) {
		struct iovec rest = { input->ahead + input->end, sizeof(input->ahead) - input->end };
		ssize_t n = input_some(input, &rest, 1);

		if (n == -1)
			return -1;
		input->end += (size_t)n;
	}
	*data = input->ahead;
	return (ssize_t)(input->end < length ? input->end : length);
}

ssize_t
input_line(struct input *input, char *text, size_t size)
{
	size_t length = 0;
	bool some = false;
	char byte;
	ssize_t n;

	while ((n = input_read(input, &byte, 1)) == 1) {
		some = true;
		if (byte == '\n')
			break;
		if (length < size)
			text[length++] = byte;
	}
	if (n == -1)
		return -1;
	if (!some) {
		errno = 0;
		return -1;
	}
	text[length < size ? length : size - 1] = '\0';
	return (ssize_t)length;
}

int
input_finish(struct input *input, int milliseconds)
{
	unsigned char byte;
	int ready;
	ssize_t n;

	if (input->start < input->end)
		return 1;
	if (input->eof)
		return 0;
	ready = input_wait(input, milliseconds);
	if (ready <= 0)
		return ready == 0 ? 2 : -1;
	do
		n = read(input->fd, &byte, 1);
	while (n == -1 && errno == EINTR);
	if (n == 0)
		input->eof = true;
	return n == -1 ? -1 : (int)n;
}
