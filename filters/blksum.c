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
#include "device/source.h"
#include "hash/checksum.h"
#include "help/help.h"
#include "show/progress.h"
#include "show/warn.h"
#include "stream/container.h"
#include "stream/map.h"
#include "stream/stream.h"
#include "sum/checklist.h"
#include "sum/mapsum.h"
#include "sum/sum.h"
#include "sum/sumline.h"

struct options {
	bool has_kind, check, map, medium, quiet, status, strict, warn, ignore_missing;
	unsigned form;			/* SUMLINE_BINARY, and so on */
	struct sum_digests sums;	/* those of -a; none: blk128 */
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
static void check_options(const struct options *);
static int print_digests(struct context *, char **, int);
static void print_lines(const struct options *, const char *, bool);
static int print_map(struct context *, const char *);
static int check_files(struct context *, char **, int);
static void print_verdict(void *, const char *, const char *, bool);
static void say(void *, enum checklist_about, const char *);
static int check_map(const struct options *, struct input *, const char *);
static void print_difference(void *, uint64_t, uint64_t);
static void check_output(void);
static bool digest_file(void *, const char *, enum checksum_kind, char *, struct error *);
static void start_progress(void);

int
main(int argc, char **argv)
{
	/* Static: a thread may still look at it while the process exits. */
	static struct context context;
	const struct options *options = &context.options;
	char **files, line[5000];	/* of a path and more */
	int count, status;

	if (!io_claim_standard())
		err(2, "/dev/null");
	io_print_lines();
	parse_options(&context.options, argc, argv);
	(void)confine_reading();
	files = optind < argc ? argv + optind : (char *[]){ (char *)"-", NULL };
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
	{ "zero", no_argument, NULL, 'z' },
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
	while (good && (option = getopt_long(argc, argv, "a:co:l:j:btqwz" HELP_LETTERS, names, NULL)) != -1)
		good = parse_option(option, options, &error);
	if (!good)
		errx(2, "%s", error.text);
	check_options(options);
	options->has_kind = options->sums.count > 0;
	options->sums.count += !options->has_kind;	/* of kind 0, blk128 */
}

/* Refuse options that conflict, as md5sum does. */
static void
check_options(const struct options *options)
{
	const struct sum_digests *sums = &options->sums;

	if (!options->check && (options->quiet || options->status || options->warn || options->strict ||
	    options->ignore_missing))
		help_errx(&help_blksum, "-q, -w, --ignore-missing, --status and --strict go with -c");
	if (options->map && (options->check || sums->count > 1 || (sums->count == 1 &&
	    sums->kinds[0] != CHECKSUM_SHA256 && sums->kinds[0] != CHECKSUM_BLK128)))
		errx(2, "--map goes with -a blk128 or -a sha256, and not with -c");
	if (options->check && sums->count > 1)
		help_errx(&help_blksum, "-c takes one -a, the algorithm of digests without a prefix");
	if ((options->form & SUMLINE_ZERO) != 0 && (options->check || options->map))
		help_errx(&help_blksum, "-z goes with digests that are printed");
}

static bool
parse_option(int option, struct options *options, struct error *error)
{
	struct sum_range *range = &options->range;

	switch (option) {
	case 'c': options->check = true; break;
	case 'b': options->form |= SUMLINE_BINARY; break;
	case 't': options->form &= ~SUMLINE_BINARY; break;
	case 'z': options->form |= SUMLINE_ZERO; break;
	case 'q': options->quiet = true; break;
	case 'w': options->warn = true; break;
	case TAG: options->form |= SUMLINE_TAG; break;
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
		return argument_size("--grid", optarg, &options->grid, error) && (header_grid_fits(options->grid) ||
		    error_set(error, "--grid %s: not a power of two from 4K to 1M", optarg));
	case 'a': return sum_add_kind(&options->sums, optarg, error);
	default:
		exit(help_answer(&help_blksum, option));
	}
	return true;
}

static int
print_digests(struct context *context, char **files, int count)
{
	struct options *options = &context->options;
	struct sum_digests *sums = &options->sums;
	const struct container *container = NULL;
	int i, status = 0;

	if (count == 1 && strcmp(files[0], "-") == 0)
		(void)confine_wholly();
	options->range.holds = &container;
	start_progress();
	for (i = 0; i < count; i++) {
		struct error error = { 0 };
		bool done = sum_file(files[i], &options->range, sums, &context->left, &error);

		progress_pause();
		if (done) {
			print_lines(options, files[i], container != NULL && container->stream);
		} else {
			warnx("%s", error.text);
			status = 2;
		}
		progress_resume();
	}
	progress_stop();
	return status;
}

/*
 * A line for each digest of the file.  Where that holds a stream they change with each run of blkread,
 * and the disk's are nearly always meant.
 */
static void
print_lines(const struct options *options, const char *file, bool stream)
{
	const struct sum_digests *sums = &options->sums;
	unsigned i;

	for (i = 0; i < sums->count; i++)
		sumline_print(stdout, sums->kinds[i], sums->digits[i], file, options->form);
	/* stdio does not flush at the end of a line that ends with a zero byte. */
	if ((options->form & SUMLINE_ZERO) != 0)
		(void)fflush(stdout);
	check_output();
	if (stream && strcmp(file, "-") != 0)
		warnx("%s: this is a block stream, and its bytes were digested; blksum <%s digests the disk in it",
		    file, file);
}

static int
print_map(struct context *context, const char *file)
{
	const struct options *options = &context->options;
	enum stream_hash hash = options->sums.kinds[0] == CHECKSUM_SHA256 ? STREAM_SHA256 : STREAM_XXH3_128;
	uint32_t grid = (uint32_t)options->grid;
	static struct source source;	/* a thread may still wait for a pipe */
	struct error error = { 0 };
	bool stream = false, locked = false, done;

	if (isatty(STDOUT_FILENO))
		errx(2, "a map is not written to a terminal");
	if (strcmp(file, "-") == 0)
		(void)confine_wholly();
	if (!sum_open(&source, file, &options->range, &error) || (strcmp(file, "-") == 0 &&
	    !stream_detect(&source.input, &stream, &error)) ||
	    (!stream && !mapsum_may_read(&source, &locked, &error)))
		errx(2, "%s", error.text);
	if (locked)
		warnx("%s: another program has locked it for writing", source.name);
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
		.has_kind = options->has_kind, .kind = options->sums.kinds[0], .strict = options->strict,
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
		if (!stream_detect(&input, &map, &error))
			warnx("%s", error.text);
		else if (map && (i > 0 || count > 2))
			errx(2, "%s: a map is checked alone, against one file", input.name);
		else if (map)
			return check_map(options, &input, count == 2 ? files[1] : NULL);
		else
			start_progress();
		if (error.set || !checklist_run(&list, &input))
			status = 2;
		progress_stop();
		input_close(&input);
	}
	return status != 0 || list.total.unreadable > 0 ? 2 : list.total.mismatched > 0 ? 1 : 0;
}

static void
print_verdict(void *argument, const char *name, const char *verdict, bool good)
{
	const struct context *context = argument;

	if (context->options.status || (good && context->options.quiet))
		return;
	progress_pause();
	sumline_print_verdict(stdout, name, verdict);
	check_output();
	progress_resume();
}

static void
say(void *argument, enum checklist_about about, const char *text)
{
	const struct options *options = &((const struct context *)argument)->options;

	if (about == CHECKLIST_LINE ? options->warn : about == CHECKLIST_TROUBLE || !options->status)
		progress_warn("%s", text);
}

/* Compare a file with a map and name the ranges that differ. */
static int
check_map(const struct options *options, struct input *input, const char *file)
{
	static struct mapsum_check check;	/* a thread may still wait for a pipe */
	struct error error = { 0 };
	bool silent = options->status, done;
	char line[5000];	/* of a path and more */

	if (!mapsum_check_open(&check, input, file, &options->range, &error))
		errx(2, "%s", error.text);
	if (check.locked)
		warnx("%s: another program has locked it for writing", check.file);
	(void)confine_wholly();
	start_progress();
	done = mapsum_check_run(&check, print_difference, &silent, &error);
	progress_stop();
	if (!done)
		errx(2, "%s", error.text);
	while (!options->status && mapsum_check_next(&check, line, sizeof(line)))
		warnx("%s", line);
	if (check.found.ranges == 0 && !options->status && !options->quiet)
		sumline_print_verdict(stdout, check.file, "OK");
	return check.found.ranges > 0 ? 1 : 0;
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
	struct sum_digests sums = { .count = 1, .kinds = { kind } };

	if (!sum_file(file, &context->options.range, &sums, &context->left, error))
		return false;
	strcpy(digits, sums.digits[0]);
	return true;
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
