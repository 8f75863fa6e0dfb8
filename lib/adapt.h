/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * adapt: how hard to compress, decided from who waits for whom.  Pure: it has no
 * clock and no threads (pace.h measures).
 *
 * Effort runs in gears from storing everything, by quarters up to deflating every
 * piece at level 1, then level by level.  Three things may be the bottleneck, and each
 * shows: where the wire is, writes block, and a higher gear gets more through; where
 * the compressor is, neither side blocks, and a lower one does; where the source is,
 * reads block, and the gear does not matter.
 *
 * Writes also block where the next stage is short of the processors that compressing
 * takes from it.  So a higher gear is only tried: it stays if the wire is kept as
 * full as before, or more got through.
 */
#ifndef ADAPT_H
#define ADAPT_H

#include <stdbool.h>

#define ADAPT_GEARS	13

/* One period, all of it in one gear. */
struct adapt_sample {
	double seconds;
	double plain, wire;		/* bytes, before and after compression */
	double read_wait, write_wait;	/* seconds of the period */
	double cpu;			/* seconds, of all threads */
};

/* A period after a change still sees the old gear's bytes in the pipe, and is passed over. */
enum adapt_state { ADAPT_STEADY, ADAPT_SINKING, ADAPT_SETTLING, ADAPT_TRIAL };

struct adapt {
	int gear, highest;
	double processors;
	double slowness;		/* of this machine and data, against the table of costs */
	enum adapt_state state;
	int before;			/* gear before the trial, or before the last change */
	double wire, plain;		/* bytes a second, then */
	int last;			/* direction of the last change: -1, 0, 1 */
	int stride;			/* gears a step goes down at most */
	bool careful;			/* a jump has failed: step by step */
	unsigned hold, patience;	/* periods to wait; how many after the next reversal */
	double held_wire;		/* bytes a second when the hold began */
};

/* Begin with storing; levels up to highest, 1 to 9. */
void adapt_start(struct adapt *, int highest, unsigned processors);

/* A period has passed: choose the gear of the next. */
void adapt_step(struct adapt *, const struct adapt_sample *);

/* The level of a gear; the fraction is the share of pieces that get one level more. */
double adapt_effort(int gear);

#endif
