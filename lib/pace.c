/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "adapt.h"
#include "io.h"
#include "pace.h"

/* A period lasts at least this long, and this many pieces and bytes on the wire. */
#define PERIOD_SECONDS	0.025
#define PERIOD_PIECES	16
#define PERIOD_WIRE	IO_PIPE_SIZE

/* However little a very slow wire takes, this much time is enough. */
#define PERIOD_LONGEST	2.0

struct pace {
	_Atomic int gear;		/* of the pieces that are taken */
	_Atomic uint64_t read_wait;	/* nanoseconds, ever growing, as are these */
	_Atomic uint64_t work, work_wait;
	double share;			/* take's: of the next piece that is due at the higher level */

	/* give's: */
	struct adapt adapt;
	struct adapt_sample sample;
	unsigned pieces;
	double since, since_cpu;
	uint64_t since_read_wait, since_work, since_work_wait;
	uint64_t bytes[10];
};

static double
thread_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double
process_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

struct pace *
pace_create(int highest, unsigned processors)
{
	struct pace *pace = calloc(1, sizeof(*pace));

	if (pace == NULL)
		return NULL;
	adapt_start(&pace->adapt, highest, processors);
	pace->since = clock_seconds();
	pace->since_cpu = process_seconds();
	return pace;
}

void
pace_destroy(struct pace *pace)
{
	free(pace);
}

int
pace_level(struct pace *pace, int fixed)
{
	double effort;
	int level;

	if (pace == NULL)
		return fixed;
	effort = adapt_effort(atomic_load(&pace->gear));
	level = (int)effort;
	pace->share += effort - level;
	if (pace->share < 1)
		return level;
	pace->share -= 1;
	return level + 1;
}

bool
pace_stores(const struct pace *pace)
{
	return pace != NULL && adapt_effort(atomic_load(&pace->gear)) == 0;
}

void
pace_begins(const struct pace *pace, struct pace_mark *mark)
{
	if (pace != NULL)
		*mark = (struct pace_mark){ clock_seconds(), thread_seconds() };
}

/* Seconds since the mark in which the thread did not run: it waited. */
static double
mark_waited(const struct pace_mark *mark)
{
	double waited = clock_seconds() - mark->wall - (thread_seconds() - mark->cpu);

	return waited > 0 ? waited : 0;
}

void
pace_waited_to_read(struct pace *pace, const struct pace_mark *mark)
{
	if (pace != NULL)
		atomic_fetch_add(&pace->read_wait, (uint64_t)(mark_waited(mark) * 1e9));
}

void
pace_worked(struct pace *pace, const struct pace_mark *mark)
{
	if (pace == NULL)
		return;
	atomic_fetch_add(&pace->work_wait, (uint64_t)(mark_waited(mark) * 1e9));
	atomic_fetch_add(&pace->work, (uint64_t)((clock_seconds() - mark->wall) * 1e9));
}

/* What a counter has gained since, in seconds. */
static double
gained(_Atomic uint64_t *counter, uint64_t *since)
{
	uint64_t before = *since;

	*since = atomic_load(counter);
	return (double)(*since - before) / 1e9;
}

/* The period is over: let adapt choose, and begin the next. */
static void
pace_step(struct pace *pace, double now)
{
	double cpu = process_seconds();

	pace->sample.seconds = now - pace->since;
	pace->sample.read_wait = gained(&pace->read_wait, &pace->since_read_wait);
	pace->sample.work = gained(&pace->work, &pace->since_work);
	pace->sample.work_wait = gained(&pace->work_wait, &pace->since_work_wait);
	pace->sample.cpu = cpu - pace->since_cpu;
	adapt_step(&pace->adapt, &pace->sample);
	atomic_store(&pace->gear, pace->adapt.gear);
	pace->sample = (struct adapt_sample){ 0 };
	pace->pieces = 0;
	pace->since = now;
	pace->since_cpu = cpu;
}

void
pace_waited_to_write(struct pace *pace, const struct pace_mark *mark)
{
	if (pace != NULL)
		pace->sample.write_wait += mark_waited(mark);
}

void
pace_written(struct pace *pace, int level, size_t plain, size_t wire)
{
	double now, seconds;

	if (pace == NULL)
		return;
	now = clock_seconds();
	seconds = now - pace->since;
	pace->bytes[level] += plain;
	pace->sample.plain += (double)plain;
	pace->sample.wire += (double)wire;
	pace->sample.deflated += level > 0 ? (double)plain : 0;
	pace->pieces++;
	if (seconds > PERIOD_SECONDS && pace->pieces >= PERIOD_PIECES &&
	    (pace->sample.wire >= PERIOD_WIRE || seconds > PERIOD_LONGEST))
		pace_step(pace, now);
}

uint64_t
pace_bytes(const struct pace *pace, int level)
{
	return pace->bytes[level];
}
