/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <time.h>

#include "meter/watchdog.h"

bool
watchdog_tick(struct watchdog *watchdog, double passed)
{
	uint64_t moved = atomic_load(watchdog->moved);

	watchdog->silent = moved == watchdog->last ? watchdog->silent + passed : 0;
	watchdog->last = moved;
	return watchdog->silent < watchdog->seconds;
}

static void *
watch(void *context)
{
	struct watchdog *watchdog = context;
	double tick = fmin(watchdog->seconds / 4, 1);
	struct timespec pause = { (time_t)tick, (long)((tick - floor(tick)) * 1e9) };
	bool moves;

	do {
		nanosleep(&pause, NULL);
		moves = watchdog_tick(watchdog, tick);
		if (atomic_load(&watchdog->ended))
			return NULL;
	} while (moves);
	watchdog->stalled(watchdog->context, watchdog->last);
	return NULL;
}

bool
watchdog_start(struct watchdog *watchdog)
{
	pthread_t thread;
	int number = pthread_create(&thread, NULL, watch, watchdog);

	if (number == 0) {
		pthread_detach(thread);
		return true;
	}
	errno = number;
	return false;
}

void
watchdog_end(struct watchdog *watchdog)
{
	atomic_store(&watchdog->ended, true);
}
