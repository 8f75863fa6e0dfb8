/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lanes: puts the lanes of a stream together again (lane.h, blkstream(5)).
 *
 * Each lane comes to a process of its own.  The one that gets lane 0, the leader, listens on a
 * socket that is named by the stream's id, in a folder of its user.  The others connect, hand
 * over the descriptor that their lane comes from, and wait for the leader's verdict.  The
 * leader has a thread that reads each lane, and one that writes the records in the order of
 * their sequence numbers into a pipe, from which the stream is then read as from any other.
 * Memory: LANES_SLOTS payloads a lane.
 */
#ifndef LANES_H
#define LANES_H

#include <pthread.h>
#include <stdbool.h>

#include "base/error.h"
#include "pipe/input.h"
#include "stream/lane.h"
#include "stream/record.h"

#define LANES_PATIENCE	30	/* seconds until all lanes must be there */
#define LANES_STALL	60	/* seconds that one may be silent while the others wait */
#define LANES_SLOTS	4
#define LANES_LINGER	1	/* seconds in which lanes that arrive after a failure learn of it */

/* The leader's verdict, a byte to each of the others. */
#define LANES_GOOD	1
#define LANES_BAD	2

/* A record with its payload, as it came. */
struct lanes_slot {
	struct record record;
	unsigned char *payload;
};

struct lanes_in {
	struct lanes *lanes;
	unsigned index;
	struct input input;
	int peer;			/* to the process that handed it over, or -1 */
	bool here;
	struct lanes_slot slots[LANES_SLOTS];
	unsigned first, used;		/* slots that are taken */
	bool ended;			/* no more will come */
	struct error error;		/* what is wrong with the lane */
};

struct lanes {
	struct stream_header header;	/* of the whole stream */
	unsigned count;
	int listener, out;		/* out: of the pipe */
	char path[200];			/* of the socket */
	pthread_mutex_t lock;
	pthread_cond_t moved;		/* a slot was filled or emptied, or a lane ended */
	struct error error;		/* why the merged stream ends early, once it has */
	bool closing;			/* the merger has ended */
	struct lanes_in in[LANE_MAX];
};

/*
 * Whether the input begins with the header of a lane; consumes nothing.  If reading fails, false,
 * and error is filled, unless it is already.
 */
bool lanes_detect(struct input *, struct lane *, struct error *);

/*
 * As the leader: gather the other lanes, and open input, which must not have been read from,
 * on the pipe that the whole stream comes from.  The lanes must live as long as the process.
 * False: error is filled.
 */
bool lanes_gather(struct lanes *, struct input *, struct error *);

/*
 * As any other: hand the input over, and wait.  True: the target was written.  False: it was
 * not, and the leader has said why, or error is filled.
 */
bool lanes_follow(struct input *, const struct lane *, struct error *);

/* Why the merged stream ended early.  False: it did not, or the lanes were not the reason. */
bool lanes_failed(struct lanes *, struct error *);

/* Tell the others how it ended. */
void lanes_end(struct lanes *, bool good);

#endif
