/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <fcntl.h>
#include <stdlib.h>

#include "check.h"
#include "meter/throttle.h"

static struct throttle throttle;
static char path[] = "/tmp/test-throttle.XXXXXX";
static char at_path[sizeof(path) + 1];

/* Let bytes through as fast as granted, on a clock that is ours; returns how many. */
static uint64_t
run(double *now, double seconds, uint64_t piece)
{
	double end = *now + seconds, wait;
	uint64_t sent = 0;

	while (*now < end) {
		uint64_t n = throttle_grant(&throttle, *now, piece, &wait);

		CHECK(n <= piece);
		if (n == 0) {
			CHECK(wait > 0 && wait <= 1);
			* now += wait + 0.0007; /* a sleeper wakes up late */
		}
		throttle_spend(&throttle, n);
		sent += n;
	}
	return sent;
}

static bool
is_near(uint64_t have, uint64_t want, double part)
{
	double difference = (double)have - (double)want;

	if (difference < 0 ? -difference <= part * (double)want : difference <= part * (double)want)
		return true;
	fprintf(stderr, "\thave %ju want %ju\n", (uintmax_t)have, (uintmax_t)want);
	return false;
}

static void
start(const char *text)
{
	struct error error = { 0 };

	CHECK(throttle_open(&throttle, text, &error));
	CHECK_TEXT(error.text, "");
}

static void
a_rate_is_held_whatever_the_pieces(void)
{
	static const uint64_t pieces[] = { 1, 64, 4096, 262144, 1 << 20 };
	static const char *const rates[] = { "64K", "20M", "2G" };

	for (size_t i = 0; i < 5; i++)
		for (size_t j = 0; j < 3; j++) {
			double now;

			if (pieces[i] == 1 && j > 0)
				continue;	/* billions of calls */
			if (pieces[i] == 64 && j > 1)
				continue;
			start(rates[j]);
			now = throttle.filled;
			CHECK(is_near(run(&now, 10, pieces[i]), throttle.rate * 10, 0.01));
		}
}

static void
a_stall_is_not_followed_by_a_flood(void)
{
	double now;

	start("20M");
	now = throttle.filled;
	run(&now, 1, 65536);
	now += 60;

	CHECK(run(&now, 0.01, 65536) <= (20 << 20) * 0.18);
	CHECK(run(&now, 1, 65536) <= (20 << 20) * 1.52);
	CHECK(is_near(run(&now, 20, 65536), (20 << 20) * 20.5, 0.01));
}

/* On a busy machine, a thread that sleeps for a moment may wake up much later. */
static void
what_was_missed_is_made_up_for(void)
{
	double now, end, wait;
	uint64_t sent = 0;
	unsigned seed = 1;

	start("20M");
	now = throttle.filled;
	for (end = now + 10; now < end;) {
		uint64_t n = throttle_grant(&throttle, now, 262144, &wait);

		if (n == 0)
			now += wait + (rand_r(&seed) % 10 == 0 ? 0.1 : 0.002);
		throttle_spend(&throttle, n);
		sent += n;
	}
	CHECK(is_near(sent, (20 << 20) * 10, 0.02));
}

static void
a_slow_rate_still_moves(void)
{
	double now;

	start("3");
	now = throttle.filled;

	CHECK(is_near(run(&now, 60, 262144), 180, 0.02));
}

static void
no_rate_is_no_limit(void)
{
	double wait;

	start("0");
	CHECK_NUMBER(throttle_grant(&throttle, throttle.filled, 1 << 30, &wait), 1 << 30);
}

static void
nonsense_is_refused(void)
{
	static const char *const rows[] = {
		"", "fast", "-1", "20M/s", "9E", "@", "@/nonexistent/rate", "@/dev"
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct error error = { 0 };

		check_case = rows[i];
		CHECK(!throttle_open(&throttle, rows[i], &error));
		CHECK(error.set);
	}
	check_case = "";
}

static void
put(const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC);

	if (fd == -1 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || close(fd) != 0)
		err(2, "%s", path);
}

static void
a_file_is_looked_at_once_a_second(void)
{
	struct error error = { 0 };
	double now;

	put("10M\n");
	start(at_path);
	CHECK_NUMBER(throttle.rate, 10 << 20);
	now = throttle.looked;

	put("500K\n");
	CHECK(throttle_look(&throttle, now + 0.5, &error));
	CHECK_NUMBER(throttle.rate, 10 << 20);
	CHECK(throttle_look(&throttle, now + 1.1, &error));
	CHECK_NUMBER(throttle.rate, 500 << 10);
	put("0");
	CHECK(throttle_look(&throttle, now + 2.2, &error));
	CHECK_NUMBER(throttle.rate, 0);
}

static void
a_bad_file_keeps_the_rate_and_is_told_once(void)
{
	struct error error = { 0 };
	double now;

	put("10M\n");
	start(at_path);
	now = throttle.looked;

	put("");
	CHECK(!throttle_look(&throttle, now += 1.1, &error));
	CHECK(!error.set);
	CHECK(!throttle_look(&throttle, now += 1.1, &error));
	CHECK(error.set && strstr(error.text, "no rate in it") != NULL);
	memset(&error, 0, sizeof(error));
	unlink(path);
	CHECK(!throttle_look(&throttle, now += 1.1, &error));
	CHECK(!error.set);
	CHECK_NUMBER(throttle.rate, 10 << 20);

	close(open(path, O_WRONLY | O_CREAT, 0600));
	put("7M");
	CHECK(throttle_look(&throttle, now += 1.1, &error));
	CHECK_NUMBER(throttle.rate, 7 << 20);
}

int
main(void)
{
	close(mkstemp(path));
	snprintf(at_path, sizeof(at_path), "@%s", path);
	a_rate_is_held_whatever_the_pieces();
	a_stall_is_not_followed_by_a_flood();
	what_was_missed_is_made_up_for();
	a_slow_rate_still_moves();
	no_rate_is_no_limit();
	nonsense_is_refused();
	a_file_is_looked_at_once_a_second();
	a_bad_file_keeps_the_rate_and_is_told_once();
	unlink(path);
	return check_done();
}
