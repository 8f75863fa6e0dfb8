/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * blkmeter: pass standard input or files on to standard output, and show the progress.
 *
 * Success means that every byte was passed on unchanged and, if they are a block stream,
 * that it was whole as far as its headers tell: the END record was seen.
 */
#include <errno.h>
#include <getopt.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arguments.h"
#include "base/confine.h"
#include "base/error.h"
#include "base/io.h"
#include "base/size.h"
#include "help/help.h"
#include "meter/display.h"
#include "meter/inputs.h"
#include "meter/letters.h"
#include "meter/meter.h"
#include "meter/throttle.h"
#include "meter/watchdog.h"
#include "pipe/flow.h"
#include "show/line.h"
#include "show/progress.h"
#include "show/signals.h"
#include "show/terminal.h"
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
	bool raw, numeric, bytes, json, timer;
	const char *rate;
	uint64_t ring;
	double watchdog;		/* seconds; 0 is none */
	struct display_options display;
};

struct metering {
	struct options options;
	struct inputs inputs;
	struct flow flow;
	struct meter meter;
	struct display display;
	struct throttle throttle;
	struct watchdog watchdog;
	bool faulty;			/* the stream's fault was reported */
};

static void parse_options(int, char **, struct metering *);
static bool parse_option(int, struct metering *, struct error *);
static bool parse_width(unsigned *, struct error *);
static void stalled(void *, uint64_t);
static void pass_all(struct metering *);
static size_t pass_limit(struct throttle *, uint64_t);
static void report_faults(struct metering *);
static void fail(struct metering *, const char *) __attribute__((noreturn));
static int finish(struct metering *);

int
main(int argc, char **argv)
{
	/* Static: the watchdog may look at it while the process exits. */
	static struct metering metering = { .options.display.interval = 1 };
	const struct options *options = &metering.options;
	struct gauge *gauge = &metering.display.gauge;
	struct error error = { 0 };

	if (!io_claim_standard())
		err(2, "/dev/null");
	gauge_open(gauge, &metering.meter, clock_seconds());
	parse_options(argc, argv, &metering);
	if (!throttle_open(&metering.throttle, options->rate != NULL ? options->rate : "0", &error) ||
	    !inputs_open(&metering.inputs, argv + optind, (unsigned)(argc - optind), &error))
		errx(2, "%s", error.text);
	if (gauge->size == METER_UNKNOWN)
		gauge->size = metering.inputs.size;

	/* The file of a rate is opened again and again, and may be replaced by another. */
	(void)(metering.throttle.path != NULL ? confine_reading() : confine_wholly());

	/* Report a broken pipe before dying of it: see fail. */
	signals_block_pipe();
	meter_open(&metering.meter, metering.inputs.names[0], options->raw);
	if (!display_start(&metering.display, &options->display))
		err(2, "threads");
	if (!flow_open_all(&metering.flow, metering.inputs.fds, metering.inputs.count, STDOUT_FILENO,
	    options->ring))
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

enum { RAW = 256, JSON, WATCHDOG };

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
	{ "raw", no_argument, NULL, RAW },
	{ "json", no_argument, NULL, JSON },
	{ "watchdog", required_argument, NULL, WATCHDOG },
	{ "wait", no_argument, NULL, 'W' },
	{ "delay-start", required_argument, NULL, 'D' },
	{ "width", required_argument, NULL, 'w' },
	{ "cursor", no_argument, NULL, 'c' },
	{ "no-splice", no_argument, NULL, 'C' },
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
	struct gauge *gauge = &metering->display.gauge;
	struct error error = { 0 };
	bool good = true;
	int option;

	while ((option = getopt_long(argc, argv, "abcefnpqrtCWB:D:L:N:i:s:w:" LETTERS_OF_PV HELP_LETTERS,
	    names, NULL)) != -1)
		good = good && parse_option(option, metering, &error);
	if (!good)
		errx(2, "%s", error.text);
	if (options->json && options->numeric)
		help_errx(&help_blkmeter, "--json and -n exclude each other");
	gauge->timer = options->numeric && options->timer;
	gauge->style = options->json ? GAUGE_JSON : !options->numeric ? GAUGE_LINE :
	    options->bytes ? GAUGE_BYTES : GAUGE_PERCENT;
}

static bool
parse_option(int option, struct metering *metering, struct error *error)
{
	struct options *options = &metering->options;
	struct display_options *display = &options->display;

	switch (option) {
	case 's': return argument_size("-s", optarg, &metering->display.gauge.size, error);
	case 'L': options->rate = optarg; break;
	case 'B':
		if (!argument_size("-B", optarg, &options->ring, error))
			return false;
		if (options->ring < RING_MIN || options->ring > RING_MAX)
			return error_set(error, "-B %s: at least 4K, at most 64T", optarg);
		return true;
	case 'N':
		metering->display.gauge.name = optarg;
		if (strlen(optarg) > NAME_MAX_BYTES)
			return error_set(error, "-N: a name of at most %d bytes", NAME_MAX_BYTES);
		for (; *optarg != '\0'; optarg++)
			if ((unsigned char)*optarg < ' ' || *optarg == 0x7f)
				return error_set(error, "-N: a name of printable characters");
		return true;
	case 'i': return argument_seconds("-i", optarg, 3600, &display->interval, error);
	case 'D': return argument_seconds("-D", optarg, 1e9, &display->delay, error);
	case 'w': return parse_width(&display->width, error);
	case WATCHDOG: return argument_seconds("--watchdog", optarg, 1e9, &options->watchdog, error);
	case 'f': display->force = true; break;
	case 'q': display->quiet = true; break;
	case 'W': display->wait = true; break;
	case 'n': options->numeric = true; break;
	case 'b': options->bytes = true; break;
	case 't': options->timer = true; break;
	case RAW: options->raw = true; break;
	case JSON: options->json = true; break;
	case 'a': case 'c': case 'e': case 'p': case 'r': case 'C':
		break;			/* pv's letters for what is done anyway */
	default:
		if (letters_instead(option) != NULL)
			help_errx(&help_blkmeter, "-%c: %s", option, letters_instead(option));
		exit(help_answer(&help_blkmeter, option));
	}
	return true;
}

static bool
parse_width(unsigned *width, struct error *error)
{
	uint64_t number;

	if (!number_parse(optarg, 1, LINE_SIZE - 1, &number))
		return error_set(error, "-w %s: not a number of columns from 1 to %d", optarg, LINE_SIZE - 1);
	*width = (unsigned)number;
	return true;
}

/* On the watchdog's thread. */
static void
stalled(void *context, uint64_t wire)
{
	struct metering *metering = context;

	progress_warn("no byte has moved for %g seconds, after %ju bytes", metering->options.watchdog,
	    (uintmax_t)wire);
	display_end(&metering->display, "stalled");
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
		if (n > 0) {
			display_begin(&metering->display);
			throttle_spend(&metering->throttle, (uint64_t)n);
		}
		if (meter->state == METER_AFTER)
			watchdog_end(&metering->watchdog);
		report_faults(metering);
	} while (n > 0);

	/*
	 * After END, silence is as good as end of file, and so is a reader that has left.
	 */
	if (n == -1 && !(meter->state == METER_AFTER && (errno == ETIMEDOUT || errno == EPIPE)))
		fail(metering, errno == EPIPE || flow->output_failed ? "standard output" :
		    metering->inputs.names[atomic_load(&flow->index)]);
}

/* How many of length bytes may pass now, at least one: waits until then. */
static size_t
pass_limit(struct throttle *throttle, uint64_t length)
{
	struct error error = { 0 };
	size_t grant;

	if (length > PASS_MAX)
		length = PASS_MAX;
	while ((grant = throttle_wait(throttle, length, &error)) == 0) {
		progress_warn("%s; the rate stays %ju bytes a second", error.text, (uintmax_t)throttle->rate);
		error = (struct error){ 0 };
	}
	return grant;
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
		if (metering->display.drawn)
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
	display_end(&metering->display, "failed");
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
	char line[1024];

	watchdog_end(&metering->watchdog);
	meter_end(meter);
	report_faults(metering);
	if (close(STDOUT_FILENO) == -1)
		fail(metering, "standard output");
	display_end(&metering->display, states[atomic_load(&meter->fault_kind)]);
	progress_stop();
	if (metering->display.drawn && terminal_welcome())
		fprintf(stderr, "%s\n", display_summary(&metering->display, meter->fault.set, line, sizeof(line)));
	return meter->fault.set ? 2 : 0;
}
