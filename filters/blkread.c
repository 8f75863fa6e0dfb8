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
#include <unistd.h>

#include "base/arguments.h"
#include "base/confine.h"
#include "base/error.h"
#include "base/io.h"
#include "base/size.h"
#include "device/identity.h"
#include "device/source.h"
#include "help/help.h"
#include "read/image.h"
#include "read/scan.h"
#include "show/progress.h"
#include "show/signals.h"
#include "show/warn.h"
#include "stream/id.h"

/* Unreadable ranges that are listed one by one. */
#define BAD_LISTED	20

struct options {
	bool raw, verbose, trust_holes, has_id, live;
	enum source_direct direct;
};

/* Bytes that could not be read: the last range found, which may go on in the next chunk. */
struct losses {
	uint64_t start, length;		/* bytes of the source */
	int number;			/* errno */
	uint64_t ranges, bytes;		/* of all */
};

struct reading {
	struct options options;
	struct source source;
	struct scan scan;
	struct stream_header header;
	struct image image;
	struct blk128 *raw_digest;	/* of raw bytes, with -v */
	uint64_t raw_zero;		/* of them, zeros in blocks or holes */
	struct losses losses;
	int write_errno;		/* standard output failed */
};

static void parse_options(struct reading *, int, char **);
static bool parse_option(int, struct reading *, struct error *);
static void open_source(struct reading *, const char *);
static bool read_stream(struct reading *, struct error *);
static bool read_raw(struct reading *, struct error *);
static void work(void *, struct scan_chunk *);
static bool give(void *, struct scan_chunk *);
static bool give_raw(void *, struct scan_chunk *);
static void digest_raw(struct reading *, const struct scan_chunk *);
static bool write_zeros(uint64_t);
static void note_losses(struct reading *, const struct scan_chunk *);
static void report_loss(struct reading *);
static void report(const struct reading *, double);
static void fail(const struct reading *, const struct error *) __attribute__((noreturn));

int
main(int argc, char **argv)
{
	static const struct progress_options progress = {
		.program = "blkread", .delay = 2, .interval = 1
	};
	/* Static: a thread may still look at it while the process exits. */
	static struct reading reading;
	struct error error = { 0 };
	double started = clock_seconds();
	bool done;

	if (!io_claim_standard())
		err(2, "/dev/null");
	parse_options(&reading, argc, argv);
	if (!reading.options.raw && isatty(STDOUT_FILENO))
		errx(2, "a block stream is not written to a terminal (-r writes plain bytes)");
	open_source(&reading, argv[optind]);
	(void)confine_wholly();
	if (!progress_start(&progress))
		err(2, "threads");
	progress_phase("reading", reading.scan.length);
	pipe_widen(STDOUT_FILENO);
	done = reading.options.raw ? read_raw(&reading, &error) : read_stream(&reading, &error);
	report_loss(&reading);
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

enum { DIRECT = 256, TRUST_HOLES, SKIP_BAD, ID, LIVE };

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
	if (optind == argc)
		help_errx(&help_blkread, "which disk? name a device or a file; `-' is standard input");
	if (argc - optind > 1)
		help_errx(&help_blkread, "%s: only one file is read", argv[optind + 1]);
	if (reading->options.raw && reading->options.has_id)
		errx(2, "--id: raw bytes carry no id");
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
	case ID:
		options->has_id = true;
		return id_load(optarg, reading->header.id, error);
	case DIRECT:
		if (strcmp(optarg, "auto") == 0)
			options->direct = SOURCE_DIRECT_AUTO;
		else if (strcmp(optarg, "always") == 0)
			options->direct = SOURCE_DIRECT_ALWAYS;
		else if (strcmp(optarg, "never") == 0)
			options->direct = SOURCE_DIRECT_NEVER;
		else
			return error_set(error, "--direct %s: not auto, always or never", optarg);
		break;
	case 'h':
	case 'V': exit(help_print(&help_blkread, option));
	default:
		help_usage(&help_blkread);
		exit(2);
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
	if (!source_open(source, path, reading->options.direct, reading->options.trust_holes, &error) ||
	    !scan_bound(scan, &error))
		errx(2, "%s", error.text);
	identity_find(&reading->header.identity, source->fd, scan->offset);
	source_share(source, scan->offset, scan->length, reading->options.live, "copy", &note);
	if (note.set)
		warnx("%s", note.text);
	/* While waiting for input from a pipe, stop when our reader is gone. */
	source->input.watch = STDOUT_FILENO;
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
	if (!image_begin(&reading->image, STDOUT_FILENO, &reading->header)) {
		reading->write_errno = errno;
		return false;
	}
	scan->hash = true;
	scan->user_size = sizeof(struct image_runs);
	scan->work = work;
	scan->give = give;
	if (!scan_run(scan, error)) {
		if (reading->write_errno == 0)
			(void)image_abort(&reading->image, error->text);
		return false;
	}
	if (!image_end(&reading->image))
		reading->write_errno = errno;
	return reading->write_errno == 0;
}

static bool
read_raw(struct reading *reading, struct error *error)
{
	reading->scan.give = give_raw;
	reading->scan.hash = reading->options.verbose;
	if (reading->scan.hash && (reading->raw_digest = blk128_create()) == NULL)
		return error_errno(error, "memory");
	return scan_run(&reading->scan, error);
}

static void
work(void *context, struct scan_chunk *chunk)
{
	(void)context;
	image_split(chunk);
}

/* The next chunk, in order. */
static bool
give(void *context, struct scan_chunk *chunk)
{
	struct reading *reading = context;

	if (chunk->error.set)
		return false;
	note_losses(reading, chunk);
	if (!image_put(&reading->image, chunk))
		reading->write_errno = errno;
	progress_add(chunk->length);
	return reading->write_errno == 0;
}

static bool
give_raw(void *context, struct scan_chunk *chunk)
{
	struct reading *reading = context;
	bool written;

	if (chunk->error.set)
		return false;
	note_losses(reading, chunk);
	if (reading->options.verbose)
		digest_raw(reading, chunk);
	if (chunk->hole) {
		written = write_zeros(chunk->length);
	} else {
		written = write_full(STDOUT_FILENO, chunk->data, chunk->length);
		progress_add(chunk->length);
	}
	if (!written)
		reading->write_errno = errno;
	return written;
}

static void
digest_raw(struct reading *reading, const struct scan_chunk *chunk)
{
	uint64_t at, block;

	if (chunk->hole) {
		blk128_add_zeros(reading->raw_digest, chunk->length);
		reading->raw_zero += chunk->length;
		return;
	}
	blk128_add(reading->raw_digest, chunk->hashes, chunk->length);
	for (at = 0; at < chunk->length; at += block) {
		block = chunk->length - at < BLK128_BLOCK ? chunk->length - at : BLK128_BLOCK;
		reading->raw_zero += chunk->zero[at / BLK128_BLOCK] ? block : 0;
	}
}

static bool
write_zeros(uint64_t length)
{
	static const unsigned char zeros[SCAN_CHUNK];

	while (length > 0) {
		size_t part = length < sizeof(zeros) ? (size_t)length : sizeof(zeros);

		if (!write_full(STDOUT_FILENO, zeros, part))
			return false;
		progress_add(part);
		length -= part;
	}
	return true;
}

/* Gather the bad ranges of a chunk; report each one that has ended. */
static void
note_losses(struct reading *reading, const struct scan_chunk *chunk)
{
	struct losses *losses = &reading->losses;
	const struct source_bad *bad;

	for (bad = chunk->bad; bad < chunk->bad + chunk->bad_count; bad++) {
		uint64_t start = reading->scan.offset + chunk->offset + bad->start;

		if (losses->start + losses->length != start || losses->number != bad->number)
			report_loss(reading);
		if (losses->length == 0)
			*losses = (struct losses){
				.start = start, .number = bad->number,
				.ranges = losses->ranges + 1, .bytes = losses->bytes
			};
		losses->length += bad->length;
		losses->bytes += bad->length;
	}
	if (losses->start + losses->length < reading->scan.offset + chunk->offset + chunk->length)
		report_loss(reading);
}

static void
report_loss(struct reading *reading)
{
	struct losses *losses = &reading->losses;

	if (losses->length == 0)
		return;
	if (losses->ranges <= BAD_LISTED)
		progress_warn("%s: at byte %ju: %s, %ju bytes skipped", reading->source.name,
		    (uintmax_t)losses->start, strerror(losses->number), (uintmax_t)losses->length);
	else if (losses->ranges == BAD_LISTED + 1)
		progress_warn("%s: further bad ranges are only counted", reading->source.name);
	losses->length = 0;
}

/* The line of -v, as that of blkwrite. */
static void
report(const struct reading *reading, double seconds)
{
	bool raw = reading->options.raw;
	const struct blk128 *sum = raw ? reading->raw_digest : reading->image.digest;
	uint64_t zero = raw ? reading->raw_zero : reading->image.stream.order.zero;
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
