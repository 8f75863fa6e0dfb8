/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "stream/fault.h"
#include "write/merge.h"

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

bool
merge_read_header(struct lanes_in *in, struct stream_header *header, struct lane *lane)
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

/* None is waited for: the process may end while one waits for a lane. */
static bool
start_thread(void *(*run)(void *), void *argument)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, run, argument);
	return errno == 0 && pthread_detach(thread) == 0;
}

bool
merge_start(struct lanes *lanes, struct error *error)
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
