/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * throttle: two token buckets.  Bytes that could not leave in time are made up for, so that
 * the rate holds on a busy machine too; but at most one second of them, and at most at one
 * and a half times the rate: no flood follows a stall.  The rate may be in a file, which is
 * read again once a second when it has changed.  One thread at a time.
 */
#ifndef THROTTLE_H
#define THROTTLE_H

#include <stdbool.h>
#include <stddef.h>
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
	unsigned failures;		/* consecutive looks that found no rate there */
};

/*
 * Start with "20M" (bytes a second, as size_parse reads them; "0" is no limit) or "@FILE",
 * whose first line is such a rate.  False: the error says why.
 */
bool throttle_open(struct throttle *, const char *text, struct error *);

/*
 * How many of length bytes may leave now.  0: none, ask again in *wait seconds, which is at
 * most one second.
 */
uint64_t throttle_grant(struct throttle *, double now, uint64_t length, double *wait);

/* So many bytes have left. */
void throttle_spend(struct throttle *, uint64_t length);

/*
 * Look at the file, if there is one and it is time.  False if no rate can be read from it:
 * the old rate stays, and the error is set once, when the file was wrong twice in a row
 * (the first time it may just be in the middle of a write).
 */
bool throttle_look(struct throttle *, double now, struct error *);

/*
 * Look, and wait until some of length bytes may leave: returns how many.  0: error is set, as
 * throttle_look sets it; call again.
 */
size_t throttle_wait(struct throttle *, uint64_t length, struct error *);

#endif
