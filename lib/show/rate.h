/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rate: bytes a second over a window: the last span of seconds in which the position moved, and
 * the stall since then.  In the beginning that is all of the time.  What was before the window,
 * such as a burst into an empty buffer, counts no more.  Pure.
 */
#ifndef RATE_H
#define RATE_H

#include <stdint.h>

/* A window keeps so many points; they are at least a sixteenth of its span apart. */
#define RATE_POINTS	32

struct rate_point {
	double at;			/* counted seconds since the start */
	double bytes;			/* moved until then */
};

struct rate {
	double span;			/* seconds */
	double last;			/* when it was last measured */
	uint64_t position;		/* its position then */
	struct rate_point now;		/* of that moment */
	struct rate_point moved;	/* when the position last moved */
	struct rate_point points[RATE_POINTS];	/* a ring; the start is its first */
	unsigned newest;
};

void rate_start(struct rate *, double span, double now, uint64_t position);

/*
 * Measure: now is the time, position the position.  A position before the last one counts as
 * no movement.
 */
void rate_measure(struct rate *, double now, uint64_t position);

/* Do not count the time since the last measurement. */
void rate_skip(struct rate *, double now);

/* Do not count so many seconds of those until the next measurement. */
void rate_leave_out(struct rate *, double seconds);

/* Below 0 until something was measured. */
double rate_value(const struct rate *);

/* Seconds that so many bytes will take; below 0 if that cannot be known. */
double rate_eta(const struct rate *, uint64_t bytes);

#endif
