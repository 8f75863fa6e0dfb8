/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gauge: the state of a meter as a line for people, a number or a JSON object.
 *
 * Pure, except that gauge_line smooths rates from call to call: only one thread at a time
 * may call it.  The meter may be fed meanwhile.
 */
#ifndef GAUGE_H
#define GAUGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "meter/meter.h"
#include "show/rate.h"

enum gauge_style { GAUGE_LINE, GAUGE_PERCENT, GAUGE_BYTES, GAUGE_JSON };

struct gauge {
	const struct meter *meter;
	const char *name;		/* the name that the user gave, or NULL */
	uint64_t size;			/* expected by the user; or METER_UNKNOWN */
	enum gauge_style style;
	bool timer;			/* numbers begin with the time, as those of pv -n -t */
	double start;
	struct rate logical, wire;	/* shown */
	struct rate trend, data_trend;	/* for the estimate */
	uint64_t zero_seen;		/* bytes of zeros at the last measurement */
	double zero_seconds;		/* in which only zeros passed */
	double lumps;			/* bytes of zeros, each lump no more than the data before it */
};

/* Start at this time.  All times here are seconds of clock_seconds. */
void gauge_open(struct gauge *, const struct meter *, double now);

/* The process was stopped for so long: neither rates nor the time contain it.  As gauge_line. */
void gauge_leave_out(struct gauge *, double seconds);

/* Render, as line_render does. state is "running", or how the transfer ended. */
void gauge_line(struct gauge *, double now, const char *state, char *out, size_t size,
    unsigned width);

/* "20.0 GiB (21474836480 bytes) in 0:01:23, 247 MiB/s, wire 5.0 GiB, 30% holes, 2.8:1 compressed".  Returns out. */
char *gauge_summary(const struct gauge *, double now, char *out, size_t size);

#endif
