/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/pool.h"

/* More threads than this only wait for each other. */
#define PROCESSORS_MAX	64

/* No kernel is built for more. */
#define POSSIBLE_MAX	(1 << 20)

struct pool {
	const struct pool_ops *ops;
	void *context;
	bool prompt;			/* take does not block: the lock is kept */
	pthread_t *threads;

	pthread_mutex_t state;		/* over all that follows */
	pthread_cond_t change;		/* there may be something to do, or no more */
	void **idle;			/* jobs; the last is used first, its memory is warm */
	unsigned idle_count;
	void **done;			/* done[n % count]: job n has been worked on */
	unsigned count;			/* of jobs */
	uint64_t taken, given;		/* the next job's number */
	bool taking, giving;		/* a thread is, perhaps blocked on a pipe */
	bool ended;			/* take returned false */
	bool stopped;			/* give returned false */

	pthread_cond_t left;		/* a thread left */
	bool abandoned;			/* pool_run returned: the last thread to leave cleans up */
	unsigned busy;			/* threads that have not left */
};

static void
pool_destroy(struct pool *pool)
{
	if (pool != NULL) {
		free(pool->threads);
		free(pool->idle);
		free(pool->done);
	}
	free(pool);
}

/* Give the job whose turn it is.  Called with the state locked, as pool_work is. */
static void
pool_give(struct pool *pool)
{
	void **slot = &pool->done[pool->given % pool->count], *job = *slot;
	bool go;

	*slot = NULL;
	pool->giving = true;
	pthread_mutex_unlock(&pool->state);
	go = pool->ops->give(pool->context, job);
	pthread_mutex_lock(&pool->state);
	pool->giving = false;
	pool->given++;
	pool->idle[pool->idle_count++] = job;
	pool->stopped = !go;
	if (go)
		pthread_cond_signal(&pool->change);
	else
		pthread_cond_broadcast(&pool->change);
}

/*
 * If take may block, others give meanwhile; afterwards a waiting thread may take the next.
 */
static bool
pool_take(struct pool *pool, void *job)
{
	bool taken;

	if (pool->prompt)
		return pool->ops->take(pool->context, job);
	pool->taking = true;
	pthread_mutex_unlock(&pool->state);
	taken = pool->ops->take(pool->context, job);
	pthread_mutex_lock(&pool->state);
	pool->taking = false;
	pthread_cond_signal(&pool->change);
	return taken && !pool->stopped;
}

/* Take the next job and work on it. */
static void
pool_work(struct pool *pool)
{
	void *job = pool->idle[--pool->idle_count];
	uint64_t number;

	if (!pool_take(pool, job)) {
		pool->ended = true;
		pthread_cond_broadcast(&pool->change);
		return;
	}
	number = pool->taken++;
	pthread_mutex_unlock(&pool->state);
	if (pool->ops->work != NULL)
		pool->ops->work(pool->context, job);
	pthread_mutex_lock(&pool->state);
	pool->done[number % pool->count] = job;
}

/* At the end, a job still in work is given by its thread, and so are those behind it. */
static void *
pool_thread_main(void *argument)
{
	struct pool *pool = argument;
	bool last;

	pthread_mutex_lock(&pool->state);
	while (!pool->stopped) {
		if (!pool->giving && pool->done[pool->given % pool->count] != NULL)
			pool_give(pool);
		else if (pool->ended)
			break;
		else if (!pool->taking && pool->idle_count > 0)
			pool_work(pool);
		else
			pthread_cond_wait(&pool->change, &pool->state);
	}
	last = --pool->busy == 0 && pool->abandoned;
	pthread_cond_signal(&pool->left);
	pthread_mutex_unlock(&pool->state);
	if (last)
		pool_destroy(pool);
	return NULL;
}

/*
 * Wait until all threads have left; after a stop, do not wait for a thread that may be
 * blocked in take.  Returns false if that one is left to itself, with the pool.
 */
static bool
pool_wait(struct pool *pool, unsigned made)
{
	bool all;

	pthread_mutex_lock(&pool->state);
	while (pool->busy > (pool->stopped && pool->taking && !pool->prompt ? 1 : 0))
		pthread_cond_wait(&pool->left, &pool->state);
	all = pool->busy == 0;
	pool->abandoned = !all;
	for (unsigned i = 0; !all && i < made; i++)
		pthread_detach(pool->threads[i]);
	pthread_mutex_unlock(&pool->state);
	for (unsigned i = 0; all && i < made; i++)
		pthread_join(pool->threads[i], NULL);
	return all;
}

/* With one thread there is no other to wait for. */
static bool
pool_run_alone(const struct pool_ops *ops, void *context, void *job)
{
	while (ops->take(context, job)) {
		if (ops->work != NULL)
			ops->work(context, job);
		if (!ops->give(context, job))
			return false;
	}
	return true;
}

static struct pool *
pool_create(const struct pool_ops *ops, void *context, void **jobs, unsigned count,
    unsigned threads)
{
	struct pool *pool = calloc(1, sizeof(*pool));

	if (pool == NULL)
		return NULL;
	pool->ops = ops;
	pool->context = context;
	pool->count = count;
	pool->threads = calloc(threads, sizeof(*pool->threads));
	pool->idle = calloc(count, sizeof(*pool->idle));
	pool->done = calloc(count, sizeof(*pool->done));
	if (pool->threads == NULL || pool->idle == NULL || pool->done == NULL) {
		pool_destroy(pool);
		return NULL;
	}
	pthread_mutex_init(&pool->state, NULL);
	pthread_cond_init(&pool->change, NULL);
	pthread_cond_init(&pool->left, NULL);
	for (; pool->idle_count < count; pool->idle_count++)
		pool->idle[pool->idle_count] = jobs[pool->idle_count];
	return pool;
}

/* Start the threads, or as many as the system grants.  0 with errno set. */
static unsigned
pool_start(struct pool *pool, unsigned threads)
{
	unsigned made;
	int failed = 0;

	pthread_mutex_lock(&pool->state);
	for (made = 0; made < threads; made++) {
		failed = pthread_create(&pool->threads[made], NULL, pool_thread_main, pool);
		if (failed != 0)
			break;
		pool->busy++;
	}
	pthread_mutex_unlock(&pool->state);
	if (made == 0)
		errno = failed;
	return made;
}

/*
 * The caller's thread only waits: it must be free to report an error while another
 * blocks in take.
 */
static bool
pool_run_threads(const struct pool_ops *ops, void *context, void **jobs, unsigned count,
    unsigned threads, bool prompt)
{
	struct pool *pool;
	unsigned made;
	bool done;

	if (threads == 1)
		return pool_run_alone(ops, context, jobs[0]);
	pool = pool_create(ops, context, jobs, count, threads);
	if (pool == NULL)
		return false;
	pool->prompt = prompt;
	made = pool_start(pool, threads);
	if (!pool_wait(pool, made))
		return false;
	done = made > 0 && !pool->stopped;
	pool_destroy(pool);
	return done;
}

bool
pool_run(const struct pool_ops *ops, void *context, void **jobs, unsigned count,
    unsigned threads)
{
	return pool_run_threads(ops, context, jobs, count, threads, false);
}

bool
pool_run_prompt(const struct pool_ops *ops, void *context, void **jobs, unsigned count,
    unsigned threads)
{
	return pool_run_threads(ops, context, jobs, count, threads, true);
}

unsigned
pool_jobs(unsigned threads)
{
	return threads == 1 ? 1 : 2 * threads;
}

unsigned
pool_processors(void)
{
	int possible = CPU_SETSIZE, n = 1;
	cpu_set_t *set;

	/* EINVAL: this kernel has room for more processors than the set. */
	for (; possible <= POSSIBLE_MAX; possible *= 2) {
		size_t size = CPU_ALLOC_SIZE(possible);
		bool too_small;

		set = CPU_ALLOC(possible);
		if (set == NULL)
			break;
		if (sched_getaffinity(0, size, set) == 0) {
			n = CPU_COUNT_S(size, set);
			CPU_FREE(set);
			break;
		}
		too_small = errno == EINVAL;
		CPU_FREE(set);
		if (!too_small)
			break;
	}
	return n < 1 ? 1 : n > PROCESSORS_MAX ? PROCESSORS_MAX : (unsigned)n;
}
