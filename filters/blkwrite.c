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
#include "base/error.h"
#include "base/io.h"
#include "base/pool.h"
#include "device/conflict.h"
#include "device/target.h"
#include "show/progress.h"
#include "show/warn.h"
#include "stream/id.h"
#include "stream/intake.h"
#include "stream/stream.h"
#include "write/lanes.h"
#include "write/outcome.h"
#include "write/patch.h"
#include "write/restore.h"
#include "write/verify.h"
#include "write/writer.h"

/* A network peer that holds the stream's id may be silent for that long. */
#define SILENCE_MAX	60000

struct options {
	bool raw, verbose, progress, force;
	const char *id, *undo;
	const char *log;	/* the file that is made besides the target, or NULL */
	struct target_options target;
	struct restore_options restore;		/* writer is of a delta, too */
};

struct context {
	struct options options;
	struct input input;
	struct lanes lanes;		/* count 0: the input is no lane */
	struct intake intake;
	struct intake again;		/* of the second pass, over a delta from a file */
	struct target target;
	struct restore restore;		/* of an image */
	struct patch patch;		/* of a delta or an undo log */
	_Atomic(struct writer *) writer;	/* of either; NULL until it is ready */
	uint64_t input_holds;		/* bytes of a file or device; UINT64_MAX of a pipe */
	off_t input_start;		/* -1 of a pipe */
	uint64_t started;		/* by identity_now */
	struct error forced;		/* set: what --force has given up */
};

static void parse_options(struct options *, int, char **);
static void check_logs(struct options *);
static void open_input(struct context *);
static bool join_lanes(struct context *, struct error *);
static bool accept_input(struct context *, struct error *);
static bool accept_stream(struct context *, struct error *);
static bool check_id(const struct context *, const unsigned char *, struct error *);
static bool accept_raw(struct context *, struct error *);
static bool accept_origin(struct context *, struct error *);
static bool accept_image(struct context *, uint64_t, struct error *);
static bool accept_patch(struct context *, struct error *);
static void fail(struct context *, const struct error *) __attribute__((noreturn));
static void list_differences(const struct target *, struct writer *);
static bool interrupted(void *, int, char *, size_t);
static void report(struct context *, double);
static void usage(void) __attribute__((noreturn));

int
main(int argc, char **argv)
{
	static struct context context;	/* static, for a thread may use it after main */
	struct progress_options progress = {
		.program = "blkwrite", .delay = 2, .interval = 1, .on_signal = interrupted,
		.context = &context
	};
	struct error error = { 0 };
	double started = clock_seconds();
	bool mapped;

	if (!io_claim_standard())
		err(2, "/dev/null");
	context.started = identity_now();
	signal(SIGXFSZ, SIG_IGN);	/* a file that grows too large is an error of its write */
	parse_options(&context.options, argc, argv);
	/* Another lane's process may have it open for a moment: see join_lanes. */
	if (!target_open(&context.target, argv[optind], &context.options.target, &error) &&
	    (context.options.raw || error.number != EBUSY))
		errx(2, "%s", error.text);
	if (confine_possible())
		target_start_lookout(&context.target);
	progress.lines = context.options.progress;
	progress_phase("waiting", PROGRESS_UNKNOWN);
	if (!progress_start(&progress))
		err(2, "threads");
	open_input(&context);
	if (!join_lanes(&context, &error))
		fail(&context, &error);
	writer_confine(&context.options.restore.writer, &context.target, context.options.log);
	if (context.target.note.set)
		progress_warn("%s", context.target.note.text);
	if (!accept_input(&context, &error) || !writer_run(context.writer, &error))
		fail(&context, &error);
	mapped = restore_end_map(&context.restore, &error);
	progress_stop();
	lanes_end(&context.lanes, true);
	report(&context, clock_seconds() - started);
	if (!mapped)
		errx(2, "%s", error.text);
	return context.writer->intake->end.bad > 0 || context.patch.cut.set ? 2 : 0;
}

static void
parse_options(struct options *options, int argc, char **argv)
{
	enum { BACKING = 256, CREATE, ZEROED, DISCARD, VERIFY, NO_SYNC, ID, PROGRESS, FORCE,
	    UNDO, MAP };
	static const struct option names[] = {
		{ "raw", no_argument, NULL, 'r' },
		{ "offset", required_argument, NULL, 'o' },
		{ "length", required_argument, NULL, 'l' },
		{ "jobs", required_argument, NULL, 'j' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "backing", required_argument, NULL, BACKING },
		{ "create", no_argument, NULL, CREATE },
		{ "zeroed", no_argument, NULL, ZEROED },
		{ "discard", no_argument, NULL, DISCARD },
		{ "verify", no_argument, NULL, VERIFY },
		{ "no-sync", no_argument, NULL, NO_SYNC },
		{ "id", required_argument, NULL, ID },
		{ "progress", no_argument, NULL, PROGRESS },
		{ "force", no_argument, NULL, FORCE },
		{ "undo", required_argument, NULL, UNDO },
		{ "map", required_argument, NULL, MAP },
		{ NULL, 0, NULL, 0 }
	};
	struct error error = { 0 };
	struct writer_options *writer = &options->restore.writer;
	bool good = true;
	int option;

	options->target.length = UINT64_MAX;
	writer->sync = true;
	while (good && (option = getopt_long(argc, argv, "ro:l:j:v", names, NULL)) != -1)
		switch (option) {
		case 'r': options->raw = true; break;
		case 'v': options->verbose = true; break;
		case BACKING: options->target.backing = optarg; break;
		case CREATE: options->target.create = true; break;
		case ZEROED: options->restore.zeroed = true; break;
		case DISCARD: options->restore.discard = true; break;
		case VERIFY: writer->verify = true; break;
		case NO_SYNC: writer->sync = false; break;
		case PROGRESS: options->progress = true; break;
		case FORCE: options->force = options->target.force = true; break;
		case ID: options->id = optarg; break;
		case UNDO: options->undo = optarg; break;
		case MAP: options->restore.map = optarg; break;
		case 'o':
			good = argument_size("-o", optarg, &options->target.offset, &error);
			options->target.confined = true;
			break;
		case 'l':
			good = argument_size("-l", optarg, &options->target.length, &error);
			options->target.confined = true;
			break;
		case 'j':
			good = argument_jobs(optarg, &writer->jobs, &error);
			break;
		default:
			usage();
		}
	if (!good)
		errx(2, "%s", error.text);
	if (argc - optind != 1)
		usage();
	if (options->raw && options->id != NULL)
		errx(2, "--id: raw bytes carry no id");
	check_logs(options);
	if (writer->jobs == 0)
		writer->jobs = pool_processors() > 2 ? pool_processors() : 2;
}

/* What is made besides the target: the undo log of a delta, or the map of an image. */
static void
check_logs(struct options *options)
{
	const char *map = options->restore.map;

	options->log = options->undo;
	if (map == NULL)
		return;
	if (options->undo != NULL)
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

static void
open_input(struct context *context)
{
	context->input_holds = io_bytes_left(STDIN_FILENO);
	context->input_start = context->input_holds != UINT64_MAX ?
	    lseek(STDIN_FILENO, 0, SEEK_CUR) : -1;
	input_open(&context->input, STDIN_FILENO, -1, "standard input");
	if (context->options.id != NULL)
		context->input.timeout = SILENCE_MAX;
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
	struct target *target = &context->target;
	struct lookout lookout = target->lookout;
	const char *name = target->name;
	struct lane lane;
	bool good;

	if (context->options.raw || isatty(STDIN_FILENO) ||
	    !lanes_detect(&context->input, &lane, error))
		return !error->set;
	if (!check_id(context, lane.id, error))
		return false;
	if (lane.index > 0) {
		target_release(target);
		*error = (struct error){ 0 };
		good = lanes_follow(&context->input, &lane, error);
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
	context->input_holds = UINT64_MAX;
	context->input_start = -1;
	return !error->set && lanes_gather(&context->lanes, &context->input, error);
}

/* Check the input's beginning, its id and size; then context->writer is ready to run. */
static bool
accept_input(struct context *context, struct error *error)
{
	if (context->options.raw)
		return accept_raw(context, error);
	if (isatty(STDIN_FILENO))
		return error_set(error, "standard input: a terminal, not a block stream");
	if (!accept_stream(context, error) || !accept_origin(context, error))
		return false;
	if (context->intake.reader.header.kind != STREAM_IMAGE)
		return accept_patch(context, error);
	return accept_image(context, context->intake.reader.header.size, error);
}

static bool
accept_stream(struct context *context, struct error *error)
{
	return intake_open_stream(&context->intake, &context->input, INTAKE_IMAGE | INTAKE_PATCH, error) &&
	    check_id(context, context->intake.reader.header.id, error);
}

static bool
check_id(const struct context *context, const unsigned char *theirs, struct error *error)
{
	unsigned char id[STREAM_ID_SIZE];
	const char *wanted = context->options.id;

	if (wanted == NULL)
		return true;
	if (!id_load(wanted, id, error))
		return false;
	if (memcmp(id, theirs, STREAM_ID_SIZE) != 0)
		return error_set(error, "standard input: the stream has another id than --id says");
	return true;
}

/* The input has begun, so whoever feeds it has locked what it reads: nobody reads the target? */
static bool
accept_origin(struct context *context, struct error *error)
{
	const struct stream_header *header = &context->intake.reader.header;
	struct origin origin = { .started = context->started, .length = context->options.target.length };

	if (!context->options.raw) {
		origin.identity = header->identity;
		origin.length = header->size;
		origin.patch = header->kind != STREAM_IMAGE;
		/* An image that is all there; or nothing but END, which changes nothing. */
		origin.file = context->input_start != -1 && (!origin.patch ||
		    context->input_holds == header->length + RECORD_SIZE + RECORD_END_SIZE);
	}
	return conflict_free(&context->target, &origin, context->options.force, &context->forced, error);
}

static bool
accept_image(struct context *context, uint64_t size, struct error *error)
{
	if (context->options.undo != NULL)
		return error_set(error, "--undo applies to deltas only: an image replaces everything");
	if (!restore_create(&context->restore, &context->options.restore, &context->intake,
	    &context->target, size, error))
		return false;
	context->writer = &context->restore.writer;
	return true;
}

/* Where the input can be read twice, everything is checked before anything is written. */
static bool
accept_patch(struct context *context, struct error *error)
{
	const struct options *options = &context->options;
	struct patch *patch = &context->patch;
	struct patch_options how = {
		.writer = options->restore.writer, .force = options->force, .undo = options->undo,
		.once = context->input_start == -1, .cut_at = UINT64_MAX
	};

	if (options->restore.map != NULL)
		return error_set(error, "--map applies to images only: a delta says only a part of what its target "
		    "is; blksum --map makes the map");
	if (options->restore.zeroed || options->restore.discard)
		return error_set(error, "--zeroed and --discard apply to images only: a delta needs the old content");
	if (options->undo != NULL && !how.writer.sync)
		return error_set(error, "--undo needs flushes, so not --no-sync: the log must be on the medium first");
	if (options->undo != NULL && context->intake.reader.header.kind == STREAM_UNDO)
		return error_set(error, "--undo applies to deltas only, not to an undo log");
	if (context->input_start != -1 && !undo_log_is_whole(&context->intake.reader.header,
	    STDIN_FILENO, (uint64_t)context->input_start, context->input_holds))
		how.cut_at = context->input_holds;
	if (!patch_create(patch, &how, &context->intake, &context->target, error))
		return false;
	context->writer = &patch->writer;
	if (context->input_start == -1)
		return true;
	if (!patch_check(patch, error))
		return false;
	if (lseek(STDIN_FILENO, context->input_start, SEEK_SET) == -1)
		return error_errno(error, "standard input");
	input_open(&context->input, STDIN_FILENO, -1, "standard input");
	patch->writer.intake = &context->again;
	return intake_open_stream(&context->again, &context->input, INTAKE_PATCH, error);
}

/* Nothing in raw bytes says that they are a disk, nor how much of it has come. */
static bool
accept_raw(struct context *context, struct error *error)
{
	uint64_t said = context->options.target.length, holds = context->input_holds;
	ssize_t n;
	const char *mistake = intake_mistaken(&context->input, &n);

	if (n == -1)
		return error_errno(error, "standard input");
	if (n == 0 && said != 0)
		return error_set(error, "standard input: nothing came");
	if (mistake != NULL && !context->options.force)
		return error_set(error, "standard input: %s; --force writes it as it is", mistake);
	if (holds != UINT64_MAX && said != UINT64_MAX && holds != said)
		return error_set(error, "standard input: holds %ju bytes, -l says %ju",
		    (uintmax_t)holds, (uintmax_t)said);
	if (said == UINT64_MAX)
		said = holds;
	return accept_origin(context, error) &&
	    intake_open_raw(&context->intake, &context->input, said, error) &&
	    accept_image(context, said, error);
}

/* One line: what went wrong, and what state the target is in. */
static void
fail(struct context *context, const struct error *error)
{
	struct writer *writer = context->writer;
	struct error cause;
	char now[512];

	progress_stop();
	if (lanes_failed(&context->lanes, &cause))
		error = &cause;
	lanes_end(&context->lanes, false);
	restore_abort_map(&context->restore, error->text);
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
	struct writer *writer = context->writer;
	char now[480];

	if (writer == NULL || !writer_stop(writer, now, sizeof(now)))
		return false;
	snprintf(text, size, "%s (%s)", strsignal(number), now);
	return true;
}

static void
report(struct context *context, double seconds)
{
	bool image = context->writer == &context->restore.writer;
	struct outcome outcome = {
		.writer = context->writer, .forced = &context->forced,
		.target = &context->target, .intake = &context->intake,
		.restore = image ? &context->restore : NULL, .patch = image ? NULL : &context->patch,
		.verbose = context->options.verbose, .seconds = seconds
	};
	char line[5000];	/* of a path and more */

	while (outcome_next(&outcome, line, sizeof(line)))
		warnx("%s", line);
}

static void
usage(void)
{
	fprintf(stderr, "usage: blkwrite [-rv] [-j jobs] [-l length] [-o offset] "
	    "[--backing file]\n"
	    "                [--create] [--discard] [--force] [--id @file] [--map file]\n"
	    "                [--no-sync] [--progress] [--undo file] [--verify] [--zeroed]\n"
	    "                target\n");
	exit(2);
}
