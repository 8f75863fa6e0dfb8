/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The controller against a simulated pipeline: a source, a compressor and a sink that
 * share processors, and a wire between them.
 */
#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "zip/adapt.h"

#define PERIOD	0.025

struct world {
	const char *name;
	double source;			/* bytes a second that it can give */
	double wire;			/* bytes a second */
	double processors;
	double slowness;		/* against the costs below */
	double source_cost, sink_cost;	/* processor seconds of others for a byte, plain and wire */
	double best;			/* required share of the best gear's rate */
};

/* Processor seconds for a byte, and bytes for one on the wire, by level. */
#ifdef HAVE_ISAL
#define FAST_COSTS	1.6e-9, 5e-9
#define FAST_RATIOS	2.14, 2.2
#else
#define FAST_COSTS	5e-9, 8e-9
#define FAST_RATIOS	2.2, 2.25
#endif
static const double costs[] = { .4e-9, FAST_COSTS, 9e-9, 10e-9, 12e-9, 15e-9, 22e-9, 35e-9, 40e-9 };
static const double ratios[] = { 1, FAST_RATIOS, 2.28, 2.31, 2.36, 2.40, 2.42, 2.43, 2.43 };

struct flow {
	double plain, wire;		/* bytes a second */
	double read_wait, write_wait;	/* shares of the time */
	double cpu;			/* processors in use by the compressor */
	double work_wait;		/* of the time spent compressing */
};

/* Bytes that get through with an effort, when data costs and deflates that much more or less. */
static struct flow
world_run(const struct world *world, double effort, double cost_factor, double ratio_factor)
{
	int level = (int)effort;
	double share = effort - level;
	double inverse = 1 / ratios[level], cost = costs[level], shared, wired, total, ratio;
	struct flow flow;

	if (share > 0) {
		inverse += share * (1 / ratios[level + 1] - inverse);
		cost += share * (costs[level + 1] - cost);
	}
	ratio = 1 / inverse;
	if (effort > 0)
		ratio = 1 + (ratio - 1) * ratio_factor;
	cost *= world->slowness * cost_factor;
	total = world->source_cost + cost + world->sink_cost / ratio;
	shared = world->processors / total;
	wired = world->wire * ratio;
	flow.plain = fmin(world->source, fmin(shared, wired));
	flow.wire = flow.plain / ratio;
	flow.cpu = cost * flow.plain;

	/* The slowest stage sets the pace; stages that share processors each use their part. */
	flow.read_wait = flow.write_wait = flow.work_wait = 0;
	if (flow.plain == wired)
		flow.write_wait = 1 - wired / fmin(world->source, shared);
	else if (flow.plain == world->source)
		flow.read_wait = 1 - world->source / shared;
	else {
		flow.write_wait = world->sink_cost / ratio / total;
		flow.read_wait = world->source_cost / total;
		flow.work_wait = fmax(1 - cost / total, 1 / (world->processors + 1));
	}
	return flow;
}

/* A number about 1, the same in each run. */
static double
noise(uint64_t *state, double width)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return 1 + width * ((double)(*state >> 11) / (1ull << 53) - 0.5);
}

/* Bytes a second in one gear; data differs from period to period. */
static double
world_rate(const struct world *world, double effort)
{
	uint64_t state = 1181783497276652981u;
	double bytes = 0;

	for (int i = 0; i < 500; i++)
		bytes += world_run(world, effort, noise(&state, .5), noise(&state, .5)).plain;
	return bytes / 500;
}

/* Bytes a second that adapt gets through between two times. */
static double
adapt_rate(struct adapt *adapt, const struct world *world, int highest, double from, double to,
    uint64_t *state)
{
	double bytes = 0, now;

	if (from == 0)
		adapt_start(adapt, highest, (unsigned)world->processors);
	for (now = from; now < to; now += PERIOD) {
		struct flow flow = world_run(world, adapt_effort(adapt->gear), noise(state, .5),
		    noise(state, .5));
		struct adapt_sample sample = {
			.seconds = PERIOD, .plain = flow.plain * PERIOD, .wire = flow.wire * PERIOD,
			.read_wait = flow.read_wait * PERIOD, .write_wait = flow.write_wait * PERIOD,
			.cpu = flow.cpu * PERIOD,
			.work = PERIOD, .work_wait = flow.work_wait * PERIOD,
			.deflated = flow.plain * fmin(adapt_effort(adapt->gear), 1) * PERIOD,
		};

		bytes += sample.plain;
		if (getenv("ADAPT_TRACE") != NULL)
			printf("%5.1f gear %2d, %6.1f MB/s plain, %6.1f wire, waits r %.2f w %.2f\n", now,
			    adapt->gear, flow.plain / 1e6, flow.wire / 1e6, flow.read_wait,
			    flow.write_wait);
		adapt_step(adapt, &sample);
		CHECK(adapt->gear >= 0 && adapt_effort(adapt->gear) <= highest);
	}
	return bytes / (to - from);
}

static double
best_rate(const struct world *world)
{
	double best = 0;

	for (int gear = 0; gear < ADAPT_GEARS; gear++)
		best = fmax(best, world_rate(world, adapt_effort(gear)));
	return best;
}

static const struct world worlds[] = {
	{ "1 MB/s", 2e9, 1e6, 2, 1, .3e-9, .3e-9, .97 },
	{ "10 MB/s", 2e9, 10e6, 2, 1, .3e-9, .3e-9, .97 },
	{ "100 MB/s", 2e9, 100e6, 2, 1, .3e-9, .3e-9, .95 },
	{ "100 MB/s and a slow machine", 2e9, 100e6, 2, 4, .3e-9, .3e-9, .9 },
	{ "100 MB/s and many processors", 2e9, 100e6, 32, 1, .3e-9, .3e-9, .97 },
	{ "300 MB/s", 2e9, 300e6, 2, 1, .3e-9, .3e-9, .9 },
	{ "1 GB/s", 4e9, 1e9, 2, 1, .3e-9, .3e-9, .9 },
	{ "1 GB/s and many processors", 4e9, 1e9, 32, 1, .3e-9, .3e-9, .9 },
	{ "1 GB/s on one processor", 4e9, 1e9, 1, 1, .3e-9, .3e-9, .9 },
	{ "any rate, shared processors", 9e9, 9e9, 2, 1, .3e-9, .3e-9, .93 },
	{ "any rate, a hungry sink", 9e9, 9e9, 2, 1, .3e-9, 3e-9, .9 },
	{ "any rate, a hungry sink, one processor", 9e9, 9e9, 1, 1, .3e-9, 3e-9, .9 },
	{ "a slow source", 30e6, 9e9, 2, 1, .3e-9, .3e-9, .98 },
	{ "a slow source and a slower wire", 30e6, 10e6, 2, 1, .3e-9, .3e-9, .97 },
	{ "a slow source, a wire that only deflated bytes fit", 30e6, 16e6, 2, 1, .3e-9, .3e-9, .97 },
};

/* Neither storing nor level 1 gets a tenth more through; on the whole, nor does any gear. */
static void
each_world_gets_its_gear(void)
{
	for (size_t i = 0; i < sizeof(worlds) / sizeof(*worlds); i++) {
		const struct world *world = &worlds[i];
		double rate, best = best_rate(world), settled;
		uint64_t state = 88172645463325252u + i;
		struct adapt adapt;
		char why[200];

		rate = adapt_rate(&adapt, world, 9, 0, 10, &state);
		settled = adapt_rate(&adapt, world, 9, 10, 60, &state);
		snprintf(why, sizeof(why), "%s: %.1f MB/s, then %.1f; best %.1f, stored %.1f, level 1 %.1f",
		    world->name, rate / 1e6, settled / 1e6, best / 1e6, world_rate(world, 0) / 1e6,
		    world_rate(world, 1) / 1e6);
		check_case = why;
		if (getenv("ADAPT_TRACE") != NULL)
			puts(why);
		CHECK(rate > .9 * world_rate(world, 0));
		CHECK(rate > .9 * world_rate(world, 1));
		CHECK(settled > world->best * best);
		CHECK(settled > .95 * world_rate(world, 1));
	}
	check_case = "";
}

static void
a_change_is_followed(void)
{
	for (size_t i = 0; i < sizeof(worlds) / sizeof(*worlds); i++)
		for (size_t k = 0; k < sizeof(worlds) / sizeof(*worlds); k++) {
			uint64_t state = 88172645463325252u + i;
			struct world next = worlds[k];
			struct adapt adapt;
			double rate;
			char why[200];

			next.processors = worlds[i].processors;
			next.slowness = worlds[i].slowness;
			adapt_rate(&adapt, &worlds[i], 9, 0, 30, &state);
			rate = adapt_rate(&adapt, &next, 9, 30, 60, &state);
			snprintf(why, sizeof(why), "from %s to %s: %.1f MB/s, stored %.1f, level 1 %.1f",
			    worlds[i].name, next.name, rate / 1e6, world_rate(&next, 0) / 1e6,
			    world_rate(&next, 1) / 1e6);
			check_case = why;
			CHECK(rate > .75 * world_rate(&next, 0));
			CHECK(rate > .75 * world_rate(&next, 1));
		}
	check_case = "";
}

static void
the_highest_level_is_kept(void)
{
	uint64_t state = 88172645463325252u;
	struct adapt adapt;

	for (int highest = 1; highest <= 9; highest++) {
		adapt_rate(&adapt, &worlds[0], highest, 0, 30, &state);
		CHECK_NUMBER(adapt_effort(adapt.gear), highest);
	}
}

static void
an_empty_period_changes_nothing(void)
{
	struct adapt adapt;
	struct adapt_sample nothing = { .seconds = 1 };
	int gear;

	adapt_start(&adapt, 9, 2);
	gear = adapt.gear;
	adapt_step(&adapt, &nothing);
	adapt_step(&adapt, &(struct adapt_sample){ 0 });
	CHECK_NUMBER(adapt.gear, gear);
}

int
main(void)
{
	each_world_gets_its_gear();
	a_change_is_followed();
	the_highest_level_is_kept();
	an_empty_period_changes_nothing();
	return check_done();
}
