/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * blkzip: compress or decompress a block stream, or raw bytes as gzip does.
 *
 * Success means that the input was whole as far as its format can tell, that every
 * checksum on the way held, and that all of the output was taken.
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
#include "base/size.h"
#include "help/help.h"
#include "pipe/input.h"
#include "pipe/wait.h"
#include "show/progress.h"
#include "show/signals.h"
#include "show/warn.h"
#include "stream/stream.h"
#include "zip/gzip.h"
#include "zip/zip.h"

struct options {
	bool raw;		/* a block stream is bytes like others */
	bool adapt, store, verbose, force, list, single;
	int level;		/* 0: not given */
};

static void parse_options(int, char **, struct options *, struct zip *);
static void parse_option(int, struct options *, struct zip *);
static enum record_codec parse_method(const char *);
static void check_options(const struct options *, const struct zip *);
static void open_input(struct input *, const char *, const struct zip *, bool);
static bool engine_run(struct zip *, const struct options *, struct error *);
static uint64_t input_size(const struct input *);
static void print_list(const struct zip *);
static void finish(const struct zip *, const struct options *, double);
static void fail(const struct error *) __attribute__((noreturn));

int
main(int argc, char **argv)
{
	static struct zip zip = { .action = ZIP_COMPRESS, .method = RECORD_DEFLATE, .output = STDOUT_FILENO };
	static struct input input;
	struct options options = { 0 };
	struct progress_options progress = { .program = "blkzip", .delay = 2, .interval = 1 };
	struct error error = { 0 };
	double start = clock_seconds();

	if (!io_claim_standard())
		err(2, "/dev/null");
	parse_options(argc, argv, &options, &zip);
	open_input(&input, optind < argc ? argv[optind] : "-", &zip, options.force);
	(void)confine_wholly();
	zip.input = &input;
	/* Other stages of a pipeline know more, and draw first. */
	if (is_pipe(STDOUT_FILENO))
		progress.delay = 4;
	if (!progress_start(&progress))
		err(2, "threads");
	if (options.adapt) {
		zip.load = load_create(zip.level, pool_processors());
		if (zip.load == NULL)
			err(2, "memory");
	}
	if (!engine_run(&zip, &options, &error))
		fail(&error);
	finish(&zip, &options, clock_seconds() - start);
	return 0;
}

enum { ADAPT = 256, STORE, SINGLE };

static const struct option names[] = {
	{ "adapt", no_argument, NULL, ADAPT },
	{ "best", no_argument, NULL, '9' },
	{ "decompress", no_argument, NULL, 'd' },
	{ "fast", no_argument, NULL, '1' },
	{ "force", no_argument, NULL, 'f' },
	{ "jobs", required_argument, NULL, 'j' },
	{ "keep", no_argument, NULL, 'k' },
	{ "list", no_argument, NULL, 'l' },
	{ "method", required_argument, NULL, 'm' },
	{ "no-name", no_argument, NULL, 'n' },
	{ "processes", required_argument, NULL, 'p' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "raw", no_argument, NULL, 'r' },
	{ "single", no_argument, NULL, SINGLE },
	{ "stdout", no_argument, NULL, 'c' },
	{ "store", no_argument, NULL, STORE },
	{ "test", no_argument, NULL, 't' },
	{ "threads", required_argument, NULL, 'j' },
	{ "verbose", no_argument, NULL, 'v' },
	HELP_NAMES,
	{ NULL, 0, NULL, 0 }
};

static void
parse_options(int argc, char **argv, struct options *options, struct zip *zip)
{
	int option;

	while ((option = getopt_long(argc, argv, "123456789cdfj:klm:np:qrtv" HELP_LETTERS, names, NULL)) != -1)
		parse_option(option, options, zip);
	if (argc - optind > 1)
		help_errx(&help_blkzip, "%s: one file at a time, to standard output: blkzip file >file.gz",
		    argv[optind + 1]);
	check_options(options, zip);
	if (options->level != 0)
		zip->level = options->level;
	else
		zip->level = options->store ? 0 : options->adapt ? 9 : 1;
	if (zip->threads == 0)
		zip->threads = pool_processors() + 1;
}

static void
parse_option(int option, struct options *options, struct zip *zip)
{
	struct error error = { 0 };

	switch (option) {
	case '1': case '2': case '3': case '4': case '5':
	case '6': case '7': case '8': case '9':
		options->level = option - '0';
		break;
	case 'c': case 'k': case 'n': case 'q':
		break;			/* gzip's letters for what is done anyway */
	case 'f': options->force = true; break;
	case 'l':
		options->list = true;
		zip->action = ZIP_TEST;
		break;
	case 'd':
		if (zip->action != ZIP_TEST)
			zip->action = ZIP_DECOMPRESS;
		break;
	case 'j': case 'p':
		if (!argument_jobs(optarg, &zip->threads, &error))
			errx(2, "%s", error.text);
		break;
	case 'm': zip->method = parse_method(optarg); break;
	case 'r': options->raw = true; break;
	case 't': zip->action = ZIP_TEST; break;
	case 'v': options->verbose = true; break;
	case ADAPT: options->adapt = true; break;
	case STORE: options->store = true; break;
	case SINGLE: options->single = true; break;
	default:
		exit(help_answer(&help_blkzip, option));
	}
}

static enum record_codec
parse_method(const char *name)
{
	if (strcmp(name, "deflate") == 0)
		return RECORD_DEFLATE;
	if (strcmp(name, "zstd") != 0)
		errx(2, "%s: the methods are deflate and zstd", name);
	if (!codec_has(RECORD_ZSTD))
		errx(2, "zstd: this program was built without it");
	return RECORD_ZSTD;
}

/* Refuse options that conflict, or whose output would go where nobody wants it. */
static void
check_options(const struct options *options, const struct zip *zip)
{
	if (options->adapt && options->store)
		errx(2, "--adapt and --store exclude each other");
	if (options->store && options->level != 0)
		errx(2, "--store and -%d exclude each other", options->level);
	if (options->single && (options->adapt || zip->action != ZIP_COMPRESS))
		errx(2, "--single compresses, at one level: it goes with neither --adapt, -d, -l nor -t");
	if (zip->action == ZIP_COMPRESS && isatty(STDOUT_FILENO) && !options->force)
		errx(2, "compressed data is not written to a terminal");
}

static void
open_input(struct input *input, const char *name, const struct zip *zip, bool force)
{
	if (!input_open_file(input, name, zip->action == ZIP_TEST ? -1 : STDOUT_FILENO))
		err(2, "%s", name);
	if (zip->action != ZIP_COMPRESS && isatty(input->fd) && !force)
		errx(2, "%s: compressed data is not read from a terminal", input->name);
	pipe_widen(STDOUT_FILENO);
}

/* Look at the input, and give it to the engine that understands it. */
static bool
engine_run(struct zip *zip, const struct options *options, struct error *error)
{
	static const char *const what[] = { "compressing", "decompressing", "testing" };
	bool stream = false;

	if (!options->raw && !stream_detect(zip->input, &stream, error))
		return false;
	progress_phase(what[zip->action], stream ? PROGRESS_UNKNOWN : input_size(zip->input));
	if (stream && zip->action == ZIP_DECOMPRESS && isatty(zip->output))
		return error_set(error, "a block stream is not written to a terminal");
	if (stream && options->single)
		return error_set(error, "%s: a block stream, which has no members: --single goes with raw bytes (-r takes "
		    "the stream for such)", zip->input->name);
	if (stream)
		return recode_run(zip, error);
	if (zip->action == ZIP_COMPRESS && zip->method == RECORD_ZSTD)
		return error_set(error, "%s: not a block stream; only that is compressed with zstd, "
		    "raw bytes become gzip", zip->input->name);
	if (zip->action != ZIP_COMPRESS)
		return inflater_run(zip, error);
	return options->single ? single_run(zip, error) : deflater_run(zip, error);
}

/* Bytes to come, where the input is a file. */
static uint64_t
input_size(const struct input *input)
{
	struct stat status;
	off_t at;

	if (fstat(input->fd, &status) == -1 || !S_ISREG(status.st_mode))
		return PROGRESS_UNKNOWN;
	at = lseek(input->fd, 0, SEEK_CUR);
	return at == -1 || at > status.st_size ? PROGRESS_UNKNOWN : (uint64_t)(status.st_size - at);
}

/* As gzip -l, but true for several members and for more than 4 GiB, since all of it was read. */
static void
print_list(const struct zip *zip)
{
	uint64_t packed = zip->input->position, plain = zip->plain > 0 ? zip->plain : zip->written;
	double saved = plain > 0 ? 100 - (double)packed * 100 / (double)plain : 0;
	const char *name = zip->input->fd == STDIN_FILENO ? "stdout" : zip->input->name;
	size_t length = strlen(name);

	if (length > 3 && strcmp(name + length - 3, ".gz") == 0)
		length -= 3;
	printf("         compressed        uncompressed  ratio uncompressed_name\n");
	printf("%19ju %19ju %5.1f%% %.*s\n", (uintmax_t)packed, (uintmax_t)plain, saved, (int)length, name);
}

static void
finish(const struct zip *zip, const struct options *options, double seconds)
{
	char in[16], out[16], rate[16];
	uint64_t read = zip->input->position, larger = read > zip->written ? read : zip->written;

	progress_stop();
	if (options->list)
		print_list(zip);
	if (fflush(stdout) == EOF || ferror(stdout) ||
	    ((options->list || zip->action != ZIP_TEST) && close(STDOUT_FILENO) == -1))
		err(2, "standard output");
	if (!options->verbose)
		return;
	size_format(in, sizeof(in), read);
	size_format(out, sizeof(out), zip->written);
	size_format_rate(rate, sizeof(rate), larger, seconds);
	if (zip->action == ZIP_TEST)
		warnx("%s: whole, %s in %.1f s", zip->input->name, in, seconds);
	else
		fprintf(stderr, "blkzip: %s became %s in %.1f s, %s/s\n", in, out, seconds, rate);
}

static void
fail(const struct error *error)
{
	progress_stop();
	if (error->number == EPIPE)
		signals_raise_pipe();
	errx(2, "%s", error->text);
}
