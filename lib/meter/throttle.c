/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/size.h"
#include "meter/throttle.h"

/*
 * Seconds: the least and the most that may leave at once, the most that is saved up, and
 * the time between looks at the file.
 */
#define THROTTLE_TICK	0.02
#define THROTTLE_BURST	0.1
#define THROTTLE_KEPT	1.0
#define THROTTLE_LOOK	1.0

/* The fastest pace, in rates. */
#define THROTTLE_PEAK	1.5

/* Seconds: no shorter wait is worth a system call. */
#define THROTTLE_WAIT	0.001

/* where begins the message. */
static bool
throttle_parse(struct throttle *throttle, const char *text, const char *where, struct error *error)
{
	if (size_parse(text, &throttle->rate))
		return true;
	return error_set(error, "%s %s: %s", where, text,
	    errno == ERANGE ? "the rate is too large" : "not a rate (20M, 500K: bytes a second)");
}

/* Read the rate from the file; its status is known. */
static bool
throttle_read(struct throttle *throttle, int fd, const struct stat *status, struct error *error)
{
	char text[64], where[1024];
	ssize_t n;

	if (!S_ISREG(status->st_mode))
		return error_set(error, "%s: not a regular file", throttle->path);
	n = pread_full(fd, text, sizeof(text) - 1, 0);
	if (n == -1)
		return error_errno(error, "%s", throttle->path);
	text[n] = '\0';
	text[strcspn(text, "\r\n")] = '\0';
	if (*text == '\0')
		return error_set(error, "%s: no rate in it", throttle->path);
	snprintf(where, sizeof(where), "%s:", throttle->path);
	return throttle_parse(throttle, text, where, error);
}

static bool
throttle_is_unchanged(const struct throttle *throttle, const struct stat *status)
{
	return throttle->failures == 0 && status->st_mtim.tv_sec == throttle->changed.tv_sec &&
	    status->st_mtim.tv_nsec == throttle->changed.tv_nsec &&
	    status->st_size == throttle->size && status->st_ino == throttle->inode;
}

/* Do not block if it is a pipe. */
static bool
throttle_load(struct throttle *throttle, struct error *error)
{
	struct stat status;
	bool good;
	int fd = open(throttle->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

	if (fd == -1)
		return error_errno(error, "%s", throttle->path);
	if (fstat(fd, &status) == -1)
		good = error_errno(error, "%s", throttle->path);
	else
		good = throttle_is_unchanged(throttle, &status) ||
		    throttle_read(throttle, fd, &status, error);
	close(fd);
	if (good) {
		throttle->changed = status.st_mtim;
		throttle->size = status.st_size;
		throttle->inode = status.st_ino;
	}
	return good;
}

bool
throttle_open(struct throttle *throttle, const char *text, struct error *error)
{
	memset(throttle, 0, sizeof(*throttle));
	throttle->filled = throttle->looked = clock_seconds();
	if (*text != '@')
		return throttle_parse(throttle, text, "-L", error);
	throttle->path = text + 1;
	throttle->size = -1;
	return throttle_load(throttle, error);
}

bool
throttle_look(struct throttle *throttle, double now, struct error *error)
{
	struct error reason = { 0 };

	if (throttle->path == NULL || now - throttle->looked < THROTTLE_LOOK)
		return true;
	throttle->looked = now;
	if (throttle_load(throttle, &reason)) {
		throttle->failures = 0;
		return true;
	}
	if (throttle->failures < 2 && ++throttle->failures == 2)
		*error = reason;
	return false;
}

/* Fill a bucket at this rate, up to kept seconds of it; a byte always fits. */
static void
bucket_fill(double *tokens, double rate, double passed, double kept)
{
	*tokens = fmin(*tokens + rate * passed, fmax(rate * kept, 1));
}

uint64_t
throttle_grant(struct throttle *throttle, double now, uint64_t length, double *wait)
{
	double rate = (double)throttle->rate, passed = now - throttle->filled, least;

	throttle->filled = now;
	if (throttle->rate == 0) {
		throttle->tokens = throttle->peak = 0;
		return length;
	}
	bucket_fill(&throttle->tokens, rate, passed, THROTTLE_KEPT);
	bucket_fill(&throttle->peak, rate * THROTTLE_PEAK, passed, THROTTLE_BURST);
	least = fmin(fmax(rate * THROTTLE_TICK, 1), (double)length);
	if (throttle->tokens < least || throttle->peak < least) {
		*wait = fmax((least - throttle->tokens) / rate,
		    (least - throttle->peak) / (rate * THROTTLE_PEAK));
		*wait = fmin(fmax(*wait, THROTTLE_WAIT), THROTTLE_LOOK);
		return 0;
	}
	return (uint64_t)fmin(fmin(throttle->tokens, throttle->peak), (double)length);
}

void
throttle_spend(struct throttle *throttle, uint64_t length)
{
	if (throttle->rate == 0)
		return;
	throttle->tokens -= (double)length;
	throttle->peak -= (double)length;
}

size_t
throttle_wait(struct throttle *throttle, uint64_t length, struct error *error)
{
	for (;;) {
		double now = clock_seconds(), wait;
		uint64_t grant;

		if (!throttle_look(throttle, now, error) && error->set)
			return 0;
		grant = throttle_grant(throttle, now, length, &wait);
		if (grant > 0)
			return (size_t)grant;
		usleep((useconds_t)(wait * 1e6));
	}
}
