/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/pool.h"
#include "check.h"

#define JOBS	8

struct job {
	uint64_t number;
	uint64_t square;	/* set by work */
	bool held;		/* by a thread */
};

struct context {
	uint64_t count;		/* jobs to take */
	uint64_t stop_at;	/* give returns false there */
	atomic_ulong taken, given;
	atomic_int taking, giving, working;
	atomic_int most;	/* in work at once */
	atomic_int takes;	/* calls */
	int pipe;		/* take reads from it, if it is not 0 */
};

static struct job jobs[JOBS];
static void *job_list[JOBS];

static bool
take(void *argument, void *job_argument)
{
	struct context *context = argument;
	struct job *job = job_argument;
	char byte;

	atomic_fetch_add(&context->takes, 1);
	CHECK_NUMBER(atomic_fetch_add(&context->taking, 1), 0);
	CHECK(!job->held);
	if (context->pipe != 0 && context->taken == context->stop_at + 1)
		(void)!read(context->pipe, &byte, 1);
	if (context->taken == context->count) {
		atomic_fetch_sub(&context->taking, 1);
		return false;
	}
	job->held = true;
	job->number = context->taken++;
	atomic_fetch_sub(&context->taking, 1);
	return true;
}

static void
work(void *argument, void *job_argument)
{
	struct context *context = argument;
	struct job *job = job_argument;
	int now = atomic_fetch_add(&context->working, 1) + 1;

	if (now > atomic_load(&context->most))
		atomic_store(&context->most, now);
	for (uint64_t i = 0; i < job->number * 7919 % 40; i++)
		sched_yield();
	job->square = job->number * job->number;
	atomic_fetch_sub(&context->working, 1);
}

static bool
give(void *argument, void *job_argument)
{
	struct context *context = argument;
	struct job *job = job_argument;

	CHECK_NUMBER(atomic_fetch_add(&context->giving, 1), 0);
	CHECK_NUMBER(job->number, context->given);
	CHECK_NUMBER(job->square, job->number * job->number);
	context->given++;
	job->held = false;
	atomic_fetch_sub(&context->giving, 1);
	return job->number != context->stop_at;
}

static const struct pool_ops ops = { take, work, give };

static void
results_come_in_order_for_any_number_of_jobs(void)
{
	for (unsigned count = 1; count <= JOBS; count++)
		for (unsigned threads = 1; threads <= count; threads++) {
			struct context context = { .count = 1000, .stop_at = UINT64_MAX };

			CHECK(pool_run(&ops, &context, job_list, count, threads));

			CHECK_NUMBER(context.taken, 1000);
			CHECK_NUMBER(context.given, 1000);
			CHECK(context.most <= (int)threads);
		}
}

static atomic_int worked;

/* The first result is not ready before all other jobs have been worked on. */
static void
work_slowly_at_first(void *argument, void *job_argument)
{
	struct job *job = job_argument;

	(void)argument;
	job->square = job->number * job->number;
	while (job->number == 0 && atomic_load(&worked) < JOBS - 1)
		sched_yield();
	atomic_fetch_add(&worked, 1);
}

static int
a_slow_result_holds_up_one_thread(void)
{
	static const struct pool_ops slow = { take, work_slowly_at_first, give };
	struct context context = { .count = 100, .stop_at = UINT64_MAX };

	CHECK(pool_run(&slow, &context, job_list, JOBS, 2));
	CHECK_NUMBER(context.given, 100);
	return check_done();
}

static void
nothing_to_take_is_success(void)
{
	for (unsigned count = 1; count <= JOBS; count++) {
		struct context context = { .stop_at = UINT64_MAX };

		CHECK(pool_run(&ops, &context, job_list, count, count));
		CHECK_NUMBER(context.takes, 1);
	}
}

static bool
give_after_work_is_left_out(void *argument, void *job_argument)
{
	((struct job *)job_argument)->square = ((struct job *)job_argument)->number *
	    ((struct job *)job_argument)->number;
	return give(argument, job_argument);
}

static void
work_may_be_left_out(void)
{
	static const struct pool_ops idle = { take, NULL, give_after_work_is_left_out };

	for (unsigned count = 1; count <= 4; count += 3) {
		struct context context = { .count = 100, .stop_at = UINT64_MAX };

		CHECK(pool_run(&idle, &context, job_list, count, count));
		CHECK_NUMBER(context.given, 100);
	}
}

/* A thread may still be in take afterwards: each run has memory of its own. */
static void
a_stop_ends_it_and_gives_no_more(void)
{
	enum { ROUNDS = 100 };
	static struct run {
		struct context context;
		struct job jobs[JOBS];
		void *list[JOBS];
	} runs[ROUNDS];

	for (unsigned round = 0; round < ROUNDS; round++) {
		struct run *run = &runs[round];
		unsigned count = round % JOBS + 1;

		run->context.count = UINT64_MAX;
		run->context.stop_at = round;
		for (size_t i = 0; i < JOBS; i++)
			run->list[i] = &run->jobs[i];
		CHECK(!pool_run(&ops, &run->context, run->list, count, count));
		CHECK_NUMBER(run->context.given, round + 1);
		CHECK(run->context.taken <= round + 1 + count);
	}
}

/*
 * A stop returns though one thread blocks in take, and no take begins afterwards: not
 * even when that one comes back, while others wait behind it.
 */
static int
stop_beside_a_blocked_take(void)
{
	static struct context context;
	int ends[2];

	check_pipe(ends);
	context = (struct context){ .count = UINT64_MAX, .stop_at = 20, .pipe = ends[0] };
	CHECK(!pool_run(&ops, &context, job_list, JOBS, JOBS));
	CHECK_NUMBER(context.given, 21);
	CHECK(context.takes <= 22);

	CHECK(write(ends[1], "x", 1) == 1);
	usleep(100000);
	CHECK(context.takes <= 22);
	CHECK_NUMBER(context.given, 21);
	return check_done();
}

/* Threads that it leaves blocked end with the process, so each run has its own process. */
static void
in_a_child(int (*what)(void), int times)
{
	for (int i = 0; i < times; i++) {
		int status = -1;
		pid_t child = fork();

		if (child == 0) {
			alarm(60);
			_exit(what());
		}
		waitpid(child, &status, 0);
		CHECK_NUMBER(status, 0);
	}
}

static int
without_any_thread(void)
{
	struct rlimit limit = { 1, 1 };
	struct context context = { .count = 10, .stop_at = UINT64_MAX };

	if (geteuid() == 0 && setuid(54321) != 0)
		return 2;
	if (setrlimit(RLIMIT_NPROC, &limit) != 0)
		return 2;
	errno = 0;
	CHECK(!pool_run(&ops, &context, job_list, 4, 4));
	CHECK_NUMBER(errno, EAGAIN);
	CHECK_NUMBER(context.takes, 0);
	return check_done();
}

/* A user with no other process may have this one and four threads. */
static int
with_fewer_threads(void)
{
	struct rlimit limit = { 5, 5 };
	struct context context = { .count = 1000, .stop_at = UINT64_MAX };

	if (setuid(54322) != 0 || setrlimit(RLIMIT_NPROC, &limit) != 0)
		return 2;
	CHECK(pool_run(&ops, &context, job_list, JOBS, JOBS));
	CHECK_NUMBER(context.given, 1000);
	CHECK(context.most <= 4);
	return check_done();
}

int
main(void)
{
	for (size_t i = 0; i < JOBS; i++)
		job_list[i] = &jobs[i];
	in_a_child(without_any_thread, 1);
	if (geteuid() == 0)
		in_a_child(with_fewer_threads, 1);
	else
		fprintf(stderr, "not tested, needs root: a pool with fewer threads than jobs\n");
	in_a_child(stop_beside_a_blocked_take, 5);
	in_a_child(a_slow_result_holds_up_one_thread, 1);
	results_come_in_order_for_any_number_of_jobs();
	nothing_to_take_is_success();
	work_may_be_left_out();
	a_stop_ends_it_and_gives_no_more();
	CHECK(pool_processors() >= 1 && pool_processors() <= 64);
	return check_done();
}
