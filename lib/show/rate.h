/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rate: bytes a second, smoothed.  The weight of a measurement falls by a factor of e with
 * each span of seconds; in the beginning the rate is the plain mean.  Pure.
 */
#ifndef RATE_H
#define RATE_H

#include <stdint.h>

struct rate {
	double span;			/* seconds */
	double last;			/* when it was last measured */
	uint64_t position;		/* its position then */
	double bytes, seconds;		/* weighted sums */
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
