/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * adapt: decides how hard to compress, from the times that reading, compressing and writing
 * wait.  Pure: it has no clock and no threads (load.h measures).
 *
 * Effort runs in gears from storing everything, by quarters up to deflating every
 * piece at level 1, then level by level.  Three things may be the bottleneck, and each
 * shows: where the wire is, writes block, and a higher gear gets more through; where
 * the compressor is, neither side blocks, and a lower one does; where the source is,
 * reads block, and the gear does not matter.
 *
 * Writes also block where the next stage lacks the processors that compressing takes
 * from it.  So a higher gear is only tried: it stays if the wire is kept as full as
 * before, or more got through.  And while others take processors from the compressor, a
 * lower gear is tried now and then: it stays if more got through.
 */
#ifndef ADAPT_H
#define ADAPT_H

#include <stdbool.h>

#define ADAPT_GEARS	13

/* One period, all of it in one gear. */
struct adapt_sample {
	double seconds;
	double plain, wire;		/* bytes, before and after compression */
	double deflated;		/* plain bytes of the pieces that were worth it */
	double read_wait, write_wait;	/* seconds of the period */
	double cpu;			/* seconds, of all threads */
	double work, work_wait;		/* seconds spent compressing, and kept from it by others */
};

/* The first period after a change has the old gear's bytes in the pipe: it is passed over. */
enum adapt_state { ADAPT_STEADY, ADAPT_SETTLING, ADAPT_TRIAL };

struct adapt {
	int gear, highest;
	double processors;
	double slowness;		/* of this machine and data, against the table of costs */
	double plain, wire;		/* bytes a second in the gear, or in the one before a trial */
	double write_wait;		/* share of the time in the gear */

	enum adapt_state state;
	int before;			/* the gear before the change */
	bool certain;			/* the change needs no judging */
	unsigned periods;		/* of the trial so far */
	double trial_plain, trial_wire;	/* bytes a second in each of them, summed */

	int last;			/* direction of the last change that stayed: -1, 0, 1 */
	int refused;			/* direction of the last one that did not */
	int stride;			/* gears that the next step goes at most */
	unsigned hold, patience;	/* periods to wait, and how many the next time */
	double held_wire;		/* bytes a second when the wait began */
};

/* Begin with level 1; levels up to highest, 1 to 9. */
void adapt_start(struct adapt *, int highest, unsigned processors);

/* A period has passed: choose the gear of the next. */
void adapt_step(struct adapt *, const struct adapt_sample *);

/* The level of a gear; the fraction is the share of pieces that get one level more. */
double adapt_effort(int gear);

#endif
