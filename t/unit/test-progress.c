/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <sys/ioctl.h>

#include "check.h"
#include "show/line.h"
#include "show/progress.h"
#include "show/rate.h"

#define GIB	(UINT64_C(1) << 30)

/* 62 % of 20 GiB, deflated nearly threefold. */
static const struct line_view web = {
	.name = "web", .done = 13314398618, .total = 20 * GIB, .wire = 4591000000,
	.data = 9320079032, .zero = 3994319586,
	.elapsed = 12, .eta = 7, .rate = 1288490188, .wire_rate = 432013312,
};

static void
a_line_drops_parts_on_a_narrow_terminal(void)
{
	static const struct { unsigned width; const char *line; } rows[] = {
		{ 0, "web: 12.4 GiB of 20.0 GiB  62%  1.2 GiB/s  (wire 412 MiB/s)  30% holes"
		    "  2.0:1 compressed  0:00:12  ETA 0:00:07" },
		{ 139, "web: 12.4 GiB of 20.0 GiB  62% [================>         ]  1.2 GiB/s"
		    "  (wire 412 MiB/s)  30% holes  2.0:1 compressed  0:00:12  ETA 0:00:07" },
		{ 119, "web: 12.4 GiB of 20.0 GiB  62% [==============>         ]  1.2 GiB/s"
		    "  30% holes  2.0:1 compressed  0:00:12  ETA 0:00:07" },
		{ 79, "web: 12.4 GiB of 20.0 GiB  62% [========>    ]  1.2 GiB/s  0:00:12  ETA 0:00:07" },
		{ 69, "web: 12.4 GiB of 20.0 GiB  62%  1.2 GiB/s  0:00:12  ETA 0:00:07" },
		{ 60, "web: 12.4 GiB  62%  1.2 GiB/s  0:00:12  ETA 0:00:07" },
		{ 45, "web: 12.4 GiB  62%  1.2 GiB/s  ETA 0:00:07" },
		{ 39, "12.4 GiB  62%  1.2 GiB/s  ETA 0:00:07" },
		{ 20, "12.4 GiB  62%" },
		{ 10, "12.4 GiB  " },
	};
	char line[LINE_SIZE];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CHECK_TEXT(line_render(line, sizeof(line), rows[i].width, &web), rows[i].line);
}

static void
a_line_without_a_total_has_no_percent(void)
{
	struct line_view view = web;
	char line[LINE_SIZE];

	view.total = view.wire = PROGRESS_UNKNOWN;
	view.rate = -1;

	CHECK_TEXT(line_render(line, sizeof(line), 79, &view),
	    "web: 12.4 GiB     -- B/s  0:00:12");
}

/* Whatever the numbers, no line is wider than asked, and each width gets one. */
static void
no_line_is_too_wide(void)
{
	static const uint64_t sizes[] = { 0, 1, 1023, GIB - 1, 999 * GIB, UINT64_MAX - 1, UINT64_MAX };
	static const double rates[] = { -1, 0, 0.3, 1e12, 1e30 };
	char line[LINE_SIZE];

	for (unsigned width = 1; width < 200; width++)
		for (size_t i = 0; i < 7 * 7 * 5; i++) {
			struct line_view view = {
				.name = i % 2 != 0 ? "db\303\274" : NULL,
				.done = sizes[i % 6], .total = sizes[i / 7 % 7],
				.wire = sizes[(i + 3) % 7], .data = sizes[(i + 5) % 7],
				.zero = sizes[i % 5], .eta = rates[i % 5],
				.elapsed = rates[i / 49], .rate = rates[i / 49],
				.wire_rate = rates[i % 5],
			};

			line_render(line, sizeof(line), width, &view);
			if (!CHECK(line_columns(line) <= width && *line != '\0'))
				return;
		}
}

static void
a_name_is_not_cut_inside_a_character(void)
{
	struct line_view view = { .name = "\303\274\303\274\303\274", .total = PROGRESS_UNKNOWN,
		.wire = PROGRESS_UNKNOWN };
	char line[LINE_SIZE];

	CHECK_NUMBER(line_columns(view.name), 3);
	line_render(line, sizeof(line), 24, &view);
	CHECK_TEXT(line, "\303\274\303\274\303\274:      0 B      0 B/s");
}

static void
a_line_stops_at_the_end_of_its_memory(void)
{
	char line[16];

	line_render(line, sizeof(line), 0, &web);

	CHECK_TEXT(line, "web: 12.4 GiB o");
}

static void
times_and_ratios_are_short(void)
{
	static const struct { double seconds; const char *text; } times[] = {
		{ 0, "0:00:00" }, { 0.4, "0:00:00" }, { 59.6, "0:01:00" }, { 3723, "1:02:03" },
		{ 359999, "99:59:59" }, { 360000, "4d 04:00" }, { 8.6e8, "9953d 16:53" },
		{ 8.64e8, "--:--" }, { 1e300, "--:--" }, { -1, "--:--" },
	};
	static const struct { uint64_t data, wire; const char *text; } ratios[] = {
		{ 0, 0, "" }, { 104, 100, "" }, { 29, 10, "2.9:1 compressed" },
		{ 9994, 100, "99.9:1 compressed" }, { 9996, 100, "100:1 compressed" },
		{ 99994, 10, "9999:1 compressed" }, { GIB, 1, ">9999:1 compressed" }, { 1, GIB, "" },
	};
	static const struct { uint64_t data, zero; const char *text; } holes[] = {
		{ 0, 0, "" }, { GIB, 0, "" }, { GIB, 1, "<1% holes" }, { 7, 3, "30% holes" },
		{ 0, 1, "100% holes" }, { UINT64_MAX, UINT64_MAX, "100% holes" },
	};
	char out[32];

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		CHECK_TEXT(line_time(out, sizeof(out), times[i].seconds), times[i].text);
	CHECK_TEXT(line_time(out, sizeof(out), 0.0 / 0.0), "--:--");
	for (size_t i = 0; i < sizeof(ratios) / sizeof(ratios[0]); i++)
		CHECK_TEXT(line_packed(out, sizeof(out), ratios[i].data, ratios[i].wire),
		    ratios[i].text);
	for (size_t i = 0; i < sizeof(holes) / sizeof(holes[0]); i++)
		CHECK_TEXT(line_holes(out, sizeof(out), holes[i].data, holes[i].zero), holes[i].text);
}

static void
percent_are_rounded_down(void)
{
	CHECK_NUMBER(line_percent(0, 0), 100);
	CHECK_NUMBER(line_percent(999, 1000), 99);
	CHECK_NUMBER(line_percent(1000, 1000), 100);
	CHECK_NUMBER(line_percent(1500, 1000), 150);
	CHECK_NUMBER(line_percent(UINT64_MAX, UINT64_MAX), 100);
	CHECK_NUMBER(line_percent(UINT64_MAX, 1), 999);
}

static void
the_width_may_come_from_the_environment(void)
{
	int ends[2];

	check_pipe(ends);
	unsetenv("COLUMNS");
	CHECK_NUMBER(line_width(ends[1]), 80);
	setenv("COLUMNS", "123", 1);
	CHECK_NUMBER(line_width(ends[1]), 123);
	setenv("COLUMNS", "1e9", 1);
	CHECK_NUMBER(line_width(ends[1]), 80);
	close(ends[0]);
	close(ends[1]);
}

static void
a_rate_begins_as_the_mean_and_follows_changes(void)
{
	struct rate rate;
	uint64_t position = 0;
	int second;

	rate_start(&rate, 3, 100, 0);
	CHECK(rate_value(&rate) < 0);
	CHECK(rate_eta(&rate, 5) < 0);
	rate_measure(&rate, 101, position += 1000);
	CHECK_NUMBER(rate_value(&rate), 1000);
	for (second = 102; second < 110; second++)
		rate_measure(&rate, second, position += 1000);
	CHECK_NUMBER(rate_value(&rate) + 0.5, 1000);
	CHECK_NUMBER(rate_eta(&rate, 5000) + 0.5, 5);

	for (; second < 130; second++)
		rate_measure(&rate, second, position += 10);
	CHECK(rate_value(&rate) < 12);
	for (; second < 200; second++)
		rate_measure(&rate, second, position);
	CHECK(rate_value(&rate) < 1);
	CHECK_NUMBER(rate_eta(&rate, 0), 0);
}

static void
a_rate_does_not_count_what_is_skipped(void)
{
	struct rate rate;

	rate_start(&rate, 20, 0, 0);
	rate_measure(&rate, 1, 1000);
	rate_skip(&rate, 1000);
	CHECK_NUMBER(rate_value(&rate), 1000);
	rate_measure(&rate, 1001, 2000);
	CHECK_NUMBER(rate_value(&rate) + 0.5, 1000);
}

static void
counting_works_without_a_display(void)
{
	progress_phase("counting", 10);
	progress_add(3);
	progress_add(4);
	CHECK_NUMBER(progress_done(), 7);
	progress_phase("more", 10);
	CHECK_NUMBER(progress_done(), 0);
	progress_stop();
}

int
main(void)
{
	a_line_drops_parts_on_a_narrow_terminal();
	a_line_without_a_total_has_no_percent();
	no_line_is_too_wide();
	a_name_is_not_cut_inside_a_character();
	a_line_stops_at_the_end_of_its_memory();
	times_and_ratios_are_short();
	percent_are_rounded_down();
	the_width_may_come_from_the_environment();
	a_rate_begins_as_the_mean_and_follows_changes();
	a_rate_does_not_count_what_is_skipped();
	counting_works_without_a_display();
	return check_done();
}
