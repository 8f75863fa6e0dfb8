/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rate: bytes a second, smoothed.  The weight of what was measured falls by e with
 * each span of seconds; in the beginning it is the plain mean.  Pure.
 */
#ifndef RATE_H
#define RATE_H

#include <stdint.h>

struct rate {
	double span;			/* seconds */
	double last;			/* when it was last measured */
	uint64_t position;		/* where it was then */
	double bytes, seconds;		/* weighted sums */
};

void rate_start(struct rate *, double span, double now, uint64_t position);

/* Now it is there.  A position behind the last counts as no movement. */
void rate_measure(struct rate *, double now, uint64_t position);

/* Let the time since the last measurement not count. */
void rate_skip(struct rate *, double now);

/* Less than 0 while nothing was measured. */
double rate_value(const struct rate *);

/* Seconds that so many bytes will take; less than 0 where nobody can know. */
double rate_eta(const struct rate *, uint64_t bytes);

#endif
