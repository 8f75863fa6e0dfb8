/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "stream/fault.h"
#include "stream/stream.h"
#include "write/lanes.h"
#include "write/merge.h"
#include "write/rendezvous.h"

bool
lanes_detect(struct input *input, struct lane *lane, struct error *error)
{
	struct place place = { input->name, 0, PLACE_HEADER };
	struct error unlikely = { 0 };
	struct stream_header header;
	const unsigned char *data;
	bool stream = false;
	ssize_t n;

	/* A peer that is no stream may send a line and wait. */
	if (!stream_detect(input, &stream, &unlikely) || !stream)
		return false;
	n = input_peek(input, STREAM_HEADER_MIN, &data);
	if (n == -1)
		return fault_errno(error, place);
	if (n < STREAM_HEADER_MIN || !lane_detect(data))
		return false;
	memcpy(header.bytes, data, STREAM_HEADER_MIN);
	return lane_unmark(&header, lane, &unlikely);
}

/* A lane that was handed over, or our own: is it one of this stream? */
static bool
admit(struct lanes *lanes, struct lanes_in *in, struct error *error)
{
	struct stream_header header;
	struct lane lane;

	in->lanes = lanes;
	if (!merge_read_header(in, &header, &lane)) {
		*error = in->error;
		return false;
	}
	if (lane.count != lanes->count || header.length != lanes->header.length ||
	    memcmp(header.bytes, lanes->header.bytes, header.length) != 0)
		return error_set(error, "lane %u of %u: it is of another stream", lane.index + 1, lane.count);
	if (lanes->in[lane.index].here)
		return error_set(error, "lane %u of %u came twice", lane.index + 1, lane.count);
	in->index = lane.index;
	in->here = true;
	lanes->in[lane.index] = *in;
	return true;
}

static void
tell(int peer, bool good)
{
	unsigned char verdict = good ? LANES_GOOD : LANES_BAD;

	(void)!send(peer, &verdict, 1, MSG_NOSIGNAL);
}

static bool
gather_others(struct lanes *lanes, struct error *error)
{
	double end = clock_seconds() + LANES_PATIENCE;
	unsigned here, i;

	for (here = 1; here < lanes->count; here++) {
		struct lanes_in in = { .index = here };
		int fd;

		in.peer = rendezvous_accept(lanes->listener, end, &fd, &in.input);
		if (in.peer == -1) {
			for (i = 0; lanes->in[i].here; i++)
				;
			return error_set(error, "lane %u of %u has not come within %d seconds", i + 1,
			    lanes->count, LANES_PATIENCE);
		}
		if (!admit(lanes, &in, error)) {
			tell(in.peer, false);
			return false;
		}
	}
	return true;
}

/* Tell the lanes that still arrive at once that the transfer has failed. */
static void
turn_away(struct lanes *lanes)
{
	double end = clock_seconds() + LANES_LINGER;
	struct input input;
	int fd, peer;

	while ((peer = rendezvous_accept(lanes->listener, end, &fd, &input)) != -1) {
		tell(peer, false);
		close(fd);
	}
}

bool
lanes_gather(struct lanes *lanes, struct input *input, struct error *error)
{
	struct lanes_in own = { .lanes = lanes, .input = *input, .peer = -1 };
	pthread_condattr_t monotonic;
	int timeout = input->timeout, ends[2];
	struct lane lane;
	bool good;

	/* Any lane may get nothing for long, while others do; the whole stream may not. */
	own.input.timeout = -1;
	memset(lanes, 0, sizeof(*lanes));
	pthread_mutex_init(&lanes->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&lanes->moved, &monotonic);
	if (!merge_read_header(&own, &lanes->header, &lane)) {
		*error = own.error;
		return false;
	}
	lanes->count = lane.count;
	own.here = true;
	lanes->in[0] = own;
	lanes->listener = rendezvous_listen(lanes->header.id, lanes->path, sizeof(lanes->path), error);
	if (lanes->listener == -1)
		return false;
	good = gather_others(lanes, error);
	if (!good)
		turn_away(lanes);
	close(lanes->listener);
	(void)unlink(lanes->path);
	if (!good)
		return false;
	if (pipe2(ends, O_CLOEXEC) == -1)
		return error_errno(error, "pipe");
	lanes->out = ends[1];
	pipe_widen(ends[1]);
	if (!merge_start(lanes, error))
		return false;
	input_open(input, ends[0], -1, "standard input");
	input->timeout = timeout;
	return true;
}

bool
lanes_follow(struct input *input, const struct lane *lane, struct error *error)
{
	unsigned char verdict = 0;
	ssize_t n;
	int leader;

	leader = rendezvous_connect(lane->id, clock_seconds() + LANES_PATIENCE, input, error);
	if (leader == -1)
		return false;
	/* A second reader of the lane would stall its sender. */
	close(input->fd);
	do
		n = read(leader, &verdict, 1);
	while (n == -1 && errno == EINTR);
	if (n != 1)
		return error_set(error, "lane %u of %u: the blkwrite that writes the target, of lane 1, has ended",
		    lane->index + 1, lane->count);
	return verdict == LANES_GOOD;
}

bool
lanes_failed(struct lanes *lanes, struct error *error)
{
	bool failed;

	if (lanes->count == 0)
		return false;
	pthread_mutex_lock(&lanes->lock);
	failed = lanes->error.set;
	if (failed)
		*error = lanes->error;
	pthread_mutex_unlock(&lanes->lock);
	return failed;
}

void
lanes_end(struct lanes *lanes, bool good)
{
	unsigned i;

	for (i = 1; i < lanes->count; i++)
		if (lanes->in[i].here)
			tell(lanes->in[i].peer, good);
}
