/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "stream/fault.h"
#include "write/lanes.h"
#include "write/rendezvous.h"

bool
lanes_detect(struct input *input, struct lane *lane, struct error *error)
{
	struct place place = { input->name, 0, PLACE_HEADER };
	struct error unlikely = { 0 };
	struct stream_header header;
	const unsigned char *data;
	ssize_t n = input_peek(input, STREAM_HEADER_MIN, &data);

	if (n == -1)
		return fault_errno(error, place);
	if (n < STREAM_HEADER_MIN || !lane_detect(data))
		return false;
	memcpy(header.bytes, data, STREAM_HEADER_MIN);
	return lane_unmark(&header, lane, &unlikely);
}

static bool
lane_fault(struct lanes_in *in, const char *reason)
{
	return error_set(&in->error, "lane %u of %u: stream byte %ju: %s", in->index + 1, in->lanes->count,
	    (uintmax_t)in->input.position, reason);
}

static bool
lane_fill(struct lanes_in *in, void *data, size_t length)
{
	ssize_t n = input_read(&in->input, data, length);

	if (n == -1)
		return lane_fault(in, strerror(errno));
	if ((size_t)n < length)
		return lane_fault(in, "it was cut: its end did not come");
	return true;
}

/* Read a lane's header, and make it that of the whole stream. */
static bool
lane_read_header(struct lanes_in *in, struct stream_header *header, struct lane *lane)
{
	struct error reason = { 0 };

	if (!lane_fill(in, header->bytes, STREAM_HEADER_MIN))
		return false;
	if (!lane_detect(header->bytes))
		return lane_fault(in, "not the header of a lane");
	if (!lane_unmark(header, lane, &reason) || header_decode(header, &reason) != VERDICT_GOOD)
		return lane_fault(in, reason.text);
	return lane_fill(in, header->bytes + STREAM_HEADER_MIN, header->length - STREAM_HEADER_MIN);
}

/* Read the next record into a slot.  The sequence numbers of a lane ascend. */
static bool
lane_read_record(struct lanes_in *in, struct lanes_slot *slot, uint64_t least)
{
	const struct stream_header *header = &in->lanes->header;
	unsigned char bytes[RECORD_SIZE];
	struct error reason = { 0 };

	if (!lane_fill(in, bytes, sizeof(bytes)))
		return false;
	if (record_decode(&slot->record, header, bytes, &reason) != VERDICT_GOOD)
		return lane_fault(in, reason.text);
	if (slot->record.sequence < least)
		return lane_fault(in, "a record came twice, or out of order");
	return lane_fill(in, slot->payload, slot->record.stored);
}

static bool
is_last(const struct record *record)
{
	return record->type == RECORD_END || record->type == RECORD_ABORT;
}

/* A lane's thread: fill its slots up to END. */
static void *
lane_run(void *argument)
{
	struct lanes_in *in = argument;
	struct lanes *lanes = in->lanes;
	bool good = true, last = false;
	uint64_t least = 0;

	while (good && !last) {
		struct lanes_slot *slot;

		pthread_mutex_lock(&lanes->lock);
		while (in->used == LANES_SLOTS && !lanes->closing)
			pthread_cond_wait(&lanes->moved, &lanes->lock);
		slot = &in->slots[(in->first + in->used) % LANES_SLOTS];
		good = !lanes->closing;
		pthread_mutex_unlock(&lanes->lock);
		if (!good)
			break;
		good = lane_read_record(in, slot, least);
		least = slot->record.sequence + 1;
		last = good && is_last(&slot->record);
		if (last && input_finish(&in->input, 1000) == 1)
			good = lane_fault(in, "bytes behind the END record");
		pthread_mutex_lock(&lanes->lock);
		if (good)
			in->used++;
		in->ended = last || !good;
		pthread_cond_broadcast(&lanes->moved);
		pthread_mutex_unlock(&lanes->lock);
	}
	return NULL;
}

/*
 * The lane that has the record of that sequence number, or NULL: it may still come.  With the
 * lock held.  Where it cannot come any more error is filled.
 */
static struct lanes_in *
find_record(struct lanes *lanes, uint64_t sequence, struct error *error)
{
	struct lanes_in *in, *broken = NULL;
	unsigned waiting = 0, i;

	for (i = 0; i < lanes->count; i++) {
		in = &lanes->in[i];
		if (in->used > 0 && in->slots[in->first].record.sequence == sequence)
			return in;
		if (in->used > 0 && in->slots[in->first].record.sequence < sequence) {
			error_set(error, "lane %u of %u: record %ju came twice", i + 1, lanes->count,
			    (uintmax_t)in->slots[in->first].record.sequence);
			return NULL;
		}
		waiting += in->used == 0 && !in->ended;
		if (in->error.set && broken == NULL)
			broken = in;
	}
	if (waiting > 0)
		return NULL;
	/* Why the sender gave up is worth more than what did not come for that reason. */
	for (i = 0; i < lanes->count; i++) {
		const struct lanes_slot *slot = &lanes->in[i].slots[lanes->in[i].first];

		if (lanes->in[i].used > 0 && slot->record.type == RECORD_ABORT) {
			fault_aborted(error, (struct place){ "standard input", lanes->in[i].input.position,
			    slot->record.offset }, slot->payload, slot->record.stored);
			return NULL;
		}
	}
	if (broken != NULL)
		*error = broken->error;
	else
		error_set(error, "record %ju came on none of the %u lanes", (uintmax_t)sequence, lanes->count);
	return NULL;
}

/* Wait until something moves.  Error is filled after a silence that is too long. */
static void
wait_for_lanes(struct lanes *lanes, struct error *error)
{
	struct timespec end;
	unsigned i;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += LANES_STALL;
	if (pthread_cond_timedwait(&lanes->moved, &lanes->lock, &end) != ETIMEDOUT)
		return;
	for (i = 0; i < lanes->count; i++)
		if (lanes->in[i].used > 0)
			break;
	/* All are silent: the source is slow. */
	if (i == lanes->count)
		return;
	for (i = 0; i < lanes->count; i++)
		if (lanes->in[i].used == 0 && !lanes->in[i].ended) {
			error_set(error, "lane %u of %u: silent for %d seconds, while others wait for it", i + 1,
			    lanes->count, LANES_STALL);
			return;
		}
}

/* Every lane ends with the same record. */
static bool
all_ended(struct lanes *lanes, const struct lanes_slot *last, struct error *error)
{
	unsigned i;

	for (i = 0; i < lanes->count && !error->set; i++) {
		struct lanes_in *in = &lanes->in[i];
		const struct lanes_slot *slot = &in->slots[in->first];

		while (in->used == 0 && !in->ended && !error->set)
			wait_for_lanes(lanes, error);
		if (error->set)
			break;
		if (in->used == 0)
			*error = in->error;
		else if (slot->record.type != last->record.type ||
		    slot->record.sequence != last->record.sequence ||
		    slot->record.stored != last->record.stored ||
		    memcmp(slot->payload, last->payload, last->record.stored) != 0)
			error_set(error, "lane %u of %u: it does not end as the others do", i + 1, lanes->count);
	}
	return !error->set;
}

static bool
put_record(struct lanes *lanes, const struct lanes_slot *slot)
{
	unsigned char header[RECORD_SIZE];
	struct iovec vector[2] = {
		{ header, sizeof(header) }, { slot->payload, slot->record.stored },
	};

	record_encode(&slot->record, lanes->header.id, header);
	return writev_full(lanes->out, vector, 2);
}

/* Put one record out.  False: it was the last, or error is filled; the lock is held. */
static bool
merge_record(struct lanes *lanes, uint64_t sequence, struct error *error)
{
	struct lanes_in *in = find_record(lanes, sequence, error);
	struct lanes_slot *slot;
	bool last, good;

	while (in == NULL && !error->set) {
		wait_for_lanes(lanes, error);
		if (!error->set)
			in = find_record(lanes, sequence, error);
	}
	if (in == NULL)
		return false;
	slot = &in->slots[in->first];
	last = is_last(&slot->record);
	if (slot->record.type == RECORD_END && !all_ended(lanes, slot, error))
		return false;
	pthread_mutex_unlock(&lanes->lock);
	good = put_record(lanes, slot);
	pthread_mutex_lock(&lanes->lock);
	in->first = (in->first + 1) % LANES_SLOTS;
	in->used--;
	pthread_cond_broadcast(&lanes->moved);
	return good && !last;
}

/* The merger's thread. */
static void *
merge(void *argument)
{
	struct lanes *lanes = argument;
	struct error error = { 0 };
	uint64_t sequence = 0;

	if (write_full(lanes->out, lanes->header.bytes, lanes->header.length)) {
		pthread_mutex_lock(&lanes->lock);
		while (merge_record(lanes, sequence, &error))
			sequence++;
		lanes->error = error;
		lanes->closing = true;
		pthread_cond_broadcast(&lanes->moved);
		pthread_mutex_unlock(&lanes->lock);
	}
	close(lanes->out);
	return NULL;
}

/* A lane that was handed over, or our own: is it one of this stream? */
static bool
admit(struct lanes *lanes, struct lanes_in *in, struct error *error)
{
	struct stream_header header;
	struct lane lane;

	in->lanes = lanes;
	if (!lane_read_header(in, &header, &lane)) {
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

/* The lanes that still come are told at once that nothing becomes of it. */
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

/* None is waited for: the process may end while one waits for a lane. */
static bool
start_thread(void *(*run)(void *), void *argument)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, run, argument);
	return errno == 0 && pthread_detach(thread) == 0;
}

static bool
start_threads(struct lanes *lanes, struct error *error)
{
	size_t room = lanes->header.payload_max;
	unsigned i, k;

	if (room < RECORD_NOTE_MAX)
		room = RECORD_NOTE_MAX;
	for (i = 0; i < lanes->count; i++)
		for (k = 0; k < LANES_SLOTS; k++)
			if ((lanes->in[i].slots[k].payload = malloc(room)) == NULL)
				return error_errno(error, "memory");
	for (i = 0; i < lanes->count; i++)
		if (!start_thread(lane_run, &lanes->in[i]))
			return error_errno(error, "threads");
	return start_thread(merge, lanes) || error_errno(error, "threads");
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
	if (!lane_read_header(&own, &lanes->header, &lane)) {
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
	if (!start_threads(lanes, error))
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
	/* Whoever sends us the lane would be held back by a second reader of it. */
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
