/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gauge: what a meter says, as a line for people, a number or a JSON object.
 *
 * Pure, but that gauge_line smooths rates from call to call: it must not be called
 * twice at once.  The meter may be fed meanwhile.
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
	const char *name;		/* what the user called it, or NULL */
	uint64_t size;			/* that the user expects; METER_UNKNOWN */
	enum gauge_style style;
	double start;
	struct rate logical, wire;	/* for the eyes */
	struct rate trend, data_trend;	/* for the estimate */
};

/* Start at this time; as all here it is in seconds on clock_seconds. */
void gauge_open(struct gauge *, const struct meter *, double now);

/* As progress_render.  state is "running", or how it ended. */
void gauge_line(struct gauge *, double now, const char *state, char *out, size_t size,
    unsigned width);

/* "20.0 GiB (21474836480 bytes) in 0:01:23, 247 MiB/s, wire 6.9 GiB, 2.9:1".  Returns out. */
char *gauge_summary(const struct gauge *, double now, char *out, size_t size);

#endif
