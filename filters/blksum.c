/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * blksum: print digests of devices, images and streams, and check them.
 *
 * Success means that every file was read to its end and, with -c, that every digest
 * or map agreed.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arguments.h"
#include "checksum.h"
#include "error.h"
#include "io.h"
#include "map.h"
#include "pool.h"
#include "progress.h"
#include "size.h"
#include "source.h"
#include "sum.h"
#include "sumline.h"

/* A longer line of a list is none. */
#define LINE_MAX_BYTES	65536

struct options {
	bool has_kind, check, map, binary, tag, quiet, status, strict, warn, ignore_missing;
	enum checksum_kind kind;
	uint64_t grid;
	struct sum_range range;
};

/* What -c met. */
struct tally {
	uint64_t verified, mismatched, unreadable;
};

static struct options options;

static void parse_options(int, char **);
static int print_digests(char **, int);
static int print_map(const char *);
static int check_lists(char **, int);
static bool check_list(struct input *, struct tally *);
static void check_line(const struct sumline *, struct tally *);
static int check_map(struct input *, const char *);
static void print_difference(void *, uint64_t, uint64_t);
static bool digest_file(const char *, enum checksum_kind, char *, struct error *);
static bool open_file(const char *, struct source *, struct error *);
static void start_progress(void);
static void usage(void) __attribute__((noreturn));

int
main(int argc, char **argv)
{
	static char *standard_input[] = { (char *)"-", NULL };
	char **files;
	int count, status;

	if (!io_claim_standard())
		err(2, "/dev/null");
	parse_options(argc, argv);
	files = argv + optind;
	count = argc - optind;
	if (count == 0) {
		files = standard_input;
		count = 1;
	}
	if (options.check)
		status = check_lists(files, count);
	else if (options.map)
		status = count == 1 ? print_map(files[0]) : (usage(), 2);
	else
		status = print_digests(files, count);
	if (fflush(stdout) == EOF || close(STDOUT_FILENO) == -1)
		err(2, "standard output");
	return status;
}

static void
parse_options(int argc, char **argv)
{
	enum { TAG = 256, MAP, GRID, STATUS, STRICT, IGNORE_MISSING };
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
		{ "grid", required_argument, NULL, GRID },
		{ "status", no_argument, NULL, STATUS },
		{ "strict", no_argument, NULL, STRICT },
		{ "ignore-missing", no_argument, NULL, IGNORE_MISSING },
		{ NULL, 0, NULL, 0 }
	};
	struct error error = { 0 };
	bool good = true;
	int option;

	options.range.length = UINT64_MAX;
	options.range.jobs = pool_processors() + 1;
	options.grid = DIGEST_BLOCK;
	while (good && (option = getopt_long(argc, argv, "a:co:l:j:btqw", names, NULL)) != -1)
		switch (option) {
		case 'c': options.check = true; break;
		case 'b': options.binary = true; break;
		case 't': options.binary = false; break;
		case 'q': options.quiet = true; break;
		case 'w': options.warn = true; break;
		case TAG: options.tag = true; break;
		case MAP: options.map = true; break;
		case STATUS: options.status = true; break;
		case STRICT: options.strict = true; break;
		case IGNORE_MISSING: options.ignore_missing = true; break;
		case 'o': good = argument_size("-o", optarg, &options.range.offset, &error); break;
		case 'l': good = argument_size("-l", optarg, &options.range.length, &error); break;
		case 'j': good = argument_jobs(optarg, &options.range.jobs, &error); break;
		case GRID:
			good = argument_size("--grid", optarg, &options.grid, &error);
			if (good && (options.grid < STREAM_GRID_MIN || options.grid > STREAM_GRID_MAX ||
			    (options.grid & (options.grid - 1)) != 0))
				errx(2, "--grid %s: not a power of two from 4K to 1M", optarg);
			break;
		case 'a':
			options.has_kind = true;
			if (!checksum_find(optarg, strlen(optarg), &options.kind))
				errx(2, "-a %s: not blk128, xxh128, xxh64, md5, sha1, sha256 or sha512",
				    optarg);
			break;
		default:
			usage();
		}
	if (!good)
		errx(2, "%s", error.text);
	if (options.map && (options.check || (options.has_kind &&
	    options.kind != CHECKSUM_SHA256 && options.kind != CHECKSUM_BLK128)))
		errx(2, "--map goes with -a blk128 or -a sha256, and not with -c");
}

static int
print_digests(char **files, int count)
{
	char digits[CHECKSUM_HEX];
	int i, status = 0;

	for (i = 0; i < count; i++) {
		struct error error = { 0 };

		if (!digest_file(files[i], options.kind, digits, &error)) {
			warnx("%s", error.text);
			status = 2;
			continue;
		}
		sumline_print(stdout, options.kind, digits, files[i], options.binary, options.tag);
	}
	return status;
}

static int
print_map(const char *file)
{
	struct error error = { 0 };
	struct source source;
	bool done;

	if (isatty(STDOUT_FILENO))
		errx(2, "a map is not written to a terminal");
	if (!open_file(file, &source, &error))
		errx(2, "%s", error.text);
	if (source.pipe)
		errx(2, "--map: a device or a file is wanted, its size is needed first");
	start_progress();
	done = sum_map(&source, &options.range, (uint32_t)options.grid,
	    options.kind == CHECKSUM_SHA256 ? STREAM_SHA256 : STREAM_XXH3_128, STDOUT_FILENO, &error);
	progress_stop();
	source_close(&source);
	if (!done)
		errx(2, "%s", error.text);
	return 0;
}

/* Each file is a list of digests, or the first one is a map of the second. */
static int
check_lists(char **files, int count)
{
	struct tally tally = { 0 };
	int i, fd, status = 0;

	for (i = 0; i < count; i++) {
		bool standard = strcmp(files[i], "-") == 0;
		const char *name = standard ? "standard input" : files[i];
		struct input input;

		fd = standard ? STDIN_FILENO : open(files[i], O_RDONLY | O_CLOEXEC);
		if (fd == -1)
			err(2, "%s", files[i]);
		input_open(&input, fd, -1, name);
		if (stream_detect(&input)) {
			if (i > 0 || count > 2)
				errx(2, "%s: a map is checked alone, against one file", name);
			return check_map(&input, count == 2 ? files[1] : NULL);
		}
		if (!check_list(&input, &tally))
			status = 2;
		if (!standard)
			close(fd);
	}
	if (tally.unreadable > 0)
		status = 2;
	return status != 0 ? status : tally.mismatched > 0 ? 1 : 0;
}

/* Check the files of one list.  False if it was none, or had lines that are none. */
static bool
check_list(struct input *input, struct tally *tally)
{
	static char line[LINE_MAX_BYTES];
	struct tally before = *tally;
	struct sumline sum;
	uint64_t number = 0, good = 0, malformed = 0;
	ssize_t n;

	while ((n = input_line(input, line, sizeof(line))) != -1) {
		number++;
		if (n > 0 && line[n < (ssize_t)sizeof(line) ? n - 1 : 0] == '\r')
			line[n - 1] = '\0';
		if (n < (ssize_t)sizeof(line) && strlen(line) + 1 >= (size_t)n &&
		    sumline_parse(line, options.has_kind, options.kind, &sum)) {
			good++;
			check_line(&sum, tally);
			continue;
		}
		malformed++;
		if (options.warn)
			warnx("%s: %ju: improperly formatted checksum line", input->name,
			    (uintmax_t)number);
	}
	if (errno != 0)
		err(2, "%s", input->name);
	if (good == 0) {
		warnx("%s: no properly formatted checksum lines found", input->name);
		return false;
	}
	if (options.status)
		return !options.strict || malformed == 0;
	if (malformed > 0)
		warnx("WARNING: %ju line%s improperly formatted", (uintmax_t)malformed,
		    malformed == 1 ? " is" : "s are");
	if (tally->unreadable > before.unreadable)
		warnx("WARNING: %ju listed file%s could not be read",
		    (uintmax_t)(tally->unreadable - before.unreadable),
		    tally->unreadable - before.unreadable == 1 ? "" : "s");
	if (tally->mismatched > before.mismatched)
		warnx("WARNING: %ju computed checksum%s did NOT match",
		    (uintmax_t)(tally->mismatched - before.mismatched),
		    tally->mismatched - before.mismatched == 1 ? "" : "s");
	if (options.ignore_missing && tally->verified == before.verified &&
	    tally->mismatched == before.mismatched && tally->unreadable == before.unreadable) {
		warnx("%s: no file was verified", input->name);
		return false;
	}
	return !options.strict || malformed == 0;
}

static void
check_line(const struct sumline *sum, struct tally *tally)
{
	char digits[CHECKSUM_HEX];
	struct error error = { 0 };
	const char *verdict;

	if (!digest_file(sum->name, sum->kind, digits, &error)) {
		if (options.ignore_missing && error.number == ENOENT)
			return;
		warnx("%s", error.text);
		tally->unreadable++;
		verdict = "FAILED open or read";
	} else if (strcmp(digits, sum->digits) != 0) {
		tally->mismatched++;
		verdict = "FAILED";
	} else {
		tally->verified++;
		verdict = "OK";
		if (options.quiet)
			return;
	}
	if (!options.status)
		sumline_print_verdict(stdout, sum->name, verdict);
}

struct differences {
	const char *name;
	uint64_t ranges, bytes;
};

/* Compare a file with a map and name the ranges that differ. */
static int
check_map(struct input *input, const char *file)
{
	static struct map_reader map;
	struct differences differences = { 0 };
	struct error error = { 0 };
	struct source source;

	if (!map_open(&map, input, &error))
		errx(2, "%s", error.text);
	if (file == NULL && map.name[0] == '\0')
		errx(2, "%s: the map does not say of which file it is: name one", input->name);
	differences.name = file != NULL ? file : map.name;
	if (!open_file(differences.name, &source, &error))
		errx(2, "%s", error.text);
	if (source.pipe)
		errx(2, "-c: a map is checked against a device or a file");
	start_progress();
	if (!sum_compare(&source, &options.range, &map, print_difference, &differences, &error)) {
		progress_stop();
		errx(2, "%s", error.text);
	}
	progress_stop();
	source_close(&source);
	if (differences.ranges == 0) {
		if (!options.status && !options.quiet)
			sumline_print_verdict(stdout, differences.name, "OK");
		return 0;
	}
	if (!options.status) {
		sumline_print_verdict(stdout, differences.name, "FAILED");
		warnx("WARNING: %ju bytes in %ju range%s differ", (uintmax_t)differences.bytes,
		    (uintmax_t)differences.ranges, differences.ranges == 1 ? "" : "s");
	}
	return 1;
}

static void
print_difference(void *context, uint64_t offset, uint64_t length)
{
	struct differences *differences = context;

	differences->ranges++;
	differences->bytes += length;
	if (!options.status)
		printf("%ju %ju\n", (uintmax_t)offset, (uintmax_t)length);
}

static bool
digest_file(const char *file, enum checksum_kind kind, char *digits, struct error *error)
{
	struct source source;
	struct input input;
	bool done;

	if (!open_file(file, &source, error))
		return false;
	start_progress();
	if (source.pipe) {
		input_open(&input, STDIN_FILENO, -1, source.name);
		done = sum_input(&input, &options.range, kind, digits, error);
	} else
		done = sum_source(&source, &options.range, kind, digits, error);
	progress_stop();
	source_close(&source);
	return done;
}

static bool
open_file(const char *file, struct source *source, struct error *error)
{
	return source_open(source, file, SOURCE_DIRECT_AUTO, false, error);
}

static void
start_progress(void)
{
	static const struct progress_options progress = {
		.program = "blksum", .delay = 2, .interval = 1
	};

	if (!progress_start(&progress, NULL))
		err(2, "threads");
}

static void
usage(void)
{
	fprintf(stderr, "usage: blksum [-bcqtw] [-a algorithm] [-j jobs] [-l length] [-o offset]\n"
	    "              [--grid size] [--ignore-missing] [--map] [--status] [--strict]\n"
	    "              [--tag] [file ...]\n");
	exit(2);
}
