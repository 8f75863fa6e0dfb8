/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * display: a gauge on standard error, from the first line to the last, which says how it ended.
 *
 * One for each process, since progress.h is.
 */
#ifndef DISPLAY_H
#define DISPLAY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "meter/gauge.h"

struct display_options {
	bool force;			/* draw even if standard error is no terminal */
	bool quiet;			/* only what USR1 asks for */
	bool wait;			/* show nothing until display_begin */
	double interval, delay;		/* seconds; a delay of 0 is a short one */
	unsigned width;			/* columns; 0: those of the terminal */
};

struct display {
	struct display_options options;
	struct gauge gauge;
	bool drawn;			/* a line is drawn for people */
	bool begun;
	atomic_bool finished;		/* the last line was shown */
	_Atomic(const char *) state;
};

/* Start; the gauge is open, and its style, name and size are set.  False with errno set. */
bool display_start(struct display *, const struct display_options *);

/* Bytes have passed.  With wait, the time begins now. */
void display_begin(struct display *);

/* How it ended: the last line of numbers or JSON, once. */
void display_end(struct display *, const char *state);

/* For people: "web: 20.0 GiB (21474836480 bytes) in …"; bad if the stream was.  Returns out. */
char *display_summary(const struct display *, bool bad, char *out, size_t size);

#endif
