/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pool: jobs on several threads, taken in order and given in order.
 *
 * A job is memory: the buffers of one piece on its way.  Each thread does whatever is to
 * be done next: give the result whose turn has come, else take input into a free job and
 * work on it beside the others.  A result before its turn is put aside, so with more jobs
 * than threads nobody waits for a slower neighbour.  The jobs are the memory limit; one
 * thread is the plain loop.
 */
#ifndef POOL_H
#define POOL_H

#include <stdbool.h>

struct pool_ops {
	/*
	 * Fill the job with the next input.  False: there is no more.  What fails
	 * here is kept in the job, for give to report in its turn.
	 */
	bool (*take)(void *context, void *job);

	/* Any thread, beside others.  May be NULL. */
	void (*work)(void *context, void *job);

	/* In the order of take.  False stops the pool: an error, or the end. */
	bool (*give)(void *context, void *job);
};

/*
 * Run until take or give returns false, with as many threads, or as many as the system
 * grants; one runs on the caller's, with the first job.  Returns true if take ended it
 * and everything taken was given; false if give stopped it or, with errno set and
 * nothing taken, no thread could be made.  On return no thread is in work or give.
 * After a stop one may still be in take, where it perhaps blocks for ever: context and
 * jobs must then live on.  No other take begins.
 */
bool pool_run(const struct pool_ops *, void *context, void **jobs, unsigned count,
    unsigned threads);

/* The same where take takes no time: on return no thread is in take, either. */
bool pool_run_prompt(const struct pool_ops *, void *context, void **jobs, unsigned count,
    unsigned threads);

/* Jobs for so many threads that a result before its turn holds up none. */
unsigned pool_jobs(unsigned threads);

/* Processors that this process may use, 1 to 64. */
unsigned pool_processors(void);

#endif
