/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * blkwrite: write a block stream from standard input to a device.
 *
 * Success means that the stream was whole and the device has it: the END record was
 * seen, every check held, and fsync(2) and close(2) returned.  Until then the first
 * MiB of the target is zero.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/arguments.h"
#include "base/confine.h"
#include "base/error.h"
#include "base/io.h"
#include "base/pool.h"
#include "device/identity.h"
#include "device/partition.h"
#include "device/target.h"
#include "help/help.h"
#include "show/progress.h"
#include "show/signals.h"
#include "show/warn.h"
#include "write/incoming.h"
#include "write/lanes.h"
#include "write/outcome.h"
#include "write/plain.h"
#include "write/verify.h"
#include "write/writer.h"

struct options {
	bool verbose, progress;
	unsigned partition;	/* 0: the whole target */
	const char *log;	/* the file that is made besides the target, or NULL */
	struct target_options target;
	struct incoming_options incoming;
};

struct context {
	struct options options;
	struct incoming incoming;
	struct lanes lanes;		/* count 0: the input is no lane */
	struct target target;
};

static void parse_options(struct options *, int, char **);
static bool parse_option(int, struct options *, struct error *);
static void check_options(struct options *);
static void check_logs(struct options *);
static int write_plain(const struct options *, double);
static void check_plain(const struct options *);
static bool join_lanes(struct context *, struct error *);
static void fail(struct context *, const struct error *) __attribute__((noreturn));
static void list_differences(const struct target *, struct writer *);
static bool interrupted(void *, int, char *, size_t);
static void report(struct context *, double);

int
main(int argc, char **argv)
{
	static struct context context;	/* static, for a thread may use it after main */
	struct options *options = &context.options;
	struct incoming *incoming = &context.incoming;
	struct target *target = &context.target;
	struct progress_options progress = {
		.program = "blkwrite", .delay = 2, .interval = 1, .on_signal = interrupted,
		.context = &context
	};
	struct error error = { 0 };
	double started = clock_seconds();
	uint64_t opened;
	bool mapped;

	if (!io_claim_standard())
		err(2, "/dev/null");
	opened = identity_now();
	signal(SIGXFSZ, SIG_IGN);	/* a file that grows too large is an error of its write */
	parse_options(options, argc, argv);
	if (strcmp(argv[optind], "-") == 0)
		return write_plain(options, started);
	/* Another lane's process may have it open for a moment: see join_lanes. */
	if (!target_open(target, argv[optind], &options->target, &error) &&
	    (options->incoming.raw || error.number != EBUSY))
		errx(2, "%s", error.text);
	if (confine_possible())
		target_start_lookout(target);
	progress.lines = options->progress;
	progress_phase("waiting", PROGRESS_UNKNOWN);
	if (!progress_start(&progress))
		err(2, "threads");
	incoming_open(incoming, &options->incoming, target, opened);
	if (!join_lanes(&context, &error))
		fail(&context, &error);
	writer_confine(&options->incoming.restore.writer, target, options->log);
	if (target->note.set)
		progress_warn("%s", target->note.text);
	if (!incoming_accept(incoming, &error) || !writer_run(incoming->writer, &error))
		fail(&context, &error);
	mapped = restore_end_map(&incoming->restore, &error);
	progress_stop();
	lanes_end(&context.lanes, true);
	report(&context, clock_seconds() - started);
	if (!mapped)
		errx(2, "%s", error.text);
	return incoming->writer->intake->end.bad > 0 || incoming->patch.cut.set ? 2 : 0;
}

enum { BACKING = 256, CREATE, RESIZE, PREALLOCATE, ZEROED, DISCARD, VERIFY, NO_SYNC, ID, PROGRESS, FORCE, UNDO, MAP,
	PARTITION };

static const struct option names[] = {
	{ "raw", no_argument, NULL, 'r' },
	{ "offset", required_argument, NULL, 'o' },
	{ "length", required_argument, NULL, 'l' },
	{ "jobs", required_argument, NULL, 'j' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "backing", required_argument, NULL, BACKING },
	{ "create", no_argument, NULL, CREATE },
	{ "resize", no_argument, NULL, RESIZE },
	{ "preallocate", no_argument, NULL, PREALLOCATE },
	{ "zeroed", no_argument, NULL, ZEROED },
	{ "discard", no_argument, NULL, DISCARD },
	{ "verify", no_argument, NULL, VERIFY },
	{ "no-sync", no_argument, NULL, NO_SYNC },
	{ "id", required_argument, NULL, ID },
	{ "progress", no_argument, NULL, PROGRESS },
	{ "force", no_argument, NULL, FORCE },
	{ "undo", required_argument, NULL, UNDO },
	{ "map", required_argument, NULL, MAP },
	{ "partition", required_argument, NULL, PARTITION },
	HELP_NAMES,
	{ NULL, 0, NULL, 0 }
};

static void
parse_options(struct options *options, int argc, char **argv)
{
	struct error error = { 0 };
	bool good = true;
	int option;

	options->target.length = UINT64_MAX;
	options->incoming.restore.writer.sync = true;
	while (good && (option = getopt_long(argc, argv, "ro:l:j:v" HELP_LETTERS, names, NULL)) != -1)
		good = parse_option(option, options, &error);
	if (!good)
		errx(2, "%s", error.text);
	if (optind == argc)
		help_errx(&help_blkwrite, "which target? name a device or a file");
	if (argc - optind > 1)
		help_errx(&help_blkwrite, "%s: only one target is written", argv[optind + 1]);
	if (!partition_narrow(argv[optind], options->partition, &options->target.offset,
	    &options->target.length, &error))
		errx(2, "%s", error.text);
	check_options(options);
}

static bool
parse_option(int option, struct options *options, struct error *error)
{
	struct target_options *target = &options->target;
	struct incoming_options *incoming = &options->incoming;
	struct restore_options *restore = &incoming->restore;

	switch (option) {
	case 'r': incoming->raw = true; break;
	case 'v': options->verbose = true; break;
	case BACKING: target->backing = optarg; break;
	case CREATE: target->create = target->resize = true; break;
	case RESIZE: target->resize = true; break;
	case PREALLOCATE: target->allocate = true; break;
	case ZEROED: restore->zeroed = true; break;
	case DISCARD: restore->discard = true; break;
	case VERIFY: restore->writer.verify = true; break;
	case NO_SYNC: restore->writer.sync = false; break;
	case PROGRESS: options->progress = true; break;
	case FORCE: incoming->force = target->force = true; break;
	case ID: incoming->id = optarg; break;
	case UNDO: incoming->undo = optarg; break;
	case MAP: restore->map = optarg; break;
	case PARTITION:
		target->confined = true;
		return partition_parse(optarg, &options->partition, error);
	case 'o':
		target->confined = true;
		return argument_size("-o", optarg, &target->offset, error);
	case 'l':
		target->confined = true;
		return argument_size("-l", optarg, &target->length, error);
	case 'j':
		return argument_jobs(optarg, &restore->writer.jobs, error);
	default:
		exit(help_answer(&help_blkwrite, option));
	}
	return true;
}

static void
check_options(struct options *options)
{
	struct writer_options *writer = &options->incoming.restore.writer;

	if (options->incoming.raw && options->incoming.id != NULL)
		errx(2, "--id: raw bytes carry no id");
	if (options->target.allocate && options->incoming.restore.discard)
		errx(2, "--preallocate and --discard conflict: give one of them");
	check_logs(options);
	options->incoming.length = options->target.length;
	if (writer->jobs == 0)
		writer->jobs = pool_processors() > 2 ? pool_processors() : 2;
}

/* Check the files to create besides the target: the undo log of a delta, or the map of an image. */
static void
check_logs(struct options *options)
{
	const char *map = options->incoming.restore.map;

	options->log = options->incoming.undo;
	if (map == NULL)
		return;
	if (options->incoming.undo != NULL)
		errx(2, "--undo applies to deltas, --map to images: give one of them");
	if (strcmp(map, "-") != 0) {
		options->log = map;
		return;
	}
	if (isatty(STDOUT_FILENO))
		errx(2, "a map is not written to a terminal");
	/* The image goes on without its map. */
	signal(SIGPIPE, SIG_IGN);
}

/* Nothing is held back there, kept, or read back. */
static void
check_plain(const struct options *options)
{
	const struct incoming_options *incoming = &options->incoming;
	const struct restore_options *restore = &incoming->restore;

	if (incoming->raw || incoming->force || incoming->undo != NULL || options->target.confined ||
	    options->target.backing != NULL || options->target.resize || options->target.allocate || restore->discard || restore->zeroed ||
	    restore->map != NULL || restore->writer.verify || !restore->writer.sync)
		help_errx(&help_blkwrite, "only -j, -v, --id and --progress go with `-', standard output");
	if (isatty(STDOUT_FILENO))
		errx(2, "the bytes of a disk are not written to a terminal");
}

/* The disk as plain bytes to standard output, for programs that know no streams. */
static int
write_plain(const struct options *options, double started)
{
	static struct plain plain;	/* static, for a thread may use it after main */
	const struct progress_options progress = {
		.program = "blkwrite", .delay = 2, .interval = 1, .lines = options->progress
	};
	struct error error = { 0 };
	char line[512];

	check_plain(options);
	(void)confine_wholly();
	progress_phase("waiting", PROGRESS_UNKNOWN);
	if (!progress_start(&progress))
		err(2, "threads");
	if (!plain_run(&plain, options->incoming.id, options->incoming.restore.writer.jobs, &error)) {
		progress_stop();
		if (plain.write_errno == EPIPE || error.number == EPIPE)
			signals_raise_pipe();
		errx(2, plain.written > 0 ? "%s (%ju bytes were written, which are no whole disk)" : "%s", error.text,
		    (uintmax_t)plain.written);
	}
	progress_stop();
	if (close(STDOUT_FILENO) == -1)
		err(2, "standard output");
	if (plain.intake.end.bad > 0)
		warnx("standard output: %ju bytes could not be read at the source; zeros stand in their place",
		    (uintmax_t)plain.intake.end.bad);
	if (options->verbose)
		warnx("%s", plain_line(&plain, clock_seconds() - started, line, sizeof(line)));
	return plain.intake.end.bad > 0 ? 2 : 0;
}

/*
 * One lane of several: the process that has the first puts them together, and writes; any
 * other hands its lane over, leaves the target alone, and ends as that one does.  error, if it
 * is set, is why the target could not be opened.
 */
static bool
join_lanes(struct context *context, struct error *error)
{
	static const struct timespec step = { .tv_nsec = 50000000 };
	double end = clock_seconds() + LANES_PATIENCE;
	struct incoming *incoming = &context->incoming;
	struct target *target = &context->target;
	struct lookout lookout = target->lookout;
	const char *name = target->name;
	struct lane lane;
	bool good;

	if (incoming->options->raw || isatty(STDIN_FILENO) ||
	    !lanes_detect(&incoming->input, &lane, error))
		return !error->set;
	if (!incoming_is_wanted(incoming, lane.id, error))
		return false;
	if (lane.index > 0) {
		target_release(target);
		*error = (struct error){ 0 };
		good = lanes_follow(&incoming->input, &lane, error);
		progress_stop();
		if (error->set)
			errx(2, "%s", error->text);
		exit(good ? 0 : 2);
	}
	while (error->set && error->number == EBUSY && clock_seconds() < end) {
		nanosleep(&step, NULL);
		*error = (struct error){ 0 };
		(void)target_open(target, name, &context->options.target, error);
		target->lookout = lookout;
	}
	incoming_from_pipe(incoming);
	return !error->set && lanes_gather(&context->lanes, &incoming->input, error);
}

/* One line: what went wrong, and what state the target is in. */
static void
fail(struct context *context, const struct error *error)
{
	struct writer *writer = context->incoming.writer;
	struct error cause;
	char now[512];

	progress_stop();
	if (lanes_failed(&context->lanes, &cause))
		error = &cause;
	lanes_end(&context->lanes, false);
	restore_abort_map(&context->incoming.restore, error->text);
	if (writer == NULL)
		errx(2, "%s", error->text);
	if (writer->remark.set)
		warnx("%s", writer->remark.text);
	list_differences(&context->target, writer);
	if (!writer_describe(writer, now, sizeof(now)))
		errx(2, "%s", error->text);
	errx(2, "%s (%s)", error->text, now);
}

/* Name the ranges that read back otherwise. */
static void
list_differences(const struct target *target, struct writer *writer)
{
	struct verify_range list[VERIFY_LISTED];
	uint64_t bytes;
	bool more = false;
	unsigned count = writer_differences(writer, list, &more, &bytes), i;

	for (i = 0; i < count; i++)
		warnx("%s: bytes %ju to %ju differ%s", target->name,
		    (uintmax_t)(target->offset + list[i].offset),
		    (uintmax_t)(target->offset + list[i].offset + list[i].length - 1),
		    more && i == count - 1 ? ", and others behind them" : "");
}

static bool
interrupted(void *argument, int number, char *text, size_t size)
{
	const struct context *context = argument;
	struct writer *writer = context->incoming.writer;
	char now[900];

	if (writer == NULL || !writer_stop(writer, now, sizeof(now)))
		return false;
	snprintf(text, size, "%s (%s)", strsignal(number), now);
	return true;
}

static void
report(struct context *context, double seconds)
{
	struct incoming *incoming = &context->incoming;
	bool image = incoming_is_image(incoming);
	struct outcome outcome = {
		.writer = incoming->writer, .forced = &incoming->forced,
		.target = &context->target, .intake = &incoming->intake,
		.restore = image ? &incoming->restore : NULL, .patch = image ? NULL : &incoming->patch,
		.verbose = context->options.verbose, .seconds = seconds
	};
	char line[5000];	/* of a path and more */

	while (outcome_next(&outcome, line, sizeof(line)))
		warnx("%s", line);
}
