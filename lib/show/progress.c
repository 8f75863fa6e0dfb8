/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "show/line.h"
#include "show/progress.h"
#include "show/rate.h"
#include "show/signals.h"
#include "show/terminal.h"

/* Seconds: the windows of the rate and, calmer, of the estimate. */
#define RATE_SPAN	4
#define ETA_SPAN	8

/* Seconds: if drawing is this late, the process was stopped (SIGSTOP), and so was the transfer. */
#define STOPPED_MIN	1.0

enum style { STYLE_SILENT, STYLE_REDRAW, STYLE_LINES };

struct progress {
	struct progress_options options;
	enum style style;
	atomic_bool running;
	atomic_bool asked;		/* USR1 came */
	pthread_t thread;		/* draws */
	int wake;			/* an eventfd: asked was set, or running cleared */
	bool last;			/* on_signal wants something to be printed */
	char last_text[1024];

	atomic_uint_fast64_t done;
	pthread_mutex_t lock;		/* all below, and writes to stderr */
	char what[64];
	uint64_t total;
	double since;			/* when this phase began */
	struct rate rate, trend;
	unsigned drawn;			/* columns on the terminal's line */
	bool paused;			/* draw nothing at the interval */
};

static struct progress progress = {
	.lock = PTHREAD_MUTEX_INITIALIZER, .total = PROGRESS_UNKNOWN,
};

void
progress_phase(const char *what, uint64_t total)
{
	pthread_mutex_lock(&progress.lock);
	snprintf(progress.what, sizeof(progress.what), "%s", what);
	progress.total = total;
	atomic_store(&progress.done, 0);
	progress.since = clock_seconds();
	rate_start(&progress.rate, RATE_SPAN, progress.since, 0);
	rate_start(&progress.trend, ETA_SPAN, progress.since, 0);
	pthread_mutex_unlock(&progress.lock);
}

void
progress_total(uint64_t total)
{
	pthread_mutex_lock(&progress.lock);
	progress.total = total;
	pthread_mutex_unlock(&progress.lock);
}

void
progress_add(uint64_t bytes)
{
	atomic_fetch_add_explicit(&progress.done, bytes, memory_order_relaxed);
}

uint64_t
progress_done(void)
{
	return atomic_load_explicit(&progress.done, memory_order_relaxed);
}

/* Under the lock: the line of the phase as it stands. */
static void
progress_line(char *out, size_t size, unsigned width)
{
	double now = clock_seconds();
	char name[128];
	struct line_view view = {
		.name = name, .total = progress.total, .done = progress_done(),
		.wire = PROGRESS_UNKNOWN, .elapsed = now - progress.since, .eta = -1,
	};

	if (progress.options.render != NULL) {
		progress.options.render(progress.options.context, out, size, width);
		return;
	}
	snprintf(name, sizeof(name), "%s %s", progress.options.program, progress.what);
	rate_measure(&progress.rate, now, view.done);
	rate_measure(&progress.trend, now, view.done);
	view.rate = rate_value(&progress.rate);
	if (view.total != PROGRESS_UNKNOWN)
		view.eta = view.done < view.total ?
		    rate_eta(&progress.trend, view.total - view.done) : 0;
	line_render(out, size, width, &view);
}

/* The last column stays free of text. */
static unsigned
progress_line_width(void)
{
	unsigned width = progress.options.width != 0 ? progress.options.width + 1 : line_width(STDERR_FILENO);

	return width >= LINE_SIZE ? LINE_SIZE - 1 : width > 1 ? width - 1 : 1;
}

/*
 * Under the lock: replace the drawn line by text and a newline (with redraw: by the text
 * alone), in one write.  If stderr takes no bytes within patience milliseconds (-1: no
 * limit), leave it out.
 */
static void
progress_write(const char *text, bool redraw, int patience)
{
	struct pollfd ready = { .fd = STDERR_FILENO, .events = POLLOUT };
	char out[4 * LINE_SIZE];
	unsigned columns = line_columns(text), width = progress_line_width();
	unsigned drawn = progress.drawn < width ? progress.drawn : width;
	size_t used = 0;

	if (patience >= 0 && (poll(&ready, 1, patience) != 1 || (ready.revents & POLLOUT) == 0))
		return;
	if (drawn > 0 && !redraw)
		used = (size_t)snprintf(out, sizeof(out), "\r%*s\r", (int)drawn, "");
	if (redraw)
		used = terminal_draw(out, sizeof(out), text, columns, drawn);
	else if (*text != '\0')
		used += (size_t)snprintf(out + used, sizeof(out) - used, "%s\n", text);
	progress.drawn = redraw ? columns : 0;
	(void)write_full(STDERR_FILENO, out, used < sizeof(out) ? used : sizeof(out) - 1);
}

static void
progress_print(int patience)
{
	char line[LINE_SIZE];

	if (!terminal_welcome())
		return;
	pthread_mutex_lock(&progress.lock);
	progress_line(line, sizeof(line), 0);
	progress_write(line, false, patience);
	pthread_mutex_unlock(&progress.lock);
}

void
progress_show(void)
{
	progress_print(1000);
}

/* The drawing thread woke late: leave that time out. */
static void
progress_note_stop(double seconds)
{
	if (seconds < STOPPED_MIN)
		return;
	pthread_mutex_lock(&progress.lock);
	progress.since += seconds;
	rate_leave_out(&progress.rate, seconds);
	rate_leave_out(&progress.trend, seconds);
	if (progress.options.stopped != NULL)
		progress.options.stopped(progress.options.context, seconds);
	pthread_mutex_unlock(&progress.lock);
}

/* Draw or print at the interval; where nothing is shown, only measure, for the line that USR1 asks for. */
static void
progress_tick(void)
{
	char line[LINE_SIZE];
	bool redraw = progress.style == STYLE_REDRAW;

	pthread_mutex_lock(&progress.lock);
	if (!progress.paused) {
		progress_line(line, sizeof(line), redraw ? progress_line_width() : 0);
		if (progress.style != STYLE_SILENT && (!redraw || terminal_claim()))
			progress_write(line, redraw, 0);
	}
	pthread_mutex_unlock(&progress.lock);
}

void
progress_warn(const char *format, ...)
{
	char text[2048];
	va_list arguments;
	int used;

	used = snprintf(text, sizeof(text), "%s: ", progress.options.program);
	va_start(arguments, format);
	vsnprintf(text + used, sizeof(text) - (size_t)used, format, arguments);
	va_end(arguments);
	text_clean(text);
	pthread_mutex_lock(&progress.lock);
	progress_write(text, false, -1);
	pthread_mutex_unlock(&progress.lock);
}

/* Under the lock: take the drawn line away. */
static void
progress_erase(int patience)
{
	if (progress.drawn > 0 && terminal_welcome())
		progress_write("", false, patience);
	progress.drawn = 0;
}

void
progress_pause(void)
{
	pthread_mutex_lock(&progress.lock);
	progress.paused = true;
	progress_erase(0);
	pthread_mutex_unlock(&progress.lock);
}

void
progress_resume(void)
{
	pthread_mutex_lock(&progress.lock);
	progress.paused = false;
	pthread_mutex_unlock(&progress.lock);
}

/* Callbacks on the thread of signals. */

static void
progress_asked(void)
{
	atomic_store(&progress.asked, true);
	(void)eventfd_write(progress.wake, 1);
}

static void
progress_finish(int number)
{
	const struct progress_options *options = &progress.options;

	if (options->on_signal != NULL)
		progress.last = options->on_signal(options->context, number, progress.last_text,
		    sizeof(progress.last_text));
}

/* End the drawn line, and print the message of on_signal. */
static void
progress_farewell(void)
{
	char line[LINE_SIZE];

	pthread_mutex_lock(&progress.lock);
	if (progress.drawn > 0 && terminal_welcome())
		(void)write_full(STDERR_FILENO, "\n", 1);
	progress.drawn = 0;
	progress.paused = true;
	if (!progress.last || !terminal_welcome()) {
		pthread_mutex_unlock(&progress.lock);
		return;
	}
	if (progress.last_text[0] != '\0')
		snprintf(line, sizeof(line), "%s: %s", progress.options.program, progress.last_text);
	else
		progress_line(line, sizeof(line), 0);
	progress_write(line, false, -1);
	pthread_mutex_unlock(&progress.lock);
}

/* Milliseconds until due, for poll(2). */
static int
progress_timeout(double due)
{
	double left = due - clock_seconds();

	return left <= 0 ? 0 : (int)(left * 1000) + 1;
}

static void *
progress_main(void *unused)
{
	struct pollfd wake = { .fd = progress.wake, .events = POLLIN };
	double due = clock_seconds() + progress.options.delay;
	eventfd_t count;

	(void)unused;
	signals_block_pipe();
	for (;;) {
		if (poll(&wake, 1, progress_timeout(due)) > 0)
			(void)eventfd_read(progress.wake, &count);
		if (!atomic_load(&progress.running))
			return NULL;
		if (atomic_exchange(&progress.asked, false))
			progress_print(0);
		if (clock_seconds() >= due) {
			progress_note_stop(clock_seconds() - due);
			progress_tick();
			due += progress.options.interval;
			if (due < clock_seconds())
				due = clock_seconds() + progress.options.interval;
		}
	}
}

static bool
progress_threads(void)
{
	static const struct signals_ops ops = {
		.asked = progress_asked, .finish = progress_finish, .farewell = progress_farewell
	};

	if (!signals_start(&ops))
		return false;
	errno = pthread_create(&progress.thread, NULL, progress_main, NULL);
	if (errno == 0)
		return true;
	signals_stop();
	return false;
}

bool
progress_start(const struct progress_options *options)
{
	int number;

	progress.options = *options;
	if (options->quiet)
		progress.style = STYLE_SILENT;
	else if (options->plain)
		progress.style = STYLE_LINES;
	else if (options->redraw || isatty(STDERR_FILENO))
		progress.style = STYLE_REDRAW;
	else
		progress.style = options->lines ? STYLE_LINES : STYLE_SILENT;
	if (options->claim && progress.style == STYLE_REDRAW)
		(void)terminal_claim();
	progress.since = clock_seconds();
	rate_start(&progress.rate, RATE_SPAN, progress.since, 0);
	rate_start(&progress.trend, ETA_SPAN, progress.since, 0);

	progress.wake = eventfd(0, EFD_CLOEXEC);
	if (progress.wake == -1)
		return false;
	atomic_store(&progress.running, true);
	if (progress_threads())
		return true;
	number = errno;
	atomic_store(&progress.running, false);
	close(progress.wake);
	errno = number;
	return false;
}

void
progress_stop(void)
{
	if (!atomic_exchange(&progress.running, false))
		return;
	(void)eventfd_write(progress.wake, 1);
	pthread_join(progress.thread, NULL);
	pthread_mutex_lock(&progress.lock);
	progress_erase(-1);
	terminal_release();
	pthread_mutex_unlock(&progress.lock);
	/* Last: until here a signal ends a process whose stderr takes no bytes. */
	signals_stop();
	close(progress.wake);
}
