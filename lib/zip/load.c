/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "base/io.h"
#include "zip/adapt.h"
#include "zip/load.h"

/* A period lasts at least this long, and this many pieces and bytes on the wire. */
#define PERIOD_SECONDS	0.025
#define PERIOD_PIECES	16
#define PERIOD_WIRE	IO_PIPE_SIZE

/* However little a very slow wire takes, this much time is enough. */
#define PERIOD_LONGEST	2.0

struct load {
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

struct load *
load_create(int highest, unsigned processors)
{
	struct load *load = calloc(1, sizeof(*load));

	if (load == NULL)
		return NULL;
	adapt_start(&load->adapt, highest, processors);
	atomic_store(&load->gear, load->adapt.gear);
	load->since = clock_seconds();
	load->since_cpu = process_seconds();
	return load;
}

int
load_level(struct load *load, int fixed)
{
	double effort;
	int level;

	if (load == NULL)
		return fixed;
	effort = adapt_effort(atomic_load(&load->gear));
	level = (int)effort;
	load->share += effort - level;
	if (load->share < 1)
		return level;
	load->share -= 1;
	return level + 1;
}

bool
load_stores(const struct load *load)
{
	return load != NULL && adapt_effort(atomic_load(&load->gear)) == 0;
}

void
load_begins(const struct load *load, struct load_mark *mark)
{
	if (load != NULL)
		*mark = (struct load_mark){ clock_seconds(), thread_seconds() };
}

/* Seconds since the mark in which the thread did not run: it waited. */
static double
mark_waited(const struct load_mark *mark)
{
	double waited = clock_seconds() - mark->wall - (thread_seconds() - mark->cpu);

	return waited > 0 ? waited : 0;
}

void
load_waited_to_read(struct load *load, const struct load_mark *mark)
{
	if (load != NULL)
		atomic_fetch_add(&load->read_wait, (uint64_t)(mark_waited(mark) * 1e9));
}

void
load_worked(struct load *load, const struct load_mark *mark)
{
	if (load == NULL)
		return;
	atomic_fetch_add(&load->work_wait, (uint64_t)(mark_waited(mark) * 1e9));
	atomic_fetch_add(&load->work, (uint64_t)((clock_seconds() - mark->wall) * 1e9));
}

/* The increase of a counter since then, in seconds. */
static double
gained(_Atomic uint64_t *counter, uint64_t *since)
{
	uint64_t before = *since;

	*since = atomic_load(counter);
	return (double)(*since - before) / 1e9;
}

/* The period is over: let adapt choose, and begin the next. */
static void
load_step(struct load *load, double now)
{
	double cpu = process_seconds();

	load->sample.seconds = now - load->since;
	load->sample.read_wait = gained(&load->read_wait, &load->since_read_wait);
	load->sample.work = gained(&load->work, &load->since_work);
	load->sample.work_wait = gained(&load->work_wait, &load->since_work_wait);
	load->sample.cpu = cpu - load->since_cpu;
	adapt_step(&load->adapt, &load->sample);
	atomic_store(&load->gear, load->adapt.gear);
	load->sample = (struct adapt_sample){ 0 };
	load->pieces = 0;
	load->since = now;
	load->since_cpu = cpu;
}

void
load_waited_to_write(struct load *load, const struct load_mark *mark)
{
	if (load != NULL)
		load->sample.write_wait += mark_waited(mark);
}

void
load_written(struct load *load, int level, size_t plain, size_t wire)
{
	double now, seconds;

	if (load == NULL)
		return;
	now = clock_seconds();
	seconds = now - load->since;
	load->sample.plain += (double)plain;
	load->sample.wire += (double)wire;
	load->sample.deflated += level > 0 ? (double)plain : 0;
	load->pieces++;
	if (seconds > PERIOD_SECONDS && load->pieces >= PERIOD_PIECES &&
	    (load->sample.wire >= PERIOD_WIRE || seconds > PERIOD_LONGEST))
		load_step(load, now);
}
