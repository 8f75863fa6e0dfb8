/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * blksum: print digests of devices, images and streams, and check them.
 *
 * Success means that every file was read to its end and, with -c, that every digest
 * or the map agreed.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arguments.h"
#include "base/confine.h"
#include "base/error.h"
#include "base/io.h"
#include "base/pool.h"
#include "device/lock.h"
#include "device/source.h"
#include "hash/checksum.h"
#include "help/help.h"
#include "show/progress.h"
#include "show/warn.h"
#include "stream/map.h"
#include "stream/stream.h"
#include "sum/checklist.h"
#include "sum/mapsum.h"
#include "sum/sum.h"
#include "sum/sumline.h"

struct options {
	bool has_kind, check, map, medium, binary, tag, quiet, status, strict, warn, ignore_missing;
	enum checksum_kind kind;
	uint64_t grid;
	struct sum_range range;
};

struct context {
	struct options options;
	struct evidence evidence;
	struct sum_left *left;		/* files that a thread may still read */
};

static void parse_options(struct options *, int, char **);
static bool parse_option(int, struct options *, struct error *);
static int print_digests(struct context *, char **, int);
static int print_map(struct context *, const char *);
static int check_files(struct context *, char **, int);
static void print_verdict(void *, const char *, const char *, bool);
static void say(void *, enum checklist_about, const char *);
static int check_map(const struct options *, struct input *, const char *);
static void print_difference(void *, uint64_t, uint64_t);
static void check_output(void);
static bool digest_file(void *, const char *, enum checksum_kind, char *, struct error *);
static void check_device(const struct source *);
static void start_progress(void);

int
main(int argc, char **argv)
{
	/* Static: a thread may still look at it while the process exits. */
	static struct context context;
	const struct options *options = &context.options;
	static char *standard_input[] = { (char *)"-", NULL };
	char **files, line[5000];	/* of a path and more */
	int count, status;

	if (!io_claim_standard())
		err(2, "/dev/null");
	io_print_lines();
	parse_options(&context.options, argc, argv);
	(void)confine_reading();
	files = optind < argc ? argv + optind : standard_input;
	count = optind < argc ? argc - optind : 1;
	if (options->map && count > 1)
		help_errx(&help_blksum, "%s: --map makes the map of one file", files[1]);
	if (options->map || options->check || options->medium)
		context.options.range.evidence = &context.evidence;
	if (options->check)
		status = check_files(&context, files, count);
	else if (options->map)
		status = print_map(&context, files[0]);
	else
		status = print_digests(&context, files, count);
	if (fflush(stdout) == EOF || ferror(stdout) || close(STDOUT_FILENO) == -1)
		err(2, "standard output");
	while (!options->status && evidence_next(&context.evidence, line, sizeof(line)))
		warnx("%s", line);
	return status;
}

enum { TAG = 256, MAP, MEDIUM, BACKING, GRID, STATUS, STRICT, IGNORE_MISSING };

static const struct option names[] = {
	{ "algorithm", required_argument, NULL, 'a' },
	{ "check", no_argument, NULL, 'c' },
	{ "offset", required_argument, NULL, 'o' },
	{ "length", required_argument, NULL, 'l' },
	{ "jobs", required_argument, NULL, 'j' },
	{ "binary", no_argument, NULL, 'b' },
	{ "text", no_argument, NULL, 't' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "warn", no_argument, NULL, 'w' },
	{ "tag", no_argument, NULL, TAG },
	{ "map", no_argument, NULL, MAP },
	{ "backing", required_argument, NULL, BACKING },
	{ "medium", no_argument, NULL, MEDIUM },
	{ "grid", required_argument, NULL, GRID },
	{ "status", no_argument, NULL, STATUS },
	{ "strict", no_argument, NULL, STRICT },
	{ "ignore-missing", no_argument, NULL, IGNORE_MISSING },
	HELP_NAMES,
	{ NULL, 0, NULL, 0 }
};

static void
parse_options(struct options *options, int argc, char **argv)
{
	struct error error = { 0 };
	bool good = true;
	int option;

	options->range.length = UINT64_MAX;
	options->range.jobs = pool_processors() + 1;
	options->grid = BLK128_BLOCK;
	while (good && (option = getopt_long(argc, argv, "a:co:l:j:btqw" HELP_LETTERS, names, NULL)) != -1)
		good = parse_option(option, options, &error);
	if (!good)
		errx(2, "%s", error.text);
	if (options->map && (options->check ||
	    (options->kind != CHECKSUM_SHA256 && options->kind != CHECKSUM_BLK128)))
		errx(2, "--map goes with -a blk128 or -a sha256, and not with -c");
}

static bool
parse_option(int option, struct options *options, struct error *error)
{
	struct sum_range *range = &options->range;

	switch (option) {
	case 'c': options->check = true; break;
	case 'b': options->binary = true; break;
	case 't': options->binary = false; break;
	case 'q': options->quiet = true; break;
	case 'w': options->warn = true; break;
	case TAG: options->tag = true; break;
	case MAP: options->map = true; break;
	case BACKING: range->backing = optarg; break;
	case MEDIUM: options->medium = true; break;
	case STATUS: options->status = true; break;
	case STRICT: options->strict = true; break;
	case IGNORE_MISSING: options->ignore_missing = true; break;
	case 'o': return argument_size("-o", optarg, &range->offset, error);
	case 'l': return argument_size("-l", optarg, &range->length, error);
	case 'j': return argument_jobs(optarg, &range->jobs, error);
	case GRID:
		if (!argument_size("--grid", optarg, &options->grid, error))
			return false;
		return header_grid_fits(options->grid) ||
		    error_set(error, "--grid %s: not a power of two from 4K to 1M", optarg);
	case 'a':
		options->has_kind = checksum_find(optarg, strlen(optarg), &options->kind);
		return options->has_kind || error_set(error,
		    "-a %s: not blk128, xxh128, xxh64, md5, sha1, sha256 or sha512", optarg);
	case 'h':
	case 'V': exit(help_print(&help_blksum, option));
	default:
		help_usage(&help_blksum);
		exit(2);
	}
	return true;
}

static int
print_digests(struct context *context, char **files, int count)
{
	const struct options *options = &context->options;
	char digits[CHECKSUM_HEX];
	int i, status = 0;

	if (count == 1 && strcmp(files[0], "-") == 0)
		(void)confine_wholly();
	for (i = 0; i < count; i++) {
		struct error error = { 0 };

		if (digest_file(context, files[i], options->kind, digits, &error)) {
			sumline_print(stdout, options->kind, digits, files[i], options->binary, options->tag);
			check_output();
			continue;
		}
		warnx("%s", error.text);
		status = 2;
	}
	return status;
}

static int
print_map(struct context *context, const char *file)
{
	const struct options *options = &context->options;
	enum stream_hash hash = options->kind == CHECKSUM_SHA256 ? STREAM_SHA256 : STREAM_XXH3_128;
	uint32_t grid = (uint32_t)options->grid;
	static struct source source;	/* a thread may still wait for a pipe */
	struct error error = { 0 };
	bool stream = false, done;

	if (isatty(STDOUT_FILENO))
		errx(2, "a map is not written to a terminal");
	if (strcmp(file, "-") == 0)
		(void)confine_wholly();
	if (!sum_open(&source, file, &options->range, &error) || (strcmp(file, "-") == 0 &&
	    !stream_detect(&source.input, &stream, &error)))
		errx(2, "%s", error.text);
	if (!stream)
		check_device(&source);
	(void)confine_wholly();
	start_progress();
	done = stream ? sum_stream_map(&source.input, &options->range, grid, hash, &context->left, &error) :
	    mapsum_write(&source, &options->range, grid, hash, STDOUT_FILENO, &error);
	progress_stop();
	if (!done)
		errx(2, "%s", error.text);
	return 0;
}

/* Each file is a list of digests, or the first one is a map of the second. */
static int
check_files(struct context *context, char **files, int count)
{
	const struct options *options = &context->options;
	struct checklist list = {
		.has_kind = options->has_kind, .kind = options->kind, .strict = options->strict,
		.ignore_missing = options->ignore_missing, .digest = digest_file,
		.verdict = print_verdict, .say = say, .context = context
	};
	int i, status = 0;

	for (i = 0; i < count; i++) {
		struct error error = { 0 };
		struct input input;
		bool map;

		if (!input_open_file(&input, files[i], -1)) {
			warn("%s", files[i]);
			status = 2;
			continue;
		}
		if (!stream_detect(&input, &map, &error)) {
			warnx("%s", error.text);
			status = 2;
		} else if (map) {
			if (i > 0 || count > 2)
				errx(2, "%s: a map is checked alone, against one file", input.name);
			return check_map(options, &input, count == 2 ? files[1] : NULL);
		} else if (!checklist_run(&list, &input)) {
			status = 2;
		}
		input_close(&input);
	}
	if (list.total.unreadable > 0)
		status = 2;
	return status != 0 ? status : list.total.mismatched > 0 ? 1 : 0;
}

static void
print_verdict(void *argument, const char *name, const char *verdict, bool good)
{
	const struct context *context = argument;

	if (!context->options.status && !(good && context->options.quiet))
		sumline_print_verdict(stdout, name, verdict);
	check_output();
}

static void
say(void *argument, enum checklist_about about, const char *text)
{
	const struct options *options = &((const struct context *)argument)->options;

	if (about == CHECKLIST_LINE ? options->warn : about == CHECKLIST_TROUBLE || !options->status)
		warnx("%s", text);
}

/* Compare a file with a map and name the ranges that differ. */
static int
check_map(const struct options *options, struct input *input, const char *file)
{
	static struct map_reader map;
	struct mapsum_found found;
	struct error error = { 0 };
	struct source source;
	uint64_t end;
	bool silent = options->status, done;

	if (!map_open(&map, input, &error))
		errx(2, "%s", error.text);
	if (file == NULL && map.name[0] == '\0')
		errx(2, "%s: the map does not say of which file it is: name one", input->name);
	if (file == NULL)
		file = map.name;
	if (!sum_open(&source, file, &options->range, &error))
		errx(2, "%s", error.text);
	check_device(&source);
	(void)confine_wholly();
	start_progress();
	done = mapsum_compare(&source, &options->range, &map, print_difference, &silent, &found,
	    &error);
	progress_stop();
	if (!done)
		errx(2, "%s", error.text);
	end = options->range.offset + map.stream.header.size;
	if (source.device && options->range.length == UINT64_MAX && source.size > end && !options->status)
		warnx("%s: the %ju bytes beyond the map's %ju were not compared", file,
		    (uintmax_t)(source.size - end), (uintmax_t)map.stream.header.size);
	if (found.ranges > 0 && !options->status)
		warnx("WARNING: %s: %ju bytes in %ju range%s differ", file, (uintmax_t)found.bytes,
		    (uintmax_t)found.ranges, found.ranges == 1 ? "" : "s");
	else if (!options->status && !options->quiet)
		sumline_print_verdict(stdout, file, "OK");
	return found.ranges > 0 ? 1 : 0;
}

/* Print a range as blkdiff --changes reads it. */
static void
print_difference(void *context, uint64_t offset, uint64_t length)
{
	const bool *silent = context;

	if (*silent)
		return;
	progress_pause();
	printf("%ju %ju\n", (uintmax_t)offset, (uintmax_t)length);
	check_output();
	progress_resume();
}

/* A line was printed, and written at once: errno is of that. */
static void
check_output(void)
{
	if (ferror(stdout))
		err(2, "standard output");
}

static bool
digest_file(void *argument, const char *file, enum checksum_kind kind, char *digits,
    struct error *error)
{
	struct context *context = argument;
	bool done;

	start_progress();
	done = sum_file(file, &context->options.range, kind, digits, &context->left, error);
	progress_stop();
	return done;
}

/* A map is of what has a size and can be read anywhere. */
static void
check_device(const struct source *source)
{
	if (source->pipe)
		errx(2, "%s: a map is made of, and checked against, a device or a file", source->name);
	if (lock_for_reading(source->fd) == LOCK_WRITER)
		progress_warn("%s: another program has locked it for writing", source->name);
}

static void
start_progress(void)
{
	static const struct progress_options progress = {
		.program = "blksum", .delay = 2, .interval = 1
	};

	if (!progress_start(&progress))
		err(2, "threads");
}
