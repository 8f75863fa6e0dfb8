/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * throttle: two token buckets.  What could not leave in time is made up for, so that the
 * rate holds on a busy machine too, but at most a second of it, and no faster than half
 * as fast again: a stall is not followed by a flood.  The rate may stand in a file, which
 * is looked at once a second.  One thread at a time.
 */
#ifndef THROTTLE_H
#define THROTTLE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/error.h"

struct throttle {
	uint64_t rate;			/* bytes a second; 0 is no limit */
	double tokens;			/* bytes that may leave, by the rate */
	double peak;			/* and by the fastest pace */
	double filled;			/* when tokens were counted */

	const char *path;		/* of the rate's file, or NULL; the caller's */
	double looked;			/* when it was looked at */
	struct timespec changed;	/* as it was when it was read */
	int64_t size;
	uint64_t inode;
	unsigned failures;		/* looks in a row that found no rate there */
};

/*
 * Start with "20M" (bytes a second, as size_parse reads them; "0" is no limit) or
 * "@FILE", of which the first line is such a rate.  False: the error says why.
 */
bool throttle_open(struct throttle *, const char *text, struct error *);

/*
 * How many of length bytes may leave at this moment.  0: none, ask again in *wait
 * seconds, which is at most a second.
 */
uint64_t throttle_grant(struct throttle *, double now, uint64_t length, double *wait);

/* That many left. */
void throttle_spend(struct throttle *, uint64_t length);

/*
 * Look at the file, if there is one and it is time.  False where no rate can be read
 * from it: the old one stays, and the error is set once, when the file looked wrong
 * twice in a row (the first time somebody may just be writing it).
 */
bool throttle_look(struct throttle *, double now, struct error *);

#endif
