/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "fan/fan.h"

bool
fan_open(struct fan *fan, struct input *input, struct error *error)
{
	memset(fan, 0, sizeof(*fan));
	fan->input = input;
	fan->failed = -1;
	pthread_mutex_init(&fan->taking, NULL);
	pthread_mutex_init(&fan->closing, NULL);
	return stream_open(&fan->reader, input, error);
}

/* The first error is the one to report. */
static void
fan_fail(struct fan *fan, int lane, const struct error *error)
{
	pthread_mutex_lock(&fan->taking);
	if (!fan->error.set) {
		fan->error = *error;
		fan->failed = lane;
	}
	fan->ended = true;
	pthread_mutex_unlock(&fan->taking);
}

/* Keep END or ABORT, which every lane gets. */
static void
fan_keep_last(struct fan *fan, const struct record *record, const unsigned char *payload)
{
	struct end_summary end;

	fan->ended = true;
	fan->last = *record;
	memcpy(fan->last_payload, payload, record->stored);
	if (record->type == RECORD_END)
		stream_finish(&fan->reader, record, payload, &end, &fan->error);
}

/* Take the next record.  False: there is none for a single lane any more. */
static bool
fan_take(struct fan *fan, struct record *record, unsigned char *payload)
{
	bool taken = false;

	pthread_mutex_lock(&fan->taking);
	if (!fan->ended && !stream_next(&fan->reader, record, payload, &fan->error))
		fan->ended = true;
	else if (!fan->ended && (record->type == RECORD_END || record->type == RECORD_ABORT))
		fan_keep_last(fan, record, payload);
	else
		taken = !fan->ended;
	pthread_mutex_unlock(&fan->taking);
	return taken;
}

static bool
lane_write(struct fan_lane *lane, const struct record *record, const unsigned char *payload)
{
	unsigned char header[RECORD_SIZE];
	struct iovec vector[2] = {
		{ header, sizeof(header) },
		{ (void *)(uintptr_t)payload, record->stored },
	};

	record_encode(record, lane->fan->reader.header.id, header);
	lane->records++;
	lane->bytes += sizeof(header) + record->stored;
	return writev_full(lane->fd, vector, 2);
}

/* END, or ABORT; of a stream that is broken an ABORT that says so. */
static bool
lane_write_last(struct fan_lane *lane)
{
	struct fan *fan = lane->fan;
	struct record record = { .type = RECORD_ABORT, .sequence = fan->reader.order.sequence,
	    .offset = fan->reader.order.offset };

	if (!fan->error.set)
		return lane_write(lane, &fan->last, fan->last_payload);
	record.stored = (uint32_t)strlen(fan->error.text);
	record_seal(&record, fan->error.text);
	return lane_write(lane, &record, (const unsigned char *)fan->error.text);
}

static void *
lane_run(void *argument)
{
	struct fan_lane *lane = argument;
	struct fan *fan = lane->fan;
	struct stream_header header = fan->reader.header;
	struct error error = { 0 };
	struct record record;
	bool good;

	if (lane->lane.count > 1)
		lane_mark(&header, &lane->lane);
	good = write_full(lane->fd, header.bytes, header.length);
	while (good && fan_take(fan, &record, lane->payload))
		good = lane_write(lane, &record, lane->payload);
	if (good)
		good = lane_write_last(lane);
	if (!good) {
		error_errno(&error, "lane %u of %u", lane->lane.index + 1, lane->lane.count);
		fan_fail(fan, (int)lane->lane.index, &error);
	}
	pthread_mutex_lock(&fan->closing);
	close(lane->fd);
	lane->fd = -1;
	pthread_mutex_unlock(&fan->closing);
	return NULL;
}

bool
fan_start(struct fan *fan, const int *fds, unsigned count, struct error *error)
{
	size_t room = fan->reader.header.payload_max;
	unsigned i;

	if (room < RECORD_NOTE_MAX)
		room = RECORD_NOTE_MAX;
	for (i = 0; i < count; i++) {
		struct fan_lane *lane = &fan->lanes[i];

		*lane = (struct fan_lane){ .fan = fan, .lane = { .index = i, .count = count }, .fd = fds[i] };
		lane->payload = malloc(room);
		if (lane->payload == NULL)
			return error_errno(error, "memory");
		pipe_widen(lane->fd);
	}
	for (i = 0; i < count; i++) {
		errno = pthread_create(&fan->lanes[i].thread, NULL, lane_run, &fan->lanes[i]);
		if (errno != 0)
			return error_errno(error, "threads");
		fan->count++;
	}
	return true;
}

bool
fan_ended(struct fan *fan)
{
	bool ended;

	pthread_mutex_lock(&fan->taking);
	ended = fan->ended;
	pthread_mutex_unlock(&fan->taking);
	return ended;
}

bool
fan_complete(struct fan *fan)
{
	bool complete;

	pthread_mutex_lock(&fan->taking);
	complete = fan->ended && !fan->error.set;
	pthread_mutex_unlock(&fan->taking);
	return complete;
}

/* A descriptor that a thread writes to is not closed, but becomes one that takes nothing. */
void
fan_cut(struct fan *fan)
{
	int ends[2];
	unsigned i;

	if (pipe2(ends, O_CLOEXEC) == -1)
		return;
	close(ends[0]);
	pthread_mutex_lock(&fan->closing);
	for (i = 0; i < fan->count; i++)
		if (fan->lanes[i].fd != -1)
			(void)dup3(ends[1], fan->lanes[i].fd, O_CLOEXEC);
	pthread_mutex_unlock(&fan->closing);
}

bool
fan_finish(struct fan *fan, int *failed, struct error *error)
{
	unsigned i;

	for (i = 0; i < fan->count; i++) {
		pthread_join(fan->lanes[i].thread, NULL);
		free(fan->lanes[i].payload);
	}
	*failed = fan->failed;
	if (fan->error.set)
		*error = fan->error;
	return !fan->error.set;
}
