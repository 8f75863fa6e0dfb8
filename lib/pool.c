/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>

#include "pool.h"

struct pool {
	const struct pool_ops *ops;
	void *context;
	unsigned count;			/* jobs, and threads */

	pthread_mutex_t input;		/* held while in take */
	uint64_t taken;			/* under input: the next job's number */
	bool ended;			/* under input: take returned false */

	pthread_mutex_t state;
	pthread_cond_t *turns;		/* turns[n % count]: job n may be given */
	pthread_cond_t left;		/* a thread left, or went into take */
	uint64_t turn;			/* under state: the job that is given next */
	bool stopped;			/* under state */
	unsigned busy;			/* under state: threads that have not left */
	unsigned taking;		/* under state: those that may be waiting for input */
};

struct pool_thread {
	struct pool *pool;
	void *job;
	pthread_t thread;
};

/* Enter or leave the part where a thread may wait for input.  False: stopped. */
static bool
pool_taking(struct pool *pool, bool enter)
{
	bool go;

	pthread_mutex_lock(&pool->state);
	pool->taking += enter ? 1 : -1u;
	go = !pool->stopped;
	if (!go)
		pthread_cond_broadcast(&pool->left);
	pthread_mutex_unlock(&pool->state);
	return go;
}

/* Take the next job under the next number.  False: no more, or stopped. */
static bool
pool_take(struct pool *pool, void *job, uint64_t *number)
{
	bool taken = false;

	if (pool_taking(pool, true)) {
		pthread_mutex_lock(&pool->input);
		if (!pool->ended) {
			taken = pool->ops->take(pool->context, job);
			pool->ended = !taken;
		}
		if (taken)
			*number = pool->taken++;
		pthread_mutex_unlock(&pool->input);
	}
	return pool_taking(pool, false) && taken;
}

/* Wait for the turn of this number and give the job.  False: stopped. */
static bool
pool_give(struct pool *pool, void *job, uint64_t number)
{
	bool go;

	pthread_mutex_lock(&pool->state);
	while (pool->turn != number && !pool->stopped)
		pthread_cond_wait(&pool->turns[number % pool->count], &pool->state);
	go = !pool->stopped;
	pthread_mutex_unlock(&pool->state);
	if (!go)
		return false;

	go = pool->ops->give(pool->context, job);

	pthread_mutex_lock(&pool->state);
	pool->turn++;
	if (go)
		pthread_cond_signal(&pool->turns[pool->turn % pool->count]);
	else {
		pool->stopped = true;
		for (unsigned i = 0; i < pool->count; i++)
			pthread_cond_broadcast(&pool->turns[i]);
	}
	pthread_mutex_unlock(&pool->state);
	return go;
}

static void *
pool_thread_main(void *argument)
{
	struct pool_thread *self = argument;
	struct pool *pool = self->pool;
	uint64_t number;

	while (pool_take(pool, self->job, &number)) {
		if (pool->ops->work != NULL)
			pool->ops->work(pool->context, self->job);
		if (!pool_give(pool, self->job, number))
			break;
	}
	pthread_mutex_lock(&pool->state);
	pool->busy--;
	pthread_cond_broadcast(&pool->left);
	pthread_mutex_unlock(&pool->state);
	return NULL;
}

/* Wait until all threads have left; after a stop those that wait for input count as gone. */
static bool
pool_wait(struct pool *pool)
{
	bool all;

	pthread_mutex_lock(&pool->state);
	while (pool->busy > (pool->stopped ? pool->taking : 0))
		pthread_cond_wait(&pool->left, &pool->state);
	all = pool->busy == 0;
	pthread_mutex_unlock(&pool->state);
	return all;
}

static void
pool_destroy(struct pool *pool, struct pool_thread *threads)
{
	if (pool != NULL)
		free(pool->turns);
	free(pool);
	free(threads);
}

/* With one job there is nobody to wait for. */
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

bool
pool_run(const struct pool_ops *ops, void *context, void **jobs, unsigned count)
{
	struct pool *pool;
	struct pool_thread *threads;
	unsigned i, made;
	bool stopped, all;
	int failed = 0;

	if (count == 1)
		return pool_run_alone(ops, context, jobs[0]);
	pool = calloc(1, sizeof(*pool));
	threads = calloc(count, sizeof(*threads));
	if (pool != NULL)
		pool->turns = calloc(count, sizeof(*pool->turns));
	if (pool == NULL || threads == NULL || pool->turns == NULL) {
		pool_destroy(pool, threads);
		return false;
	}
	pool->ops = ops;
	pool->context = context;
	pool->count = count;
	pthread_mutex_init(&pool->input, NULL);
	pthread_mutex_init(&pool->state, NULL);
	pthread_cond_init(&pool->left, NULL);
	for (i = 0; i < count; i++)
		pthread_cond_init(&pool->turns[i], NULL);

	/*
	 * The caller's thread only waits: it must be free to report an error while
	 * another blocks in take.  Where the system grants fewer threads, those do it.
	 */
	for (made = 0; made < count; made++) {
		threads[made] = (struct pool_thread){ .pool = pool, .job = jobs[made] };
		pthread_mutex_lock(&pool->state);
		pool->busy++;
		pthread_mutex_unlock(&pool->state);
		failed = pthread_create(&threads[made].thread, NULL, pool_thread_main, &threads[made]);
		if (failed != 0) {
			pthread_mutex_lock(&pool->state);
			pool->busy--;
			pthread_mutex_unlock(&pool->state);
			break;
		}
	}
	all = pool_wait(pool);
	stopped = pool->stopped || made == 0;
	for (i = 0; i < made; i++) {
		if (all)
			pthread_join(threads[i].thread, NULL);
		else
			pthread_detach(threads[i].thread);
	}
	if (all)
		pool_destroy(pool, threads);
	if (made == 0)
		errno = failed;
	return !stopped;
}

unsigned
pool_processors(void)
{
	cpu_set_t set;
	int n = 1;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		n = CPU_COUNT(&set);
	return n < 1 ? 1 : n > 64 ? 64 : (unsigned)n;
}
