/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "zip/adapt.h"

/* Shares of a period.  Between the two the wire is kept full and hardly waited for. */
#define WIRE_WAITED_FOR	0.25
#define WIRE_WAITED_FOR_MOST 0.50	/* from storing: a wire, not just the next stage */
#define WIRE_STARVED	0.03
#define SOURCE_WAITED_FOR 0.30

/* Of the time spent compressing: threads that do not run where they could. */
#define CONTENDED	0.02

/* Gears to go down then, below level 1: one alone gains too little to be told from noise. */
#define CONTENDED_STEP	2

/*
 * The share of the processors that a gear may take: one step up, several at once, and above level
 * 1, where there is little to gain and much to lose.
 */
#define LOAD_STEP	0.90
#define LOAD_JUMP	0.50
#define LOAD_ABOVE	0.70

#define TRIAL_PERIODS	2
/* Periods to wait after a change that gained nothing; the last where it surely would now. */
#define PATIENCE_MIN	8
#define PATIENCE_MAX	32
#define PATIENCE_CLEAR	6
#define STRIDE_MAX	4

/* Gears of storing what deflates, and of level 1. */
#define GEAR_STORE	0
#define GEAR_ONE	4

static const struct {
	double level;
	double cost;		/* seconds of one processor for a gigabyte, on common data */
	double gain;		/* plain bytes for one on the wire, the same */
} gears[ADAPT_GEARS] = {
#ifdef HAVE_ISAL
	{ 0.00, 0.5, 1.00 }, { 0.25, 0.8, 1.15 }, { 0.50, 1.1, 1.37 }, { 0.75, 1.4, 1.67 },
	{ 1, 1.7, 2.15 }, { 2, 5, 2.20 },
#else
	{ 0.00, 0.5, 1.00 }, { 0.25, 1.6, 1.16 }, { 0.50, 2.7, 1.37 }, { 0.75, 3.8, 1.68 },
	{ 1, 5, 2.20 }, { 2, 8, 2.26 },
#endif
	{ 3, 9, 2.28 }, { 4, 10, 2.30 }, { 5, 12, 2.36 },
	{ 6, 14, 2.38 }, { 7, 19, 2.40 }, { 8, 33, 2.41 }, { 9, 40, 2.41 }
};

double
adapt_effort(int gear)
{
	return gears[gear].level;
}

void
adapt_start(struct adapt *adapt, int highest, unsigned processors)
{
	memset(adapt, 0, sizeof(*adapt));
	adapt->highest = ADAPT_GEARS - 1 - (9 - highest);
	adapt->processors = processors;
	adapt->slowness = 1;
	adapt->patience = PATIENCE_MIN;
	adapt->stride = 1;

	/* Most wires are slower than level 1; on a faster one it is left in tenths of a second. */
	adapt->gear = GEAR_ONE;

	/* The first period fills the pipe, and tells nothing; the second is to compare with. */
	adapt->state = ADAPT_SETTLING;
	adapt->certain = true;
}

/* Share of the processors that a gear needs to keep the wire as full as it is. */
static double
gear_load(const struct adapt *adapt, int gear, const struct adapt_sample *sample)
{
	double rate = sample->plain / sample->seconds * gears[gear].gain / gears[adapt->gear].gain;

	return rate * gears[gear].cost * adapt->slowness / 1e9 / adapt->processors;
}

/* The table says how gears compare; how fast this machine is on this data is measured. */
static void
learn(struct adapt *adapt, const struct adapt_sample *sample)
{
	int gear = adapt->gear < GEAR_ONE ? GEAR_ONE : adapt->gear;
	double stored = sample->plain - sample->deflated;
	double expected = sample->deflated * gears[gear].cost + stored * gears[GEAR_STORE].cost;

	if (sample->deflated > 0)
		adapt->slowness += (sample->cpu / expected * 1e9 - adapt->slowness) / 4;
}

/* Media and the like go through stored in any gear, and tell nothing about the others. */
static bool
is_telling(const struct adapt *adapt, const struct adapt_sample *sample)
{
	double due = sample->plain * (adapt->gear < GEAR_ONE ? gears[adapt->gear].level : 1);

	return sample->deflated >= due / 2;
}

/*
 * Which way to go: 1, -1, or 0.  Where processors idle, a wire that is waited for a
 * little will do.
 */
static int
direction(const struct adapt *adapt, const struct adapt_sample *sample)
{
	double write_wait = sample->write_wait / sample->seconds;
	double read_wait = sample->read_wait / sample->seconds;
	double enough = adapt->gear == GEAR_STORE ? WIRE_WAITED_FOR_MOST : WIRE_WAITED_FOR;

	if (adapt->write_wait < WIRE_STARVED)
		return read_wait < SOURCE_WAITED_FOR && adapt->gear > GEAR_STORE ? -1 : 0;
	if (adapt->gear < adapt->highest && (write_wait > enough ||
	    gear_load(adapt, adapt->gear + 1, sample) < LOAD_JUMP))
		return 1;
	return 0;
}

/* The gear to try where the wire is waited for; the same where processors are lacking. */
static int
higher_gear(const struct adapt *adapt, const struct adapt_sample *sample)
{
	int gear = adapt->gear + adapt->stride;

	if (gear < GEAR_ONE)
		gear = GEAR_ONE;
	if (gear > adapt->highest)
		gear = adapt->highest;
	while (gear > adapt->gear + 1 && gear_load(adapt, gear, sample) > LOAD_JUMP)
		gear--;
	return gear_load(adapt, gear, sample) < (gear > GEAR_ONE ? LOAD_ABOVE : LOAD_STEP) ?
	    gear : adapt->gear;
}

/* Above level 1 little is lost by going down fast. */
static int
lower_gear(const struct adapt *adapt)
{
	if (adapt->gear > GEAR_ONE)
		return GEAR_ONE + (adapt->gear - GEAR_ONE) / 2;
	return adapt->gear > adapt->stride ? adapt->gear - adapt->stride : GEAR_STORE;
}

/* Do not try at once again a change that gained nothing: wait longer each time. */
static void
hold(struct adapt *adapt)
{
	adapt->hold = adapt->patience;
	adapt->held_wire = adapt->wire;
	if (adapt->patience < PATIENCE_MAX)
		adapt->patience *= 2;
}

/* The reason to wait may be gone if the wire's rate has changed, or processors are idle. */
static void
hold_on(struct adapt *adapt, const struct adapt_sample *sample)
{
	adapt->hold--;
	if (adapt->hold > PATIENCE_CLEAR && adapt->gear < adapt->highest &&
	    adapt->write_wait > WIRE_WAITED_FOR_MOST &&
	    gear_load(adapt, adapt->gear + 1, sample) < LOAD_JUMP) {
		adapt->hold = PATIENCE_CLEAR;
		adapt->refused = 0;
	}
	if (adapt->wire > 2 * adapt->held_wire || 2 * adapt->wire < adapt->held_wire) {
		adapt->hold = 0;
		adapt->patience = PATIENCE_MIN;
		adapt->refused = 0;
	}
}

static void
shift(struct adapt *adapt, int gear, bool certain)
{
	adapt->before = adapt->gear;
	adapt->gear = gear;
	adapt->certain = certain;
	adapt->state = ADAPT_SETTLING;
	adapt->periods = 0;
	adapt->trial_plain = adapt->trial_wire = 0;
}

/* Of the last periods; the first counts fully. */
static void
average(double *mean, double value, double periods)
{
	*mean = *mean == 0 ? value : *mean + (value - *mean) / periods;
}

/* The wire starves: that is mended at once.  If we made it so ourselves, not soon again. */
static void
relieve(struct adapt *adapt)
{
	if (adapt->last == 1) {
		adapt->stride = 1;
		hold(adapt);
	}
	shift(adapt, lower_gear(adapt), true);
}

/* In the same gear as the period before: change it, or wait. */
static void
steady(struct adapt *adapt, const struct adapt_sample *sample)
{
	bool contended = sample->work_wait > CONTENDED * sample->work;
	int way, gear = adapt->gear;

	average(&adapt->write_wait, sample->write_wait / sample->seconds, 2);
	average(&adapt->plain, sample->plain / sample->seconds, 4);
	average(&adapt->wire, sample->wire / sample->seconds, 4);
	way = direction(adapt, sample);
	if (way == -1) {
		relieve(adapt);
		return;
	}
	if (adapt->hold > 0) {
		hold_on(adapt, sample);
		return;
	}
	if (!is_telling(adapt, sample))
		return;
	if (way == 1 && adapt->refused != 1)
		gear = higher_gear(adapt, sample);
	if (gear == adapt->gear && gear > GEAR_STORE && contended && adapt->refused != -1)
		gear = gear > GEAR_ONE ? lower_gear(adapt) : gear > CONTENDED_STEP ?
		    gear - CONTENDED_STEP : GEAR_STORE;
	if (gear != adapt->gear) {
		shift(adapt, gear, false);
		return;
	}
	adapt->refused = 0;
	hold(adapt);
}

static void
stay(struct adapt *adapt)
{
	int way = (adapt->gear > adapt->before) - (adapt->gear < adapt->before);

	adapt->write_wait = WIRE_WAITED_FOR;
	adapt->plain = adapt->trial_plain / adapt->periods;
	adapt->wire = adapt->trial_wire / adapt->periods;
	adapt->stride = way != adapt->last ? 1 : adapt->stride < STRIDE_MAX ? 2 * adapt->stride :
	    STRIDE_MAX;
	adapt->last = way;
	adapt->refused = 0;
}

static void
go_back(struct adapt *adapt)
{
	adapt->refused = adapt->gear > adapt->before ? 1 : -1;
	adapt->stride = 1;
	adapt->last = 0;
	adapt->gear = adapt->before;
	hold(adapt);
}

/* A higher gear stays if the wire is as full, or more got through; a lower one if more did. */
static void
judge(struct adapt *adapt)
{
	double plain = adapt->trial_plain / adapt->periods;
	double wire = adapt->trial_wire / adapt->periods;
	bool full = adapt->gear > adapt->before && wire > 0.93 * adapt->wire;

	adapt->state = ADAPT_STEADY;
	if (adapt->certain || full || plain > 1.05 * adapt->plain)
		stay(adapt);
	else
		go_back(adapt);
}

void
adapt_step(struct adapt *adapt, const struct adapt_sample *sample)
{
	if (sample->seconds <= 0 || sample->plain <= 0 || sample->wire <= 0)
		return;
	if (adapt->state == ADAPT_SETTLING) {
		adapt->state = ADAPT_TRIAL;
		return;
	}
	learn(adapt, sample);
	if (adapt->state == ADAPT_STEADY) {
		steady(adapt, sample);
		return;
	}
	adapt->trial_plain += sample->plain / sample->seconds;
	adapt->trial_wire += sample->wire / sample->seconds;
	if (++adapt->periods == (adapt->certain ? 1 : TRIAL_PERIODS))
		judge(adapt);
}
