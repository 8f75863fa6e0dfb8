/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "show/rate.h"

void
rate_start(struct rate *rate, double span, double now, uint64_t position)
{
	memset(rate, 0, sizeof(*rate));
	rate->span = span;
	rate->last = now;
	rate->position = position;
}

void
rate_measure(struct rate *rate, double now, uint64_t position)
{
	const struct rate_point *newest = &rate->points[rate->newest % RATE_POINTS];
	double passed = now - rate->last;

	if (passed <= 0)
		return;
	/* The time before a movement belongs to it; a stall adds no points. */
	if (position > rate->position && rate->now.at - newest->at >= rate->span / 16)
		rate->points[++rate->newest % RATE_POINTS] = rate->now;
	rate->now.at += passed;
	if (position > rate->position) {
		rate->now.bytes += (double)(position - rate->position);
		rate->moved = rate->now;
	}
	rate->last = now;
	rate->position = position;
}

void
rate_skip(struct rate *rate, double now)
{
	rate->last = now;
}

void
rate_leave_out(struct rate *rate, double seconds)
{
	rate->last += seconds;
}

/* The point where the window begins: the oldest inside it, else the last before it. */
static const struct rate_point *
rate_begin(const struct rate *rate)
{
	unsigned at = rate->newest, oldest = at >= RATE_POINTS ? at - RATE_POINTS + 1 : 0;

	while (at > oldest &&
	    rate->points[(at - 1) % RATE_POINTS].at >= rate->moved.at - rate->span)
		at--;
	return &rate->points[at % RATE_POINTS];
}

double
rate_value(const struct rate *rate)
{
	const struct rate_point *begin = rate_begin(rate);

	if (rate->now.at <= 0)
		return -1;
	return (rate->now.bytes - begin->bytes) / (rate->now.at - begin->at);
}

double
rate_eta(const struct rate *rate, uint64_t bytes)
{
	double value = rate_value(rate);

	if (bytes == 0)
		return 0;
	return value > 0 ? (double)bytes / value : -1;
}
