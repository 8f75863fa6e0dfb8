/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "show/signals.h"

static struct {
	struct signals_ops ops;
	pthread_t thread;
	int descriptor;			/* a signalfd */
	int stop;			/* an eventfd that signals_stop writes to */
	sigset_t taken, before;		/* the signals, and the mask that was */
} signals;

/*
 * Have the kernel end the process by the signal when time is up.  A thread that is
 * blocked in write(2) does not return from it, but it does not outlive the process.
 */
static void
set_deadline(int number)
{
	struct itimerspec due = { .it_value.tv_sec = SIGNALS_PATIENCE };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = number };
	timer_t timer;

	if (timer_create(CLOCK_MONOTONIC, &event, &timer) == 0)
		(void)timer_settime(timer, 0, &due, NULL);
}

static void
die(int number)
{
	sigset_t set;

	signals.ops.finish(number);
	signal(number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, number);
	set_deadline(number);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	signals.ops.farewell();
	raise(number);
}

void
signals_block_pipe(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

void
signals_raise_pipe(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	raise(SIGPIPE);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void *
receive(void *unused)
{
	struct pollfd wait[2] = {
		{ .fd = signals.descriptor, .events = POLLIN },
		{ .fd = signals.stop, .events = POLLIN },
	};
	struct signalfd_siginfo info;

	(void)unused;
	signals_block_pipe();
	for (;;) {
		if (poll(wait, 2, -1) == -1)
			continue;
		/*
		 * Signals first: the main thread may stop because the same signal ended its
		 * neighbour.
		 */
		if (wait[0].revents != 0 && read(signals.descriptor, &info, sizeof(info)) == sizeof(info)) {
			if (info.ssi_signo == SIGUSR1)
				signals.ops.asked();
			else
				die((int)info.ssi_signo);
		} else if (wait[1].revents != 0) {
			return NULL;
		}
	}
}

static void
choose(sigset_t *set)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGUSR1 };
	struct sigaction action;
	size_t i;

	sigemptyset(set);
	for (i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		if (sigaction(numbers[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			sigaddset(set, numbers[i]);
}

bool
signals_start(const struct signals_ops *ops)
{
	int number;

	signals.ops = *ops;
	choose(&signals.taken);
	pthread_sigmask(SIG_BLOCK, &signals.taken, &signals.before);
	signals.descriptor = signalfd(-1, &signals.taken, SFD_CLOEXEC | SFD_NONBLOCK);
	signals.stop = eventfd(0, EFD_CLOEXEC);
	number = signals.descriptor == -1 || signals.stop == -1 ? errno :
	    pthread_create(&signals.thread, NULL, receive, NULL);
	if (number == 0)
		return true;
	close(signals.descriptor);
	close(signals.stop);
	pthread_sigmask(SIG_SETMASK, &signals.before, NULL);
	errno = number;
	return false;
}

void
signals_stop(void)
{
	(void)eventfd_write(signals.stop, 1);
	pthread_join(signals.thread, NULL);
	close(signals.descriptor);
	close(signals.stop);
	pthread_sigmask(SIG_SETMASK, &signals.before, NULL);
}
