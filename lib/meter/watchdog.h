/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * watchdog: a thread that notices when a counter stands still.
 *
 * It counts ticks instead of reading the clock, so that a process that was stopped for a
 * while (SIGSTOP) is not taken for a stalled one when it continues.
 */
#ifndef WATCHDOG_H
#define WATCHDOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct watchdog {
	double seconds;			/* of silence that is too long, more than 0 */
	const atomic_uint_fast64_t *moved;	/* the counter; the caller's */

	/* Called once, on the watchdog's thread, with the counter. */
	void (*stalled)(void *context, uint64_t moved);
	void *context;

	atomic_bool ended;		/* watchdog's own, as all below */
	double silent;			/* seconds, of ticks */
	uint64_t last;
};

/*
 * Start the thread; the members of the first part are set, the others zero.  The struct must
 * live as long as the process.  False with errno set.
 */
bool watchdog_start(struct watchdog *);

/* The counter need not move any more.  From any thread; may be called more than once. */
void watchdog_end(struct watchdog *);

/* The thread's step: seconds have passed.  False: the counter has stood still too long. */
bool watchdog_tick(struct watchdog *, double passed);

#endif
