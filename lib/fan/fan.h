/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fan: deals the records of one block stream to several descriptors, each a lane of it.
 *
 * Each lane has a thread.  One at a time takes the next record, whole, and writes it to its
 * lane while others take more: whichever lane takes bytes gets the next record, so none waits
 * for another.  Memory is one payload a lane.  END and ABORT go to every lane.
 */
#ifndef FAN_H
#define FAN_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "pipe/input.h"
#include "stream/lane.h"
#include "stream/stream.h"

struct fan_lane {
	struct fan *fan;
	struct lane lane;
	pthread_t thread;
	int fd;
	unsigned char *payload;
	uint64_t records, bytes;	/* that were written, once the thread has ended */
};

struct fan {
	struct input *input;
	struct stream_reader reader;
	pthread_mutex_t taking, closing;	/* closing: a lane's descriptor is closed, or cut */
	bool ended;			/* END or ABORT was taken; or there is an error */
	struct record last;		/* END or ABORT, with its payload */
	unsigned char last_payload[RECORD_NOTE_MAX];
	struct error error;		/* the first: of the input, or of a lane */
	int failed;			/* the lane that takes no more bytes, or -1 */
	struct fan_lane lanes[LANE_MAX];
	unsigned count;
};

/* Read the header.  False: error is filled. */
bool fan_open(struct fan *, struct input *, struct error *);

/*
 * Start the threads: one for each of count descriptors, which it closes in the end.  False:
 * error is filled.  The fan must live as long as the process.
 */
bool fan_start(struct fan *, const int *fds, unsigned count, struct error *);

/* Whether END, ABORT or an error has come, so a lane may end.  Any thread. */
bool fan_ended(struct fan *);

/* Whether END or ABORT has come, and there is no error.  Any thread. */
bool fan_complete(struct fan *);

/* From any thread: stop the lanes, even if their threads are blocked. */
void fan_cut(struct fan *);

/*
 * Wait for the threads.  False: error is filled; failed is the lane whose descriptor took no
 * more bytes, or -1.
 */
bool fan_finish(struct fan *, int *failed, struct error *);

#endif
