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
	bool prompt;			/* take does not block: it is waited for */
	struct pool_thread *threads;

	pthread_mutex_t state;		/* over all that follows */
	pthread_cond_t input;		/* nobody is in take any more */
	bool taking;			/* somebody is, and may be waiting for input */
	bool ended;			/* take returned false */
	uint64_t taken;			/* the next job's number */

	pthread_cond_t *turns;		/* turns[n % count]: job n may be given */
	uint64_t turn;			/* the job that is given next */

	pthread_cond_t left;		/* a thread left */
	bool stopped;			/* give returned false */
	bool abandoned;			/* pool_run returned: the last to leave cleans up */
	unsigned busy;			/* threads that have not left */
};

struct pool_thread {
	struct pool *pool;
	void *job;
	pthread_t thread;
};

static void
pool_destroy(struct pool *pool)
{
	if (pool != NULL) {
		free(pool->turns);
		free(pool->threads);
	}
	free(pool);
}

/* Take the next job under the next number.  False: no more, or stopped. */
static bool
pool_take(struct pool *pool, void *job, uint64_t *number)
{
	bool taken = false;

	pthread_mutex_lock(&pool->state);
	while (pool->taking && !pool->stopped)
		pthread_cond_wait(&pool->input, &pool->state);
	if (!pool->ended && !pool->stopped) {
		pool->taking = true;
		pthread_mutex_unlock(&pool->state);
		taken = pool->ops->take(pool->context, job);
		pthread_mutex_lock(&pool->state);
		pool->taking = false;
		pool->ended = !taken;
		*number = pool->taken++;
		taken = taken && !pool->stopped;
	}
	pthread_cond_signal(&pool->input);
	pthread_mutex_unlock(&pool->state);
	return taken;
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
		pthread_cond_broadcast(&pool->input);
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
	bool last;

	while (pool_take(pool, self->job, &number)) {
		if (pool->ops->work != NULL)
			pool->ops->work(pool->context, self->job);
		if (!pool_give(pool, self->job, number))
			break;
	}
	pthread_mutex_lock(&pool->state);
	last = --pool->busy == 0 && pool->abandoned;
	pthread_cond_signal(&pool->left);
	pthread_mutex_unlock(&pool->state);
	if (last)
		pool_destroy(pool);
	return NULL;
}

/*
 * Wait until all threads have left; after a stop the one that may be waiting for input
 * counts as gone.  Returns false if that one is left to itself, with the pool.
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
		pthread_detach(pool->threads[i].thread);
	pthread_mutex_unlock(&pool->state);
	for (unsigned i = 0; all && i < made; i++)
		pthread_join(pool->threads[i].thread, NULL);
	return all;
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

static struct pool *
pool_create(const struct pool_ops *ops, void *context, unsigned count)
{
	struct pool *pool = calloc(1, sizeof(*pool));

	if (pool == NULL)
		return NULL;
	pool->ops = ops;
	pool->context = context;
	pool->count = count;
	pool->threads = calloc(count, sizeof(*pool->threads));
	pool->turns = calloc(count, sizeof(*pool->turns));
	if (pool->threads == NULL || pool->turns == NULL) {
		pool_destroy(pool);
		return NULL;
	}
	pthread_mutex_init(&pool->state, NULL);
	pthread_cond_init(&pool->input, NULL);
	pthread_cond_init(&pool->left, NULL);
	for (unsigned i = 0; i < count; i++)
		pthread_cond_init(&pool->turns[i], NULL);
	return pool;
}

/* Start a thread for each job, or as many as the system grants.  0 with errno set. */
static unsigned
pool_start(struct pool *pool, void **jobs)
{
	unsigned made;
	int failed = 0;

	pthread_mutex_lock(&pool->state);
	for (made = 0; made < pool->count; made++) {
		struct pool_thread *thread = &pool->threads[made];

		*thread = (struct pool_thread){ .pool = pool, .job = jobs[made] };
		failed = pthread_create(&thread->thread, NULL, pool_thread_main, thread);
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
    bool prompt)
{
	struct pool *pool;
	unsigned made;
	bool done;

	if (count == 1)
		return pool_run_alone(ops, context, jobs[0]);
	pool = pool_create(ops, context, count);
	if (pool == NULL)
		return false;
	pool->prompt = prompt;
	made = pool_start(pool, jobs);
	if (!pool_wait(pool, made))
		return false;
	done = made > 0 && !pool->stopped;
	pool_destroy(pool);
	return done;
}

bool
pool_run(const struct pool_ops *ops, void *context, void **jobs, unsigned count)
{
	return pool_run_threads(ops, context, jobs, count, false);
}

bool
pool_run_prompt(const struct pool_ops *ops, void *context, void **jobs, unsigned count)
{
	return pool_run_threads(ops, context, jobs, count, true);
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
