/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pool: work on several threads, with input taken in order and results given in order.
 *
 * A job is memory, not a thread: the buffers of one piece on its way.  It is free, then
 * filled by take, changed by work, done, and free again after give.  Jobs are never
 * allocated during a run, so their number and size are the memory limit.
 *
 * Each piece gets a sequence number when it is taken.  All threads run the same loop, under
 * one lock: if the result whose turn it is is done, give it; else, if a job is free, take
 * the next piece into it and work on it; else wait. take and give each run on one thread at
 * a time, in the order of the numbers, so what belongs to one of them needs no lock of its
 * own. work runs on any thread beside everything else, and touches only its job.  A result
 * before its turn is put aside in a slot for its number.  With more jobs than threads
 * (pool_jobs) no thread waits for a slower neighbour then: it goes on with the next piece.
 *
 * take usually reads a pipe, and may block there for as long as the pipe is silent.  So the
 * lock is released around it, and the results before it are given meanwhile.
 * pool_run_prompt is for a take that cannot block: it keeps the lock, which saves two
 * switches for each piece.
 *
 * The run ends in one of two ways. take returns false: there is no more input; every piece
 * that was taken is still given. give returns false: the run is stopped; pieces that are
 * done or in work are dropped, and no further take begins.  An error belongs to its piece:
 * take and work store it in the job, and give reports it when its turn comes.  So the first
 * error in the order of the input is the one that is seen, whichever thread met an error
 * first.
 *
 * The caller's thread only waits, so that it can report an error while another thread is
 * still blocked in take.  That thread is left to itself: context and jobs must then live as
 * long as the process.  Signals are not the pool's: they are blocked in its threads, and a
 * thread of their own waits for them (show/signals.h).  With one thread there is no pool,
 * but the plain loop of take, work and give.
 */
#ifndef POOL_H
#define POOL_H

#include <stdbool.h>

struct pool_ops {
	/*
	 * Fill the job with the next input.  False: there is no more.  A failure is stored in
	 * the job, and give reports it in its turn.
	 */
	bool (*take)(void *context, void *job);

	/* On any thread, beside others.  May be NULL. */
	void (*work)(void *context, void *job);

	/* In the order of take.  False stops the pool: an error, or the end. */
	bool (*give)(void *context, void *job);
};

/*
 * Run until take or give returns false, with so many threads, or as many as the system
 * grants.  With one thread, jobs[0] runs in the calling thread.  Returns true if take ended
 * the run and everything taken was given; false if give stopped it or, with errno set and
 * nothing taken, no thread could be created.  On return no thread is in work or give.  After
 * a stop one may still be in take, blocked perhaps for ever: context and jobs must then
 * live on.  No other take begins.
 */
bool pool_run(const struct pool_ops *, void *context, void **jobs, unsigned count,
    unsigned threads);

/* The same for a take that does not block: on return no thread is in take, either. */
bool pool_run_prompt(const struct pool_ops *, void *context, void **jobs, unsigned count,
    unsigned threads);

/* The number of jobs with which a result before its turn holds up none of the threads. */
unsigned pool_jobs(unsigned threads);

/* Processors that this process may use, 1 to 64. */
unsigned pool_processors(void);

#endif
