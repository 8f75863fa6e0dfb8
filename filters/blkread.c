/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * blkread: read a device and write it to standard output as a block stream.
 *
 * Success means that every byte of the range was read and that the stream left
 * whole, its END record included.
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
#include "device/identity.h"
#include "device/partition.h"
#include "device/source.h"
#include "help/help.h"
#include "pipe/wait.h"
#include "read/image.h"
#include "read/losses.h"
#include "read/raw.h"
#include "read/scan.h"
#include "show/progress.h"
#include "show/signals.h"
#include "show/warn.h"
#include "stream/container.h"
#include "stream/id.h"

struct options {
	bool raw, verbose, trust_holes, has_id, live, force;
	unsigned partition;	/* 0: the whole file */
	enum source_direct direct;
};

struct reading {
	struct options options;
	struct source source;
	struct scan scan;
	struct stream_header header;
	struct image image;
	struct raw raw;
	struct losses losses;
	bool begun;			/* the header has left */
	bool refused;			/* for its first bytes: nothing may leave */
	int write_errno;		/* standard output failed */
};

static void parse_options(struct reading *, int, char **);
static bool parse_option(int, struct reading *, struct error *);
static void find_operand(int, char **);
static void open_source(struct reading *, const char *);
static bool read_stream(struct reading *, struct error *);
static bool begin_stream(struct reading *);
static bool read_raw(struct reading *, struct error *);
static void work(void *, struct scan_chunk *);
static bool begins_well(struct reading *, struct scan_chunk *);
static bool give(void *, struct scan_chunk *);
static bool give_raw(void *, struct scan_chunk *);
static bool interrupted(void *, int, char *, size_t);
static void report(const struct reading *, double);
static void fail(const struct reading *, const struct error *) __attribute__((noreturn));

int
main(int argc, char **argv)
{
	/* Static: a thread may still look at it while the process exits. */
	static struct reading reading;
	const struct progress_options progress = {
		.program = "blkread", .delay = 2, .interval = 1, .on_signal = interrupted, .context = &reading
	};
	struct error error = { 0 };
	double started = clock_seconds();
	bool done;

	if (!io_claim_standard())
		err(2, "/dev/null");
	parse_options(&reading, argc, argv);
	if (!reading.options.raw && isatty(STDOUT_FILENO))
		errx(2, "a block stream is not written to a terminal (-r writes plain bytes)");
	open_source(&reading, optind < argc ? argv[optind] : "/dev/stdin");
	(void)confine_wholly();
	if (!progress_start(&progress))
		err(2, "threads");
	progress_phase("reading", reading.scan.length);
	pipe_widen(STDOUT_FILENO);
	done = reading.options.raw ? read_raw(&reading, &error) : read_stream(&reading, &error);
	losses_end(&reading.losses);
	if (!done)
		fail(&reading, &error);
	progress_stop();
	if (close(STDOUT_FILENO) == -1)
		err(2, "standard output");
	if (reading.options.verbose)
		report(&reading, clock_seconds() - started);
	if (reading.losses.ranges == 0)
		return 0;
	warnx("%s: %ju bytes in %ju range%s could not be read; zeros stand in their place",
	    reading.source.name, (uintmax_t)reading.losses.bytes,
	    (uintmax_t)reading.losses.ranges, reading.losses.ranges == 1 ? "" : "s");
	return 2;
}

enum { DIRECT = 256, TRUST_HOLES, SKIP_BAD, ID, LIVE, FORCE, PARTITION };

static const struct option names[] = {
	{ "raw", no_argument, NULL, 'r' },
	{ "offset", required_argument, NULL, 'o' },
	{ "length", required_argument, NULL, 'l' },
	{ "jobs", required_argument, NULL, 'j' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "direct", required_argument, NULL, DIRECT },
	{ "trust-holes", no_argument, NULL, TRUST_HOLES },
	{ "skip-bad", no_argument, NULL, SKIP_BAD },
	{ "id", required_argument, NULL, ID },
	{ "live", no_argument, NULL, LIVE },
	{ "force", no_argument, NULL, FORCE },
	{ "partition", required_argument, NULL, PARTITION },
	HELP_NAMES,
	{ NULL, 0, NULL, 0 }
};

static void
parse_options(struct reading *reading, int argc, char **argv)
{
	struct error error = { 0 };
	bool good = true;
	int option;

	reading->scan.length = UINT64_MAX;
	header_init(&reading->header, STREAM_IMAGE, STREAM_UNKNOWN);
	while (good && (option = getopt_long(argc, argv, "ro:l:j:v" HELP_LETTERS, names, NULL)) != -1)
		good = parse_option(option, reading, &error);
	if (!good)
		errx(2, "%s", error.text);
	find_operand(argc, argv);
	if (reading->options.raw && reading->options.has_id)
		errx(2, "--id: raw bytes carry no id");
}

/* Without an operand a file or device on standard input is read; not what a script left there. */
static void
find_operand(int argc, char **argv)
{
	struct stat status;

	if (argc - optind > 1)
		help_errx(&help_blkread, "%s: only one file is read", argv[optind + 1]);
	if (optind < argc || (fstat(STDIN_FILENO, &status) == 0 &&
	    (S_ISREG(status.st_mode) || S_ISBLK(status.st_mode)) && lseek(STDIN_FILENO, 0, SEEK_CUR) == 0))
		return;
	help_errx(&help_blkread, "which disk? name a device or a file; `-' reads a pipe");
}

static bool
parse_option(int option, struct reading *reading, struct error *error)
{
	struct options *options = &reading->options;
	struct scan *scan = &reading->scan;

	switch (option) {
	case 'r': options->raw = true; break;
	case 'v': options->verbose = true; break;
	case 'o': return argument_size("-o", optarg, &scan->offset, error);
	case 'l': return argument_size("-l", optarg, &scan->length, error);
	case 'j': return argument_jobs(optarg, &scan->jobs, error);
	case TRUST_HOLES: options->trust_holes = true; break;
	case SKIP_BAD: scan->skip_bad = true; break;
	case LIVE: options->live = true; break;
	case FORCE: options->force = true; break;
	case PARTITION: return partition_parse(optarg, &options->partition, error);
	case ID:
		options->has_id = true;
		return id_load(optarg, reading->header.id, error);
	case DIRECT:
		return source_direct_find(optarg, &options->direct) ||
		    error_set(error, "--direct %s: not auto, always or never", optarg);
	default:
		exit(help_answer(&help_blkread, option));
	}
	return true;
}

static void
open_source(struct reading *reading, const char *path)
{
	struct source *source = &reading->source;
	struct scan *scan = &reading->scan;
	struct error error = { 0 }, note = { 0 };

	scan->source = source;
	scan->context = reading;
	if (!partition_narrow(path, reading->options.partition, &scan->offset, &scan->length, &error) ||
	    !source_open(source, path, reading->options.direct, reading->options.trust_holes, &error) ||
	    !scan_bound(scan, &error))
		errx(2, "%s", error.text);
	if (strcmp(path, "/dev/stdin") == 0)
		source->name = "standard input";
	identity_find(&reading->header.identity, source->fd, scan->offset);
	source_share(source, scan->offset, scan->length, reading->options.live, "copy", &note);
	if (note.set)
		warnx("%s", note.text);
	/* While waiting for input from a pipe, stop when our reader is gone. */
	source->input.watch = STDOUT_FILENO;
	reading->losses.say = progress_warn;
	reading->losses.name = source->name;
	if (scan->jobs == 0)
		scan->jobs = source->direct ? 4 : 2;
}

static bool
read_stream(struct reading *reading, struct error *error)
{
	struct scan *scan = &reading->scan;

	reading->header.size = scan->length;
	if (scan->length == reading->source.size)
		reading->header.data = reading->source.allocated;
	header_encode(&reading->header);
	/* A file may be refused for its first bytes; of a pipe a reader may want the header before any come. */
	if ((reading->source.pipe || reading->source.device) && !begin_stream(reading))
		return false;
	scan->hash = true;
	scan->user_size = sizeof(struct image_runs);
	scan->work = work;
	scan->give = give;
	if (!scan_run(scan, error)) {
		if (reading->write_errno == 0 && (reading->begun || (!reading->refused && begin_stream(reading))))
			(void)image_abort(&reading->image, error->text);
		return false;
	}
	if (!reading->begun && !begin_stream(reading))
		return false;
	if (!image_end(&reading->image))
		reading->write_errno = errno;
	return reading->write_errno == 0;
}

static bool
begin_stream(struct reading *reading)
{
	reading->begun = image_begin(&reading->image, STDOUT_FILENO, &reading->header);
	if (!reading->begun)
		reading->write_errno = errno;
	return reading->begun;
}

static bool
read_raw(struct reading *reading, struct error *error)
{
	reading->scan.give = give_raw;
	reading->scan.hash = reading->options.verbose;
	if (!raw_begin(&reading->raw, STDOUT_FILENO, reading->options.verbose))
		return error_errno(error, "memory");
	return scan_run(&reading->scan, error);
}

static void
work(void *context, struct scan_chunk *chunk)
{
	(void)context;
	image_split(chunk);
}

/*
 * A file that holds a disk is not the disk: nobody could restore a stream of a stream without being
 * told, and of other containers this is said.
 */
static bool
begins_well(struct reading *reading, struct scan_chunk *chunk)
{
	const char *name = reading->source.name;
	const struct container *container;

	if (chunk->error.set)
		return false;
	if (reading->source.device || reading->options.force || chunk->hole || reading->scan.offset + chunk->offset > 0)
		return true;
	container = container_find(chunk->data, (size_t)chunk->length);
	if (container == NULL || (container->stream && reading->options.raw))
		return true;
	reading->refused = container->stream;
	if (container->stream)
		return error_set(&chunk->error, "%s: this is a block stream already: blkwrite and the other filters read it as "
		    "it is (--force makes a stream of its bytes)", name);
	progress_warn("%s: this is %s: it is copied as it is, not the disk in it (%s gives that)", name,
	    container->name, container->unpack);
	return true;
}

/* The next chunk, in order. */
static bool
give(void *context, struct scan_chunk *chunk)
{
	struct reading *reading = context;

	if (!begins_well(reading, chunk))
		return false;
	losses_note(&reading->losses, reading->scan.offset, chunk);
	if (!reading->begun && !begin_stream(reading))
		return false;
	if (!image_put(&reading->image, chunk))
		reading->write_errno = errno;
	progress_add(chunk->length);
	return reading->write_errno == 0;
}

static bool
give_raw(void *context, struct scan_chunk *chunk)
{
	struct reading *reading = context;

	if (!begins_well(reading, chunk))
		return false;
	losses_note(&reading->losses, reading->scan.offset, chunk);
	if (!raw_put(&reading->raw, chunk))
		reading->write_errno = errno;
	return reading->write_errno == 0;
}

/* A blkwrite at the other end of ssh(1) tells nobody here what has become of its target. */
static bool
interrupted(void *context, int number, char *text, size_t size)
{
	const struct reading *reading = context;

	if (reading->options.raw || reading->source.pipe || !isatty(STDERR_FILENO) || !is_pipe(STDOUT_FILENO))
		return false;
	snprintf(text, size, "%s (%ju of %ju bytes were read; a target on another host is incomplete now: `ssh HOST "
	    "blksum --map TARGET | blkdiff --map - %s | ssh HOST blkwrite TARGET' sends the rest)",
	    strsignal(number), (uintmax_t)progress_done(), (uintmax_t)reading->scan.length, reading->source.name);
	return true;
}

/* The line of -v, as that of blkwrite. */
static void
report(const struct reading *reading, double seconds)
{
	bool raw = reading->options.raw;
	const struct blk128 *sum = raw ? reading->raw.digest : reading->image.digest;
	uint64_t zero = raw ? reading->raw.zero : reading->image.stream.order.zero;
	unsigned char digest[BLK128_SIZE];
	char hex[BLK128_HEX], rate[16];

	blk128_finish(sum, digest);
	size_format_rate(rate, sizeof(rate), blk128_size(sum), seconds);
	warnx("%s: %ju bytes, %ju of them zero, %.1f s, %s/s, blk128:%s", reading->source.name,
	    (uintmax_t)blk128_size(sum), (uintmax_t)zero, seconds, rate, blk128_hex(digest, hex));
}

static void
fail(const struct reading *reading, const struct error *error)
{
	progress_stop();
	if (error->number == EPIPE)
		signals_raise_pipe();
	if (reading->write_errno != 0 || error->number == EPIPE) {
		errno = reading->write_errno != 0 ? reading->write_errno : EPIPE;
		err(2, "standard output");
	}
	errx(2, "%s", error->text);
}
