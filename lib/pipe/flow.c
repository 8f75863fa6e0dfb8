/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "pipe/flow.h"
#include "pipe/ring.h"
#include "pipe/wait.h"

/* One system call moves at most this: all of a wide pipe; as much as stays in the cache. */
#define SPLICE_SIZE	IO_PIPE_SIZE
#define BUFFER_SIZE	(256 << 10)

static void *flow_fill(void *);

/* The input at hand has ended: go on with the next one.  False if there is none. */
static bool
flow_advance(struct flow *flow)
{
	if (flow->rest_count == 0)
		return false;
	flow->in = *flow->rest++;
	flow->rest_count--;
	atomic_fetch_add(&flow->index, 1);
	flow->spliced = flow->looks = true;
	pipe_widen(flow->in);
	return true;
}

bool
flow_open(struct flow *flow, int in, int out, size_t ring_size)
{
	return flow_open_all(flow, &in, 1, out, ring_size);
}

bool
flow_open_all(struct flow *flow, const int *ins, unsigned count, int out, size_t ring_size)
{
	pthread_t thread;
	int failed;

	memset(flow, 0, sizeof(*flow));
	flow->in = ins[0];
	flow->rest = ins + 1;
	flow->rest_count = count - 1;
	flow->out = out;
	flow->spliced = flow->looks = true;
	if (pipe2(flow->side, O_CLOEXEC | O_NONBLOCK) == -1)
		return false;
	pipe_widen(flow->in);
	pipe_widen(out);
	flow->buffer = buffer_create(BUFFER_SIZE);
	if (flow->buffer == NULL)
		return false;
	if (ring_size == 0)
		return true;
	flow->ring = ring_create(ring_size);
	if (flow->ring == NULL)
		return false;
	failed = pthread_create(&thread, NULL, flow_fill, flow);
	if (failed != 0) {
		errno = failed;
		return false;
	}
	pthread_detach(thread);
	return true;
}

void
flow_close(struct flow *flow)
{
	close(flow->side[0]);
	close(flow->side[1]);
	free(flow->buffer);
}

/* Read the bytes that are there; wait only until some are. */
static ssize_t
flow_read(const struct flow *flow, void *data, size_t length, int timeout)
{
	ssize_t n;

	do {
		if (wait_input(flow->in, flow->out, timeout) != 1)
			return -1;
		n = read(flow->in, data, length);
	} while (n == -1 && (errno == EINTR || errno == EAGAIN));
	return n;
}

/* The thread that fills the ring.  It waits for input, so it watches the output too. */
static void *
flow_fill(void *argument)
{
	struct flow *flow = argument;
	unsigned char *space;

	for (;;) {
		size_t length = ring_space(flow->ring, &space);
		ssize_t n = flow_read(flow, space, length < BUFFER_SIZE ? length : BUFFER_SIZE, -1);

		if (n == 0 && flow_advance(flow))
			continue;
		if (n <= 0) {
			ring_close(flow->ring, n == 0 ? 0 : errno);
			return NULL;
		}
		ring_fill(flow->ring, (size_t)n);
	}
}

static bool
flow_write(struct flow *flow, const void *data, size_t length)
{
	flow->output_failed = !write_full(flow->out, data, length);
	return !flow->output_failed;
}

static ssize_t
flow_pass_ring(struct flow *flow, void *copy, size_t length, int timeout)
{
	unsigned char *data;
	ssize_t n = ring_data(flow->ring, &data, timeout);

	if (n <= 0)
		return n;
	if ((size_t)n > length)
		n = (ssize_t)length;
	if (n > BUFFER_SIZE)
		n = BUFFER_SIZE;
	if (copy != NULL)
		memcpy(copy, data, (size_t)n);
	if (!flow_write(flow, data, (size_t)n))
		return -1;
	ring_empty(flow->ring, (size_t)n);
	return n;
}

static ssize_t
flow_pass_buffer(struct flow *flow, void *copy, size_t length, int timeout)
{
	unsigned char *data = copy != NULL ? copy : flow->buffer;
	ssize_t n;

	if (copy == NULL && length > BUFFER_SIZE)
		length = BUFFER_SIZE;
	n = flow_read(flow, data, length, timeout);
	if (n > 0 && !flow_write(flow, data, (size_t)n))
		return -1;
	return n;
}

/*
 * When it fails, or when these two cannot be spliced, nothing has moved.  A splice that
 * blocks would not notice that the output's reader is gone, so poll waits for the side that
 * is not ready.  If both are said to be ready and still nothing moves, block in the kernel.
 */
static ssize_t
flow_splice(struct flow *flow, size_t length, int timeout)
{
	unsigned flags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK;
	ssize_t n;
	int tries;

	if (length > SPLICE_SIZE)
		length = SPLICE_SIZE;
	for (tries = 0;; tries++) {
		n = splice(flow->in, NULL, flow->out, NULL, length, flags);
		if (n >= 0 || (errno != EAGAIN && errno != EINTR))
			return n;
		if (wait_input(flow->in, flow->out, timeout) != 1 || !wait_output(flow->out))
			return -1;
		if (tries == 16)
			flags = SPLICE_F_MOVE;
	}
}

/* Move bytes, pending or not, in whichever way works. */
static ssize_t
flow_move(struct flow *flow, size_t length, int timeout)
{
	ssize_t n;

	flow->output_failed = false;
	if (flow->ring != NULL)
		return flow_pass_ring(flow, NULL, length, timeout);
	if (flow->spliced) {
		n = flow_splice(flow, length, timeout);
		if (n >= 0 || errno == EPIPE || errno == ETIMEDOUT)
			return n;
		/* Refused, or failed: plain reads and writes can tell which side it was. */
		flow->spliced = false;
	}
	return flow_pass_buffer(flow, NULL, length, timeout);
}

ssize_t
flow_pass(struct flow *flow, size_t length, int timeout)
{
	for (;;) {
		ssize_t n = flow_move(flow, flow->pending + length, timeout);

		if (n == 0 && flow->ring == NULL && flow_advance(flow))
			continue;
		if (n <= 0)
			return n;
		if ((size_t)n > flow->pending) {
			n -= (ssize_t)flow->pending;
			flow->pending = 0;
			return n;
		}
		flow->pending -= (size_t)n;
	}
}

/*
 * Copy the next bytes of the input pipe, and leave them there.  -1 with errno EINVAL if the
 * input is no pipe.
 */
static ssize_t
flow_peek(struct flow *flow, void *data, size_t length, int timeout)
{
	ssize_t n;

	while ((n = tee(flow->in, flow->side[1], length, SPLICE_F_NONBLOCK)) == -1) {
		if (errno != EAGAIN && errno != EINTR)
			return -1;
		if (wait_input(flow->in, flow->out, timeout) != 1)
			return -1;
	}
	return n > 0 ? read(flow->side[0], data, (size_t)n) : 0;
}

/* Copy the next bytes, in whichever way works. */
static ssize_t
flow_see(struct flow *flow, void *data, size_t length, int timeout)
{
	ssize_t n;

	if (flow->ring != NULL)
		return flow_pass_ring(flow, data, length, timeout);
	if (flow->spliced && flow->looks) {
		n = flow_peek(flow, data, length, timeout);
		if (n > 0)
			flow->pending = (size_t)n;
		if (n >= 0 || errno != EINVAL)
			return n;
		flow->looks = false;
	}
	return flow_pass_buffer(flow, data, length, timeout);
}

ssize_t
flow_look(struct flow *flow, void *data, size_t length, int timeout)
{
	ssize_t n;

	while (flow->pending > 0) {
		n = flow_move(flow, flow->pending, timeout);
		if (n <= 0)
			return n;
		flow->pending -= (size_t)n;
	}
	flow->output_failed = false;
	do {
		n = flow_see(flow, data, length, timeout);
	} while (n == 0 && flow->ring == NULL && flow_advance(flow));
	return n;
}
