/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <semaphore.h>

#include "check.h"
#include "meter/watchdog.h"

static atomic_uint_fast64_t moved;

static void
silence_adds_up_until_it_is_too_long(void)
{
	struct watchdog watchdog = { .seconds = 2, .moved = &moved };

	atomic_store(&moved, 0);
	CHECK(watchdog_tick(&watchdog, 1));
	CHECK(watchdog_tick(&watchdog, 0.5));
	CHECK(!watchdog_tick(&watchdog, 0.5));
}

static void
each_move_begins_it_again(void)
{
	struct watchdog watchdog = { .seconds = 2, .moved = &moved };

	atomic_store(&moved, 0);
	for (int i = 0; i < 10; i++) {
		CHECK(watchdog_tick(&watchdog, 1));
		atomic_fetch_add(&moved, 1);
		CHECK(watchdog_tick(&watchdog, 1));
	}
	CHECK(watchdog_tick(&watchdog, 1));
	CHECK(!watchdog_tick(&watchdog, 1));
}

static sem_t called;
static uint64_t told;

static void
stalled(void *context, uint64_t at)
{
	told = at;
	sem_post(context);
}

static void
its_thread_tells_where_the_counter_stands(void)
{
	static struct watchdog watchdog = {
		.seconds = 0.1, .moved = &moved, .stalled = stalled, .context = &called
	};

	atomic_store(&moved, 77);
	sem_init(&called, 0, 0);
	CHECK(watchdog_start(&watchdog));
	sem_wait(&called);
	CHECK_NUMBER(told, 77);
}

int
main(void)
{
	silence_adds_up_until_it_is_too_long();
	each_move_begins_it_again();
	its_thread_tells_where_the_counter_stands();
	return check_done();
}
