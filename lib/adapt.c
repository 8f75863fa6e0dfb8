/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "adapt.h"

/* Shares of a period.  Between the two the wire is kept full and hardly waited for. */
#define WIRE_WAITED_FOR	0.30
#define WIRE_STARVED	0.05
#define SOURCE_WAITED_FOR 0.30

/* What a gear may take of the processors: one step up, and several at once. */
#define LOAD_STEP	0.90
#define LOAD_JUMP	0.50

#define PATIENCE_MAX	64

static const struct {
	double level;
	double cost;		/* seconds of one processor for a gigabyte, on common data */
	double gain;		/* plain bytes for one on the wire, the same */
} gears[ADAPT_GEARS] = {
	{ 0.00, 0.5, 1.00 }, { 0.25, 1.6, 1.16 }, { 0.50, 2.7, 1.37 }, { 0.75, 3.8, 1.68 },
	{ 1, 5, 2.20 }, { 2, 8, 2.26 }, { 3, 9, 2.28 }, { 4, 10, 2.30 }, { 5, 12, 2.36 },
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
	adapt->patience = 1;
	adapt->stride = 1;
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
	double slowness = sample->cpu / sample->plain * 1e9 / gears[adapt->gear].cost;

	if (adapt->gear > 0)
		adapt->slowness += (slowness - adapt->slowness) / 4;
}

/* Which way to go: 1, -1, or 0. */
static int
direction(const struct adapt *adapt, const struct adapt_sample *sample)
{
	double write_wait = sample->write_wait / sample->seconds;
	double read_wait = sample->read_wait / sample->seconds;

	if (write_wait > WIRE_WAITED_FOR)
		return adapt->gear < adapt->highest ? 1 : 0;
	if (write_wait < WIRE_STARVED && read_wait < SOURCE_WAITED_FOR && adapt->gear > 0)
		return -1;
	return 0;
}

/* The gear to try where the wire is waited for; the same where processors are lacking. */
static int
higher_gear(const struct adapt *adapt, const struct adapt_sample *sample)
{
	int gear;

	if (!adapt->careful)
		for (gear = adapt->highest; gear > adapt->gear + 1; gear--)
			if (gear_load(adapt, gear, sample) < LOAD_JUMP)
				return gear;
	gear = adapt->gear + 1;
	return gear_load(adapt, gear, sample) < LOAD_STEP ? gear : adapt->gear;
}

static void
shift(struct adapt *adapt, int gear, enum adapt_state state, const struct adapt_sample *sample)
{
	adapt->before = adapt->gear;
	adapt->wire = sample->wire / sample->seconds;
	adapt->plain = sample->plain / sample->seconds;
	adapt->gear = gear;
	adapt->state = state;
}

/* Going to and fro gains nothing: wait longer each time. */
static void
hold(struct adapt *adapt, const struct adapt_sample *sample)
{
	adapt->hold = adapt->patience;
	adapt->held_wire = sample->wire / sample->seconds;
	if (adapt->patience < PATIENCE_MAX)
		adapt->patience *= 2;
}

/* What made us wait may be gone where the wire's rate is another. */
static void
hold_on(struct adapt *adapt, const struct adapt_sample *sample)
{
	double wire = sample->wire / sample->seconds;

	adapt->hold--;
	if (wire > 2 * adapt->held_wire || 2 * wire < adapt->held_wire) {
		adapt->hold = 0;
		adapt->patience = 1;
		adapt->careful = false;
	}
}

static void
steady(struct adapt *adapt, const struct adapt_sample *sample)
{
	int way = direction(adapt, sample), gear;

	if (adapt->hold > 0) {
		hold_on(adapt, sample);
		return;
	}
	if (way == 0)
		return;
	if (way == -adapt->last) {
		adapt->last = 0;
		adapt->stride = 1;
		hold(adapt, sample);
		return;
	}
	if (way > 0) {
		gear = higher_gear(adapt, sample);
		if (gear != adapt->gear)
			shift(adapt, gear, ADAPT_SETTLING, sample);
		return;
	}
	gear = adapt->gear > adapt->stride ? adapt->gear - adapt->stride : 0;
	adapt->stride *= 2;
	adapt->last = -1;
	shift(adapt, gear, ADAPT_SINKING, sample);
}

/* The higher gear stays if the wire is as full, or more got through. */
static void
judge(struct adapt *adapt, const struct adapt_sample *sample)
{
	bool full = sample->wire / sample->seconds > 0.93 * adapt->wire;
	bool more = sample->plain / sample->seconds > 1.05 * adapt->plain;

	adapt->state = ADAPT_STEADY;
	if (full || more) {
		adapt->last = 1;
		adapt->stride = 1;
		return;
	}
	adapt->careful = adapt->gear > adapt->before + 1;
	adapt->gear = adapt->before;
	adapt->last = 0;
	hold(adapt, sample);
}

void
adapt_step(struct adapt *adapt, const struct adapt_sample *sample)
{
	if (sample->seconds <= 0 || sample->plain <= 0 || sample->wire <= 0)
		return;
	switch (adapt->state) {
	case ADAPT_STEADY:
		learn(adapt, sample);
		steady(adapt, sample);
		break;
	case ADAPT_SETTLING:
		adapt->state = ADAPT_TRIAL;
		break;
	case ADAPT_SINKING:
		adapt->state = ADAPT_STEADY;
		break;
	case ADAPT_TRIAL:
		learn(adapt, sample);
		judge(adapt, sample);
		break;
	}
}
