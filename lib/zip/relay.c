/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/io.h"
#include "pipe/wait.h"
#include "zip/relay.h"

void
relay_open(struct relay *relay, struct input *input, int out, struct load *load)
{
	relay->input = input;
	relay->load = load;
	relay->usable = is_pipe(input->fd) && is_pipe(out) &&
	    flow_open(&relay->flow, input->fd, out, 0);
}

void
relay_close(struct relay *relay)
{
	if (relay->usable)
		flow_close(&relay->flow);
}

/*
 * Wait for the output, then for input: each wait is measured for itself.  What flow_pass
 * waits afterwards, where little fits, is not.
 */
static void
relay_wait(struct relay *relay)
{
	struct pollfd output = { .fd = relay->flow.out, .events = POLLOUT };
	struct pollfd both[2] = {
		{ .fd = relay->flow.in, .events = POLLIN },
		{ .fd = relay->flow.out, .events = 0 },
	};
	struct load_mark mark;

	if (poll(&output, 1, 0) == 0) {
		load_begins(relay->load, &mark);
		(void)poll(&output, 1, -1);
		load_waited_to_write(relay->load, &mark);
	}
	if (poll(both, 2, 0) == 0) {
		load_begins(relay->load, &mark);
		(void)poll(both, 2, -1);
		load_waited_to_read(relay->load, &mark);
	}
}

/* Write the head, and with it what the input has read ahead of the payload. */
static ssize_t
relay_begin(struct relay *relay, const void *head, size_t head_length, size_t length)
{
	struct input *input = relay->input;
	size_t ahead = input->end - input->start;
	unsigned char data[INPUT_AHEAD];
	struct iovec parts[2] = { { (void *)head, head_length }, { data, 0 } };
	struct load_mark mark;

	parts[1].iov_len = ahead = ahead < length ? ahead : length;
	if (input_read(input, data, ahead) == -1)
		return -1;
	load_begins(relay->load, &mark);
	if (!writev_full(relay->flow.out, parts, 2))
		return -1;
	load_waited_to_write(relay->load, &mark);
	return (ssize_t)ahead;
}

ssize_t
relay_pass(struct relay *relay, const void *head, size_t head_length, size_t length)
{
	struct input *input = relay->input;
	ssize_t n = relay_begin(relay, head, head_length, length);
	size_t done;

	if (n == -1)
		return -1;
	for (done = (size_t)n; done < length; done += (size_t)n) {
		relay_wait(relay);
		n = flow_pass(&relay->flow, length - done, -1);
		if (n == -1)
			return -1;
		if (n == 0) {
			input->eof = true;
			break;
		}
		input->position += (uint64_t)n;
	}
	return (ssize_t)done;
}
