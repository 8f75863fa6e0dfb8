/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "meter/display.h"
#include "show/progress.h"

static void
render(void *context, char *out, size_t size, unsigned width)
{
	struct display *display = context;

	gauge_line(&display->gauge, clock_seconds(), atomic_load(&display->state), out, size, width);
}

static void
leave_out(void *context, double seconds)
{
	struct display *display = context;

	gauge_leave_out(&display->gauge, seconds);
}

static bool
shows_last(const struct display *display)
{
	return display->gauge.style != GAUGE_LINE && !display->options.quiet;
}

/* The last line of numbers or JSON says how it ended; a drawn line needs no more. */
static bool
interrupted(void *context, int number, char *text, size_t size)
{
	struct display *display = context;

	(void)number, (void)text, (void)size;
	if (atomic_exchange(&display->finished, true))
		return false;
	atomic_store(&display->state, "interrupted");
	return shows_last(display);
}

bool
display_start(struct display *display, const struct display_options *options)
{
	bool lines = display->gauge.style != GAUGE_LINE;
	double delay = lines ? options->interval : fmin(options->interval, 0.5);
	struct progress_options progress = {
		.program = "blkmeter",
		.redraw = options->force,
		.plain = lines,
		.quiet = options->quiet,
		.claim = true,
		.delay = options->delay > 0 ? options->delay : delay,
		.interval = options->interval,
		.width = options->width,
		.render = render,
		.stopped = leave_out,
		.on_signal = interrupted,
		.context = display,
	};

	display->options = *options;
	display->state = "running";
	display->begun = !options->wait;
	display->drawn = !lines && !options->quiet && (options->force || isatty(STDERR_FILENO));
	if (!progress_start(&progress))
		return false;
	if (options->wait)
		progress_pause();
	return true;
}

void
display_begin(struct display *display)
{
	if (display->begun)
		return;
	display->begun = true;
	gauge_leave_out(&display->gauge, clock_seconds() - display->gauge.start);
	progress_resume();
}

void
display_end(struct display *display, const char *state)
{
	if (atomic_exchange(&display->finished, true))
		return;
	progress_pause();
	atomic_store(&display->state, state);
	if (shows_last(display))
		progress_show();
}

char *
display_summary(const struct display *display, bool bad, char *out, size_t size)
{
	const struct gauge *gauge = &display->gauge;
	char summary[256];

	snprintf(out, size, "%.700s: %s%s", gauge->name != NULL ? gauge->name : "blkmeter", bad ? "bad after " : "",
	    gauge_summary(gauge, clock_seconds(), summary, sizeof(summary)));
	text_clean(out);
	return out;
}
