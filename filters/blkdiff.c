/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * blkdiff: write what has changed on a device to standard output, as a delta.
 *
 * Success means that whatever knows the changes was read whole, that every changed
 * range was read, and that the delta left whole, its END record included.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arguments.h"
#include "base/confine.h"
#include "base/error.h"
#include "base/io.h"
#include "base/pool.h"
#include "device/dm.h"
#include "device/evidence.h"
#include "device/source.h"
#include "diff/changes.h"
#include "diff/compare.h"
#include "diff/cow.h"
#include "diff/report.h"
#include "diff/snapshot.h"
#include "help/help.h"
#include "read/scan.h"
#include "show/progress.h"
#include "show/signals.h"
#include "show/warn.h"
#include "stream/id.h"

struct options {
	const char *map, *snapshot, *store, *changes;
	bool list, status, whole, read_only, live, verbose;
	unsigned char id[STREAM_ID_SIZE];
	uint64_t era_block, offset, length;
	struct report_options report;
};

struct diff {
	struct options options;
	struct source source;		/* the device now */
	struct source old, store;	/* its earlier contents */
	struct cow cow;
	struct extents ranges;		/* where it may have changed */
	struct report report;
	enum source_direct direct;	/* how devices are opened */
	struct evidence evidence;
	double started;			/* on clock_seconds */
};

static int parse_options(struct options *, int, char **);
static bool parse_option(int, struct options *, struct error *);
static const char *disagreement(const struct options *, int operands);
static void diff_devices(struct diff *, const char *, const char *);
static void diff_map(struct diff *, const char *);
static void read_snapshot(struct diff *, const char *);
static void read_store(struct diff *, const char *);
static void read_changes(struct diff *, const char *);
static void open_device(struct diff *, struct source *, const char *);
static void open_source(struct diff *, const char *);
static void finish(struct diff *, const struct error *, const unsigned char *,
    const unsigned char *);
static void fail(struct diff *, const struct error *) __attribute__((noreturn));

int
main(int argc, char **argv)
{
	static const struct progress_options progress = {
		.program = "blkdiff", .delay = 2, .interval = 1
	};
	/* Static: a thread may still look at it while the process exits. */
	static struct diff diff;
	const struct options *options = &diff.options;
	int operands;

	if (!io_claim_standard())
		err(2, "/dev/null");
	io_print_lines();
	diff.started = clock_seconds();
	operands = parse_options(&diff.options, argc, argv);
	argv += optind;
	if (options->report.form == REPORT_DELTA && isatty(STDOUT_FILENO))
		errx(2, "a block stream is not written to a terminal (--list lists the ranges)");
	report_open(&diff.report, &options->report);
	if (!progress_start(&progress))
		err(2, "threads");
	if (operands == 2)
		diff_devices(&diff, argv[0], argv[1]);
	else if (options->map != NULL)
		diff_map(&diff, argv[0]);
	else if (options->snapshot != NULL)
		read_snapshot(&diff, operands == 1 ? argv[0] : NULL);
	else if (options->store != NULL)
		read_store(&diff, argv[0]);
	else
		read_changes(&diff, argv[0]);
	return options->report.form == REPORT_STATUS && diff.report.differs ? 1 : 0;
}

enum { MAP = 256, SNAPSHOT, STORE, CHANGES, LIST, JSON, WHOLE, READ_ONLY, ERA_BLOCK, ID, LIVE };

static const struct option names[] = {
	{ "map", required_argument, NULL, MAP },
	{ "snapshot", required_argument, NULL, SNAPSHOT },
	{ "store", required_argument, NULL, STORE },
	{ "changes", required_argument, NULL, CHANGES },
	{ "list", no_argument, NULL, LIST },
	{ "json", no_argument, NULL, JSON },
	{ "bulk-from-origin", no_argument, NULL, WHOLE },
	{ "read-only", no_argument, NULL, READ_ONLY },
	{ "era-block", required_argument, NULL, ERA_BLOCK },
	{ "id", required_argument, NULL, ID },
	{ "live", no_argument, NULL, LIVE },
	{ "quiet", no_argument, NULL, 'q' },
	{ "silent", no_argument, NULL, 's' },
	{ "offset", required_argument, NULL, 'o' },
	{ "length", required_argument, NULL, 'l' },
	{ "jobs", required_argument, NULL, 'j' },
	{ "verbose", no_argument, NULL, 'v' },
	HELP_NAMES,
	{ NULL, 0, NULL, 0 }
};

/* Returns how many operands there are: as many as the options ask for. */
static int
parse_options(struct options *options, int argc, char **argv)
{
	struct error error = { 0 };
	const char *wrong;
	bool good = true;
	int option;

	options->length = UINT64_MAX;
	options->report.jobs = pool_processors() + 1;
	while (good && (option = getopt_long(argc, argv, "qsvo:l:j:" HELP_LETTERS, names, NULL)) != -1)
		good = parse_option(option, options, &error);
	if (!good)
		errx(2, "%s", error.text);
	if (options->status)
		options->report.form = REPORT_STATUS;
	else if (options->list)
		options->report.form = REPORT_LIST;
	wrong = disagreement(options, argc - optind);
	if (wrong != NULL)
		help_errx(&help_blkdiff, "%s", wrong);
	if (options->report.id != NULL && options->report.form != REPORT_DELTA)
		errx(2, "--id: only a delta carries an id");
	return argc - optind;
}

static bool
parse_option(int option, struct options *options, struct error *error)
{
	switch (option) {
	case MAP: options->map = optarg; break;
	case SNAPSHOT: options->snapshot = optarg; break;
	case STORE: options->store = optarg; break;
	case CHANGES: options->changes = optarg; break;
	case LIST: options->list = true; break;
	case JSON: options->list = options->report.json = true; break;
	case WHOLE: options->whole = true; break;
	case READ_ONLY: options->read_only = true; break;
	case LIVE: options->live = true; break;
	case 'q':
	case 's': options->status = true; break;
	case 'v': options->verbose = true; break;
	case 'o': return argument_size("-o", optarg, &options->offset, error);
	case 'l': return argument_size("-l", optarg, &options->length, error);
	case 'j': return argument_jobs(optarg, &options->report.jobs, error);
	case ERA_BLOCK: return argument_size("--era-block", optarg, &options->era_block, error);
	case ID:
		options->report.id = options->id;
		return id_load(optarg, options->id, error);
	default:
		exit(help_answer(&help_blkdiff, option));
	}
	return true;
}

/* The conflict among these options and this number of operands; NULL if there is none. */
static const char *
disagreement(const struct options *options, int operands)
{
	int exceptions = (options->snapshot != NULL) + (options->store != NULL);
	int modes = exceptions + (options->map != NULL) + (options->changes != NULL);

	if (modes > 1)
		return "--map, --snapshot, --store and --changes exclude each other";
	if (options->status && options->list)
		return "-q and --list exclude each other";
	if (options->era_block != 0 && options->changes == NULL)
		return "--era-block goes with --changes";
	if ((options->whole || options->read_only) && exceptions == 0)
		return "--bulk-from-origin and --read-only go with --snapshot or --store";
	if (modes == 0)
		return operands == 2 ? NULL : "two devices are compared, or one with --map, --snapshot, "
		    "--store or --changes";
	if (operands == 1 || (operands == 0 && options->snapshot != NULL))
		return NULL;
	return operands == 0 ? "which source? name the device as it is now" :
	    "one device, the source, goes with --map, --snapshot, --store and --changes";
}

/* The delta that turns one device into the other. */
static void
diff_devices(struct diff *diff, const char *old_path, const char *path)
{
	uint64_t limit = diff->options.length;
	unsigned char sum[BLK128_SIZE], *digest = diff->options.verbose ? sum : NULL;
	struct error error = { 0 };

	diff->direct = SOURCE_MEDIUM;
	open_device(diff, &diff->old, old_path);
	open_source(diff, path);
	(void)confine_wholly();
	(void)compare_devices(&diff->report, &diff->old, limit, &diff->ranges, digest, &error);
	finish(diff, &error, digest, NULL);
}

/* The delta that turns the device that a map describes into the source. */
static void
diff_map(struct diff *diff, const char *path)
{
	static struct map_reader map;
	static struct input input;
	unsigned char digest[BLK128_SIZE];
	struct error error = { 0 };

	/* A delta takes what the source holds; a verdict is about its medium. */
	if (diff->options.report.form != REPORT_DELTA)
		diff->direct = SOURCE_MEDIUM;
	open_source(diff, path);
	if (!input_open_file(&input, diff->options.map, STDOUT_FILENO))
		err(2, "%s", diff->options.map);
	(void)confine_wholly();
	if (map_open(&map, &input, &error))
		(void)compare_map(&diff->report, &map, digest, &error);
	finish(diff, &error, digest, map.end.digest);
}

/* The writes to the origin since a snapshot of it was taken. */
static void
read_snapshot(struct diff *diff, const char *path)
{
	/* Asked once more, when all has been read, whether the snapshot is whole. */
	static const struct confine_rule control = { DM_CONTROL, CONFINE_READ | CONFINE_WRITE };
	static struct snapshot snapshot;
	struct error error = { 0 };
	uint64_t allocated, metadata;

	if (!snapshot_open(&snapshot, diff->options.snapshot, &error))
		fail(diff, &error);
	open_source(diff, path != NULL ? path : snapshot.origin_path);
	progress_phase("flushing", PROGRESS_UNKNOWN);
	if (!snapshot_fits(&snapshot, &diff->source, &error) ||
	    !snapshot_read(&snapshot, &diff->source, &diff->cow, &error))
		fail(diff, &error);
	(void)confine_paths(&control, 1);
	if (!snapshot.read_only && !diff->options.read_only && !diff->options.whole)
		progress_warn("%s: the snapshot can be written to: whole chunks are sent, unchecked",
		    diff->options.snapshot);
	/* An overflow meanwhile has dropped the old data that was compared with. */
	if (compare_store(&diff->report, &diff->cow, snapshot.size,
	    (snapshot.read_only || diff->options.read_only) && !diff->options.whole, &diff->ranges, &error))
		(void)snapshot_check(&snapshot, &allocated, &metadata, &error);
	finish(diff, &error, NULL, NULL);
}

/* The same from a store alone. */
static void
read_store(struct diff *diff, const char *path)
{
	struct error error = { 0 };

	open_source(diff, path);
	open_device(diff, &diff->store, diff->options.store);
	(void)confine_wholly();
	/* A write that is still in a cache is in no list. */
	if (diff->source.device && fsync(diff->source.fd) == -1)
		error_errno(&error, "%s: flush", diff->source.name);
	if (error.set || !cow_read(&diff->cow, &diff->store, diff->source.size, &error))
		fail(diff, &error);
	(void)compare_store(&diff->report, &diff->cow, diff->source.size,
	    diff->options.read_only && !diff->options.whole, &diff->ranges, &error);
	finish(diff, &error, NULL, NULL);
}

static void
read_changes(struct diff *diff, const char *path)
{
	struct changes_options list = { .era_block = diff->options.era_block };
	struct error error = { 0 };
	static struct input input;
	struct stat status;

	open_source(diff, path);
	if (!input_open_file(&input, diff->options.changes, -1))
		err(2, "%s", diff->options.changes);
	list.size = diff->source.size;
	if (list.era_block == 0 && diff->source.device && fstat(diff->source.fd, &status) == 0)
		list.era_block = dm_era_block(status.st_rdev);
	(void)confine_wholly();
	progress_phase("reading the list", PROGRESS_UNKNOWN);
	if (!changes_read(&input, &list, &diff->ranges, &error))
		fail(diff, &error);
	(void)report_send(&diff->report, &diff->ranges, STREAM_UNKNOWN, &error);
	finish(diff, &error, NULL, NULL);
}

static void
open_device(struct diff *diff, struct source *device, const char *path)
{
	struct error error = { 0 };

	if (!source_open(device, path, diff->direct, false, &error))
		fail(diff, &error);
	if (device->pipe)
		errx(2, "%s: a device or a file is wanted", device->name);
	if (diff->direct == SOURCE_MEDIUM)
		(void)source_look_behind(device, NULL, NULL, &error);
	evidence_add(&diff->evidence, device->name, device->fresh, device->lost);
}

/*
 * Open the device that is read, and settle which part of it.  Only before any path is given up can
 * be seen who has it open.
 */
static void
open_source(struct diff *diff, const char *path)
{
	static const struct confine_rule opening[] = { { "/", CONFINE_READ }, { DM_CONTROL, CONFINE_WRITE } };
	struct options *options = &diff->options;
	struct error error = { 0 }, note = { 0 };
	struct scan bounds = {
		.source = &diff->source, .offset = options->offset, .length = options->length
	};

	open_device(diff, &diff->source, path);
	if (!scan_bound(&bounds, &error))
		fail(diff, &error);
	options->length = bounds.length;
	source_share(&diff->source, options->offset, options->length,
	    options->live || options->report.form != REPORT_DELTA, "delta", &note);
	if (note.set)
		progress_warn("%s", note.text);
	report_source(&diff->report, &diff->source, options->offset, options->length);
	(void)confine_paths(opening, 2);
}

/* Close the stream or the list, or tell both sides what went wrong. */
static void
finish(struct diff *diff, const struct error *error, const unsigned char *digest,
    const unsigned char *base_digest)
{
	char line[5000];	/* of a path and more */

	if (error->set)
		fail(diff, error);
	progress_stop();
	if (!report_end(&diff->report, digest, base_digest)) {
		errno = report_errno(&diff->report);
		err(2, "standard output");
	}
	if (fflush(stdout) == EOF || ferror(stdout) || close(STDOUT_FILENO) == -1)
		err(2, "standard output");
	while (diff->options.report.form != REPORT_STATUS &&
	    evidence_next(&diff->evidence, line, sizeof(line)))
		warnx("%s", line);
	if (!diff->options.verbose || diff->options.report.form == REPORT_STATUS)
		return;
	report_line(&diff->report, digest, clock_seconds() - diff->started, line, sizeof(line));
	warnx("%s", line);
}

static void
fail(struct diff *diff, const struct error *error)
{
	progress_stop();
	if (error->number == EPIPE)
		signals_raise_pipe();
	report_abort(&diff->report, error->text);
	errx(2, "%s", error->text);
}
