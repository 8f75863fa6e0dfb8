/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * blkmeter: pass standard input on to standard output, and show the progress.
 *
 * Success means that every byte was passed on unchanged and, if they are a block stream,
 * that it was whole as far as its headers tell: the END record was seen.
 */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arguments.h"
#include "base/confine.h"
#include "base/error.h"
#include "base/io.h"
#include "help/help.h"
#include "meter/gauge.h"
#include "meter/meter.h"
#include "meter/throttle.h"
#include "meter/watchdog.h"
#include "pipe/flow.h"
#include "show/progress.h"
#include "show/signals.h"
#include "show/warn.h"

/* Milliseconds of silence after END that count as end of file. */
#define AFTER_END	1000

/* One step passes at most this. */
#define PASS_MAX	(1 << 30)

/* In JSON each byte of a name may take six, of which a line has room for 8 KiB. */
#define NAME_MAX_BYTES	1024

#define RING_MIN	4096
#define RING_MAX	(UINT64_C(1) << 46)

struct options {
	bool raw, force, quiet, numeric, bytes, json;
	const char *rate;
	uint64_t ring;
	double interval, watchdog;	/* seconds; watchdog 0 is none */
};

struct metering {
	struct options options;
	bool displayed;			/* a line is drawn for people */
	struct flow flow;
	struct meter meter;
	struct gauge gauge;
	struct throttle throttle;
	struct watchdog watchdog;
	bool faulty;			/* the stream's fault was reported */
	atomic_bool finished;		/* the last line was shown */
	_Atomic(const char *) state;
};

static void parse_options(int, char **, struct metering *);
static bool parse_option(int, struct metering *, struct error *);
static void start_display(struct metering *);
static void stalled(void *, uint64_t);
static void pass_all(struct metering *);
static size_t pass_limit(struct throttle *, uint64_t);
static void report_faults(struct metering *);
static void fail(struct metering *, const char *) __attribute__((noreturn));
static int finish(struct metering *);
static bool shows_last(const struct metering *);
static void show_last(struct metering *, const char *);

int
main(int argc, char **argv)
{
	/* Static: the watchdog may look at it while the process exits. */
	static struct metering metering = { .options.interval = 1, .state = "running" };
	const struct options *options = &metering.options;
	struct error error = { 0 };

	if (!io_claim_standard())
		err(2, "/dev/null");
	gauge_open(&metering.gauge, &metering.meter, clock_seconds());
	parse_options(argc, argv, &metering);
	if (!throttle_open(&metering.throttle, options->rate != NULL ? options->rate : "0", &error))
		errx(2, "%s", error.text);

	/* The file of a rate is opened again and again, and may be replaced by another. */
	(void)(metering.throttle.path != NULL ? confine_reading() : confine_wholly());

	/* Report a broken pipe before dying of it: see fail. */
	signals_block_pipe();
	meter_open(&metering.meter, "standard input", options->raw);
	start_display(&metering);
	if (!flow_open(&metering.flow, STDIN_FILENO, STDOUT_FILENO, options->ring))
		fail(&metering, "memory");
	metering.watchdog = (struct watchdog){
		.seconds = options->watchdog, .moved = &metering.meter.wire,
		.stalled = stalled, .context = &metering
	};
	if (options->watchdog > 0 && !watchdog_start(&metering.watchdog))
		fail(&metering, "threads");
	pass_all(&metering);
	return finish(&metering);
}

static const struct option names[] = {
	{ "size", required_argument, NULL, 's' },
	{ "rate-limit", required_argument, NULL, 'L' },
	{ "buffer-size", required_argument, NULL, 'B' },
	{ "name", required_argument, NULL, 'N' },
	{ "interval", required_argument, NULL, 'i' },
	{ "force", no_argument, NULL, 'f' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "numeric", no_argument, NULL, 'n' },
	{ "bytes", no_argument, NULL, 'b' },
	{ "raw", no_argument, NULL, 'R' },
	{ "json", no_argument, NULL, 'J' },
	{ "watchdog", required_argument, NULL, 'W' },
	{ "progress", no_argument, NULL, 'p' },
	{ "timer", no_argument, NULL, 't' },
	{ "eta", no_argument, NULL, 'e' },
	{ "rate", no_argument, NULL, 'r' },
	{ "average-rate", no_argument, NULL, 'a' },
	HELP_NAMES,
	{ NULL, 0, NULL, 0 }
};

static void
parse_options(int argc, char **argv, struct metering *metering)
{
	const struct options *options = &metering->options;
	struct error error = { 0 };
	bool good = true;
	int option;

	while ((option = getopt_long(argc, argv, "abefnpqrtB:L:N:i:s:" HELP_LETTERS, names, NULL)) != -1)
		good = good && parse_option(option, metering, &error);
	if (!good)
		errx(2, "%s", error.text);
	if (argc != optind)
		help_errx(&help_blkmeter, "%s: give the file as standard input: blkmeter <file", argv[optind]);
	if (options->json && options->numeric)
		help_errx(&help_blkmeter, "--json and -n exclude each other");
	metering->gauge.style = options->json ? GAUGE_JSON : !options->numeric ? GAUGE_LINE :
	    options->bytes ? GAUGE_BYTES : GAUGE_PERCENT;
}

static bool
parse_option(int option, struct metering *metering, struct error *error)
{
	struct options *options = &metering->options;

	switch (option) {
	case 's':
		return argument_size("-s", optarg, &metering->gauge.size, error);
	case 'L': options->rate = optarg; break;
	case 'B':
		if (!argument_size("-B", optarg, &options->ring, error))
			return false;
		if (options->ring < RING_MIN || options->ring > RING_MAX)
			return error_set(error, "-B %s: at least 4K, at most 64T", optarg);
		return true;
	case 'N':
		metering->gauge.name = optarg;
		if (strlen(optarg) > NAME_MAX_BYTES)
			return error_set(error, "-N: a name of at most %d bytes", NAME_MAX_BYTES);
		for (; *optarg != '\0'; optarg++)
			if ((unsigned char)*optarg < ' ' || *optarg == 0x7f)
				return error_set(error, "-N: a name of printable characters");
		return true;
	case 'i':
		return argument_seconds("-i", optarg, 3600, &options->interval, error);
	case 'W':
		return argument_seconds("--watchdog", optarg, 1e9, &options->watchdog, error);
	case 'f': options->force = true; break;
	case 'q': options->quiet = true; break;
	case 'n': options->numeric = true; break;
	case 'b': options->bytes = true; break;
	case 'R': options->raw = true; break;
	case 'J': options->json = true; break;
	case 'p': case 't': case 'e': case 'r': case 'a':
		break;			/* pv's letters for parts that are always shown */
	default:
		exit(help_answer(&help_blkmeter, option));
	}
	return true;
}

static void
render(void *context, char *out, size_t size, unsigned width)
{
	struct metering *metering = context;

	gauge_line(&metering->gauge, clock_seconds(), atomic_load(&metering->state), out, size, width);
}

/* The last line of numbers or JSON says how it ended; a drawn line needs no more. */
static bool
interrupted(void *context, int number, char *text, size_t size)
{
	struct metering *metering = context;

	(void)number, (void)text, (void)size;
	if (atomic_exchange(&metering->finished, true))
		return false;
	atomic_store(&metering->state, "interrupted");
	return shows_last(metering);
}

static void
start_display(struct metering *metering)
{
	const struct options *options = &metering->options;
	bool lines = metering->gauge.style != GAUGE_LINE;
	struct progress_options progress = {
		.program = "blkmeter",
		.redraw = options->force,
		.plain = lines,
		.quiet = options->quiet,
		.claim = true,
		.delay = lines ? options->interval : fmin(options->interval, 0.5),
		.interval = options->interval,
		.render = render,
		.on_signal = interrupted,
		.context = metering,
	};

	metering->displayed = !lines && !options->quiet && (options->force || isatty(STDERR_FILENO));
	if (!progress_start(&progress))
		err(2, "threads");
}

/* On the watchdog's thread. */
static void
stalled(void *context, uint64_t wire)
{
	struct metering *metering = context;

	progress_warn("no byte has moved for %g seconds, after %ju bytes", metering->options.watchdog,
	    (uintmax_t)wire);
	show_last(metering, "stalled");
	_exit(2);
}

/* Pass everything on, up to the end of file or its equivalent. */
static void
pass_all(struct metering *metering)
{
	unsigned char bytes[METER_WANTS_MAX];
	struct meter *meter = &metering->meter;
	struct flow *flow = &metering->flow;
	ssize_t n;

	do {
		size_t wants = meter_wants(meter);
		size_t limit = pass_limit(&metering->throttle, wants > 0 ? wants : meter_passes(meter));

		if (wants > 0) {
			n = flow_look(flow, bytes, limit, -1);
			if (flow->pending > 0)
				meter_mark(meter);
			if (n > 0)
				meter_see(meter, bytes, (size_t)n);
		} else {
			n = flow_pass(flow, limit, meter->state == METER_AFTER ? AFTER_END : -1);
			if (n > 0)
				meter_pass(meter, (uint64_t)n);
		}
		if (n > 0)
			throttle_spend(&metering->throttle, (uint64_t)n);
		if (meter->state == METER_AFTER)
			watchdog_end(&metering->watchdog);
		report_faults(metering);
	} while (n > 0);

	/*
	 * After END, silence is as good as end of file, and so is a reader that has left.
	 */
	if (n == -1 && !(meter->state == METER_AFTER && (errno == ETIMEDOUT || errno == EPIPE)))
		fail(metering, errno == EPIPE || flow->output_failed ? "standard output" : "standard input");
}

/* How many of length bytes may pass now, at least one: waits until then. */
static size_t
pass_limit(struct throttle *throttle, uint64_t length)
{
	if (length > PASS_MAX)
		length = PASS_MAX;
	for (;;) {
		double now = clock_seconds(), wait;
		struct error error = { 0 };
		uint64_t grant;

		if (!throttle_look(throttle, now, &error) && error.set)
			progress_warn("%s; the rate stays %ju bytes a second", error.text,
			    (uintmax_t)throttle->rate);
		grant = throttle_grant(throttle, now, length, &wait);
		if (grant > 0)
			return (size_t)grant;
		usleep((useconds_t)(wait * 1e6));
	}
}

/* Report a fault at once; report a stream that is merely not understood only on a display. */
static void
report_faults(struct metering *metering)
{
	struct meter *meter = &metering->meter;

	if (meter->fault.set && !metering->faulty) {
		progress_warn("%s%s", meter->fault.text,
		    meter->state == METER_PLAIN ? "; the rest is passed on as plain bytes" : "");
		metering->faulty = true;
	}
	if (meter->foreign.set) {
		if (metering->displayed)
			progress_warn("%s; metering plain bytes", meter->foreign.text);
		meter->foreign.set = false;
	}
}

/* Die of errno. */
static void
fail(struct metering *metering, const char *what)
{
	int number = errno;

	watchdog_end(&metering->watchdog);
	if (metering->flow.pending > 0)
		meter_untake(&metering->meter, metering->flow.pending);
	show_last(metering, "failed");
	progress_stop();
	if (number == EPIPE)
		signals_raise_pipe();
	errno = number;
	err(2, "%s", what);
}

static int
finish(struct metering *metering)
{
	static const char *const states[] = {
		[METER_SOUND] = "done", [METER_BROKEN] = "broken", [METER_ABORTED] = "aborted",
		[METER_CUT] = "cut",
	};
	struct meter *meter = &metering->meter;
	char summary[256], line[1024];

	watchdog_end(&metering->watchdog);
	meter_end(meter);
	report_faults(metering);
	if (close(STDOUT_FILENO) == -1)
		fail(metering, "standard output");
	show_last(metering, states[atomic_load(&meter->fault_kind)]);
	progress_stop();
	if (metering->displayed) {
		snprintf(line, sizeof(line), "%.700s: %s%s",
		    metering->gauge.name != NULL ? metering->gauge.name : "blkmeter",
		    meter->fault.set ? "bad after " : "",
		    gauge_summary(&metering->gauge, clock_seconds(), summary, sizeof(summary)));
		text_clean(line);
		fprintf(stderr, "%s\n", line);
	}
	return meter->fault.set ? 2 : 0;
}

static bool
shows_last(const struct metering *metering)
{
	return metering->gauge.style != GAUGE_LINE && !metering->options.quiet;
}

/* The last line of numbers or JSON says how it ended. */
static void
show_last(struct metering *metering, const char *state)
{
	if (atomic_exchange(&metering->finished, true))
		return;
	progress_pause();
	atomic_store(&metering->state, state);
	if (shows_last(metering))
		progress_show();
}
