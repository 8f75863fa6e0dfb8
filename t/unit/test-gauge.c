/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>

#include "check.h"
#include "meter/gauge.h"
#include "show/line.h"
#include "show/progress.h"

#define MIB	(UINT64_C(1) << 20)
#define GIB	(UINT64_C(1) << 30)

static struct meter meter;
static struct gauge gauge;
static char line[LINE_SIZE];

/* A meter as it is in the middle of a stream. */
static void
set_meter(int kind, uint64_t size, uint64_t data_total)
{
	meter_open(&meter, "input", kind == 0);
	meter.kind = kind;
	meter.size = size;
	meter.data_total = data_total;
	gauge_open(&gauge, &meter, 0);
}

static void
move(uint64_t position, uint64_t data, uint64_t wire)
{
	meter.position = position;
	meter.data = data;
	meter.zero = position - data;
	meter.wire = wire;
}

static const char *
show(double now)
{
	gauge_line(&gauge, now, "running", line, sizeof(line), 0);
	return line;
}

static bool
has(const char *part)
{
	if (strstr(line, part) != NULL)
		return true;
	fprintf(stderr, "\tin %s\n", line);
	return false;
}

static void
an_image_is_as_far_as_its_position(void)
{
	set_meter(STREAM_IMAGE, 10 * GIB, METER_UNKNOWN);
	gauge.name = "web";
	move(5 * GIB, 4 * GIB, GIB);

	CHECK_TEXT(show(4), "web:  5.0 GiB of 10.0 GiB  50%  1.2 GiB/s  (wire 256 MiB/s)"
	    "  20% holes  4.0:1 compressed  0:00:04  ETA 0:00:04");
}

static void
raw_bytes_have_a_total_only_if_told(void)
{
	set_meter(0, METER_UNKNOWN, METER_UNKNOWN);
	meter.wire = 100 * MIB;
	CHECK_TEXT(show(2), "blkmeter:  100 MiB 50.0 MiB/s  0:00:02");

	gauge.size = 400 * MIB;
	CHECK_TEXT(show(2), "blkmeter:  100 MiB of 400 MiB  25% 50.0 MiB/s  0:00:02  ETA 0:00:06");
}

/* A delta of which half the data came is half done, wherever on the device that was. */
static void
a_delta_is_counted_in_data(void)
{
	set_meter(STREAM_DELTA, 1000 * GIB, 100 * MIB);
	move(990 * GIB, 50 * MIB, 20 * MIB);
	show(5);
	CHECK(has("50.0 MiB of 100 MiB  50%") && has("ETA 0:00:05") && has("2.5:1 compressed"));

	set_meter(STREAM_UNDO, 1000 * GIB, METER_UNKNOWN);
	move(0, 50 * MIB, 20 * MIB);
	meter.zero = 0;
	show(5);
	CHECK(has("50.0 MiB") && !strstr(line, "%"));
}

/* A comparison that finds nothing, and one that found much in the beginning, are as far as it says. */
static void
a_delta_is_as_far_as_its_comparison(void)
{
	set_meter(STREAM_DELTA, 100 * GIB, METER_UNKNOWN);
	show(1);
	CHECK(!strstr(line, "ETA 0"));
	meter.data = meter.wire = 100 * MIB;
	meter.position = 100 * MIB;
	meter.compared = 0;
	meter.compared_total = 100 * GIB;
	for (int second = 2; second <= 20; second++) {
		meter.compared += GIB;
		show(second);
	}
	CHECK(has("19.0 GiB of 100 GiB  19%  1.0 GiB/s") && has("ETA 0:01:21"));

	set_meter(STREAM_DELTA, 100 * GIB, METER_UNKNOWN);
	move(100 * MIB, 100 * MIB, 100 * MIB);
	show(1);
	show(2);
	CHECK(has("ETA --:--"));
}

/*
 * A hole of a terabyte passes at once: the rest may be data at the rate of data, or half of it,
 * but no thousandth.
 */
static void
a_hole_does_not_spoil_the_estimate(void)
{
	int second;

	set_meter(STREAM_IMAGE, 1024 * GIB + 100 * GIB, METER_UNKNOWN);
	for (second = 1; second <= 10; second++) {
		move((uint64_t)second * GIB, (uint64_t)second * GIB, (uint64_t)second * GIB);
		show(second);
	}
	CHECK(has("ETA 0:18:34"));		/* as if all were data */
	move(1034 * GIB, 10 * GIB, 10 * GIB);
	show(second);
	CHECK(has("ETA 0:00:45"));
	move(1035 * GIB, 11 * GIB, 11 * GIB);
	show(second + 1);
	CHECK(has("ETA 0:00:47"));
}

/* The line's estimate is within a factor of 2 of the truth. */
static bool
is_near(double truth)
{
	const char *eta = strstr(line, "ETA ");
	unsigned hours, minutes, seconds;
	double said;

	if (eta == NULL || sscanf(eta, "ETA %u:%u:%u", &hours, &minutes, &seconds) != 3) {
		fprintf(stderr, "\tno estimate in %s\n", line);
		return false;
	}
	said = hours * 3600.0 + minutes * 60 + seconds;
	if (said >= truth / 2 - 1 && said <= truth * 2 + 1)
		return true;
	fprintf(stderr, "\t%g seconds are left in %s\n", truth, line);
	return false;
}

/* 100 MiB go into a buffer at once, the rest at 200 KB/s. */
static void
a_burst_is_forgotten_in_ten_seconds(void)
{
	static const double intervals[] = { 0.1, 0.5, 1, 2 };

	for (size_t i = 0; i < sizeof(intervals) / sizeof(*intervals); i++) {
		uint64_t total = 122 * MIB, done;

		set_meter(0, METER_UNKNOWN, METER_UNKNOWN);
		gauge.size = total;
		for (double now = 0.5; now < 110; now += intervals[i]) {
			done = 100 * MIB + (uint64_t)(now * 200000);
			meter.wire = done;
			show(now);
			if (now >= 10.5 && done < total && !CHECK(is_near((double)(total - done) / 200000)))
				return;
		}
	}
}

/* After each 300 MiB of data, in 3 seconds, there is a hole of 2,700 MiB, as the header knows or not. */
static void
holes_in_lumps_do_not_spoil_the_estimate(void)
{
	for (int known = 0; known < 2; known++) {
		uint64_t size = 120 * 3000 * MIB;

		set_meter(STREAM_IMAGE, size, known ? 120 * 300 * MIB : METER_UNKNOWN);
		for (int second = 1; second < 360; second++) {
			uint64_t data = (uint64_t)second * 100 * MIB;

			move(data + (uint64_t)second / 3 * 2700 * MIB, data, data);
			show(second);
			if (second >= 30 && !CHECK(is_near(360 - second)))
				return;
		}
	}
}

/* Zeros that are found by reading take time: 1 GiB a second, and data 100 MiB. */
static void
zeros_that_are_read_take_their_time(void)
{
	uint64_t data = 0, zero = 0;

	set_meter(STREAM_IMAGE, 1000 * GIB, 10 * GIB);
	for (int second = 1; second < 200; second++) {
		if (second % 20 < 2)
			data += 100 * MIB;
		else
			zero += GIB;
		move(data + zero, data, data);
		show(second);
		if (second >= 30 && !CHECK(is_near((double)(990 * GIB - zero) / (double)GIB +
		    (double)(10 * GIB - data) / (100.0 * MIB))))
			return;
	}
}

static void
what_the_header_says_of_data_bounds_the_estimate(void)
{
	set_meter(STREAM_IMAGE, 1024 * GIB, 20 * GIB);
	move(10 * GIB, 10 * GIB, 10 * GIB);
	show(10);
	CHECK(has("ETA 0:00:10"));

	/* The header was wrong: only the position is left to estimate by. */
	move(25 * GIB, 25 * GIB, 25 * GIB);
	show(25);
	CHECK(has("ETA 0:16:39"));
}

static void
a_stall_lengthens_the_estimate(void)
{
	set_meter(STREAM_IMAGE, 100 * GIB, METER_UNKNOWN);
	move(10 * GIB, 10 * GIB, 10 * GIB);
	show(10);
	CHECK(has("ETA 0:01:30"));
	show(60);
	CHECK(has("ETA 0:09:00"));
}

static void
a_stream_of_zeros_has_an_estimate(void)
{
	set_meter(STREAM_IMAGE, 100 * GIB, METER_UNKNOWN);
	move(10 * GIB, 0, 640);
	show(10);
	CHECK(has("ETA 0:01:30") && has("100% holes") && !strstr(line, "compressed"));
}

static void
numbers_are_percent_or_bytes(void)
{
	set_meter(STREAM_IMAGE, 10 * GIB, METER_UNKNOWN);
	move(5 * GIB + 1, 5 * GIB, GIB);
	gauge.style = GAUGE_PERCENT;
	CHECK_TEXT(show(1), "50");
	gauge.style = GAUGE_BYTES;
	CHECK_TEXT(show(1), "5368709121");

	set_meter(0, METER_UNKNOWN, METER_UNKNOWN);
	meter.wire = 77;
	gauge.style = GAUGE_PERCENT;
	CHECK_TEXT(show(1), "77");
}

static void
json_has_every_key(void)
{
	set_meter(STREAM_IMAGE, 10 * GIB, METER_UNKNOWN);
	gauge.style = GAUGE_JSON;
	gauge.name = "a \"b\"\\\303\274\377\001";
	move(5 * GIB, 4 * GIB, 2 * GIB);
	CHECK_TEXT(show(4), "{\"name\":\"a \\\"b\\\"\\\\\303\274\\ufffd\\u0001\",\"state\":\"running\","
	    "\"kind\":\"image\",\"position\":5368709120,\"size\":10737418240,\"percent\":50.0,"
	    "\"logical_rate\":1342177280,\"wire_bytes\":2147483648,\"wire_rate\":536870912,"
	    "\"ratio\":2.500,\"data_bytes\":4294967296,\"zero_bytes\":1073741824,\"eta\":4.0,"
	    "\"elapsed\":4.000}");

	set_meter(0, METER_UNKNOWN, METER_UNKNOWN);
	gauge.style = GAUGE_JSON;
	CHECK_TEXT(show(0), "{\"name\":null,\"state\":\"running\",\"kind\":\"raw\",\"position\":0,"
	    "\"size\":null,\"percent\":null,\"logical_rate\":null,\"wire_bytes\":0,"
	    "\"wire_rate\":null,\"ratio\":null,\"data_bytes\":null,\"zero_bytes\":null,"
	    "\"eta\":null,\"elapsed\":0.000}");
}

static void
a_summary_says_it_all(void)
{
	char out[256];

	set_meter(STREAM_IMAGE, 20 * GIB, METER_UNKNOWN);
	move(20 * GIB, 14 * GIB, 5 * GIB);
	CHECK_TEXT(gauge_summary(&gauge, 83, out, sizeof(out)), "20.0 GiB (21474836480 bytes) in 0:01:23, "
	    "247 MiB/s, wire 5.0 GiB, 30% holes, 2.8:1 compressed");

	/* Before the compressor the pipe is as long as the data: no ratio. */
	move(20 * GIB, 14 * GIB, 14 * GIB + MIB);
	CHECK_TEXT(gauge_summary(&gauge, 83, out, sizeof(out)), "20.0 GiB (21474836480 bytes) in 0:01:23, "
	    "247 MiB/s, wire 14.0 GiB, 30% holes");

	set_meter(0, METER_UNKNOWN, METER_UNKNOWN);
	meter.wire = 1000;
	CHECK_TEXT(gauge_summary(&gauge, 2, out, sizeof(out)), "1000 B (1000 bytes) in 2.0 s, 500 B/s");
}

int
main(void)
{
	an_image_is_as_far_as_its_position();
	raw_bytes_have_a_total_only_if_told();
	a_delta_is_counted_in_data();
	a_delta_is_as_far_as_its_comparison();
	a_hole_does_not_spoil_the_estimate();
	a_burst_is_forgotten_in_ten_seconds();
	holes_in_lumps_do_not_spoil_the_estimate();
	zeros_that_are_read_take_their_time();
	what_the_header_says_of_data_bounds_the_estimate();
	a_stall_lengthens_the_estimate();
	a_stream_of_zeros_has_an_estimate();
	numbers_are_percent_or_bytes();
	json_has_every_key();
	a_summary_says_it_all();
	return check_done();
}
