/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>
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
	double passed = now - rate->last;
	double kept;

	if (passed <= 0)
		return;
	kept = exp(-passed / rate->span);
	rate->seconds = rate->seconds * kept + passed;
	rate->bytes *= kept;
	if (position > rate->position)
		rate->bytes += (double)(position - rate->position);
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

double
rate_value(const struct rate *rate)
{
	return rate->seconds > 0 ? rate->bytes / rate->seconds : -1;
}

double
rate_eta(const struct rate *rate, uint64_t bytes)
{
	double value = rate_value(rate);

	if (bytes == 0)
		return 0;
	return value > 0 ? (double)bytes / value : -1;
}
