/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * blkwrite: write a block stream from standard input to a device.
 *
 * Success means that the stream was whole and the device has it: the END record was
 * seen, every check held, and fsync(2) and close(2) returned.  Until then the first
 * MiB of the target is zero.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arguments.h"
#include "commit.h"
#include "digest.h"
#include "error.h"
#include "id.h"
#include "intake.h"
#include "io.h"
#include "pool.h"
#include "progress.h"
#include "size.h"
#include "stream.h"
#include "target.h"
#include "verify.h"

/* A network peer that holds the stream's id may be silent for that long. */
#define SILENCE_MAX	60000

/* Dirty pages are written out in steps of this, so that the last flush is short. */
#define WRITE_OUT_STEP	(32u << 20)

struct options {
	bool raw, discard, verify, no_sync, verbose, progress, force;
	const char *id;
	unsigned jobs;
	struct target_options target;
};

/* One thread's: what came in, or a part of the target to read back. */
struct job {
	struct piece *piece;
	struct verify_job verify;
	bool verifying;
	struct error error;
};

struct writing {
	struct options options;
	struct input input;
	struct intake intake;
	struct target target;
	struct commit commit;
	struct verify *verify;
	struct error error;		/* the first, in the order of the stream */
	struct job **jobs;
	uint64_t size;			/* of the device made; UINT64_MAX: not known yet */
	uint64_t zero;			/* bytes of zeros given */
	uint64_t written_out;
	bool draining;			/* only reading back is left */
	double started;
};

static struct writing writing;

static void parse_options(int, char **, struct options *);
static bool open_input(void);
static bool open_target(const char *);
static bool make_jobs(void);
static bool transfer(void);
static bool settle(void);
static bool read_back(const char *, struct error *);
static bool compare(struct error *);
static bool take(void *, void *);
static void work(void *, void *);
static bool give(void *, void *);
static bool write_piece(struct piece *);
static void fail(void) __attribute__((noreturn));
static void interrupted(int);
static void report(void);
static void usage(void) __attribute__((noreturn));

static const struct pool_ops pool_ops = { take, work, give };

int
main(int argc, char **argv)
{
	struct options *options = &writing.options;
	struct progress_options progress = { .program = "blkwrite", .delay = 2, .interval = 1 };

	if (!io_claim_standard())
		err(2, "/dev/null");
	parse_options(argc, argv, options);
	progress.lines = options->progress;
	if (!progress_start(&progress, interrupted))
		err(2, "threads");
	writing.started = clock_seconds();
	if (!open_input() || !open_target(argv[optind]) || !make_jobs() || !transfer() || !settle())
		fail();
	progress_stop();
	report();
	return writing.intake.end.bad > 0 ? 2 : 0;
}

static void
parse_options(int argc, char **argv, struct options *options)
{
	enum { CREATE = 256, ZEROED, DISCARD, VERIFY, NO_SYNC, ID, PROGRESS, FORCE };
	static const struct option names[] = {
		{ "raw", no_argument, NULL, 'r' },
		{ "offset", required_argument, NULL, 'o' },
		{ "length", required_argument, NULL, 'l' },
		{ "jobs", required_argument, NULL, 'j' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "create", no_argument, NULL, CREATE },
		{ "zeroed", no_argument, NULL, ZEROED },
		{ "discard", no_argument, NULL, DISCARD },
		{ "verify", no_argument, NULL, VERIFY },
		{ "no-sync", no_argument, NULL, NO_SYNC },
		{ "id", required_argument, NULL, ID },
		{ "progress", no_argument, NULL, PROGRESS },
		{ "force", no_argument, NULL, FORCE },
		{ NULL, 0, NULL, 0 }
	};
	struct error error = { 0 };
	bool good = true;
	int option;

	options->target.length = UINT64_MAX;
	options->jobs = 0;
	while (good && (option = getopt_long(argc, argv, "ro:l:j:v", names, NULL)) != -1)
		switch (option) {
		case 'r': options->raw = true; break;
		case 'v': options->verbose = true; break;
		case CREATE: options->target.create = true; break;
		case ZEROED: options->target.zeroed = true; break;
		case DISCARD: options->discard = true; break;
		case VERIFY: options->verify = true; break;
		case NO_SYNC: options->no_sync = true; break;
		case PROGRESS: options->progress = true; break;
		case FORCE: options->force = true; break;
		case ID: options->id = optarg; break;
		case 'o':
			good = argument_size("-o", optarg, &options->target.offset, &error);
			options->target.confined = true;
			break;
		case 'l':
			good = argument_size("-l", optarg, &options->target.length, &error);
			options->target.confined = true;
			break;
		case 'j':
			good = argument_jobs(optarg, &options->jobs, &error);
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
}

/* Accept the input: what it begins with, its id, its size. */
static bool
open_input(void)
{
	struct options *options = &writing.options;
	struct error *error = &writing.error;
	unsigned char id[STREAM_ID_SIZE];
	const unsigned char *data;
	ssize_t n;

	input_open(&writing.input, STDIN_FILENO, -1, "standard input");
	if (options->raw) {
		n = input_peek(&writing.input, STREAM_MAGIC_SIZE, &data);
		if (n >= 2 && data[0] == 0x1f && data[1] == 0x8b && !options->force)
			return error_set(error, "standard input: this is gzip, not a disk "
			    "(gunzip it first; --force writes it as it is)");
		if (stream_detect(&writing.input) && !options->force)
			return error_set(error, "standard input: this is a block stream, not a disk "
			    "(leave out -r; --force writes it as it is)");
		writing.size = options->target.length;
		return intake_open_raw(&writing.intake, &writing.input, options->target.length, error);
	}
	if (options->id != NULL) {
		if (!id_load(options->id, id, error))
			return false;
		writing.input.timeout = SILENCE_MAX;
	}
	if (!intake_open_stream(&writing.intake, &writing.input, error))
		return false;
	if (options->id != NULL &&
	    memcmp(id, writing.intake.reader.header.id, STREAM_ID_SIZE) != 0)
		return error_set(error, "standard input: a stream with another id than --id says");
	writing.size = writing.intake.reader.header.size;
	return true;
}

/* Check that the target is free and large enough, then take away its first MiB. */
static bool
open_target(const char *path)
{
	struct options *options = &writing.options;
	struct target *target = &writing.target;
	struct error *error = &writing.error;

	if (!target_open(target, path, &options->target, error))
		return false;
	if (writing.size != UINT64_MAX && !target_reserve(target, writing.size, error))
		return false;
	if (options->discard) {
		progress_phase("discarding", PROGRESS_UNKNOWN);
		if (target_discard(target, 0, target->capacity != UINT64_MAX ? target->capacity :
		    target->file_size - (target->offset < target->file_size ? target->offset :
		    target->file_size)))
			target->zeroed = true;
	}
	progress_phase("writing", writing.size);
	return commit_begin(&writing.commit, target, writing.size, !options->no_sync, error);
}

static bool
make_jobs(void)
{
	struct options *options = &writing.options;
	unsigned i;

	if (options->jobs == 0)
		options->jobs = pool_processors() > 2 ? pool_processors() : 2;
	if (options->verify && (writing.verify = verify_create(&writing.target)) == NULL)
		return error_errno(&writing.error, "memory");
	writing.jobs = calloc(options->jobs, sizeof(*writing.jobs));
	if (writing.jobs == NULL)
		return error_errno(&writing.error, "memory");
	for (i = 0; i < options->jobs; i++) {
		struct job *job = writing.jobs[i] = calloc(1, sizeof(*job));

		if (job == NULL || (job->piece = piece_create(&writing.intake)) == NULL ||
		    (options->verify && (job->verify.room = buffer_create(VERIFY_CHUNK)) == NULL))
			return error_errno(&writing.error, "memory");
	}
	return true;
}

/* Everything but the first MiB reaches the target. */
static bool
transfer(void)
{
	if (!pool_run(&pool_ops, &writing, (void **)writing.jobs, writing.options.jobs))
		return error_errno(&writing.error, "threads");
	writing.size = intake_position(&writing.intake);
	return true;
}

/* Everything is there: flush, read back, then the first MiB, and the same for it. */
static bool
settle(void)
{
	struct error *error = &writing.error;
	struct target *target = &writing.target;
	bool sync = !writing.options.no_sync, good;

	if (!target_reserve(target, writing.size, error))
		return false;
	progress_phase("flushing", PROGRESS_UNKNOWN);
	if ((sync && !target_flush(target, error)) || !read_back("verifying", error) ||
	    !target_cut(target, writing.size, error))
		return false;
	progress_phase("committing", PROGRESS_UNKNOWN);
	good = commit_finish(&writing.commit, writing.size, error);
	if (good && writing.verify != NULL)
		good = commit_verify(&writing.commit, writing.size, writing.verify) &&
		    read_back("verifying", error);
	if (!good) {
		commit_revoke(&writing.commit, writing.size);
		return error_set(error, "memory");
	}
	return target_close(target, error);
}

/* Read back what was not yet, and compare. */
static bool
read_back(const char *phase, struct error *error)
{
	if (writing.verify == NULL)
		return true;
	progress_phase(phase, verify_pending(writing.verify));
	writing.draining = true;
	if (!pool_run(&pool_ops, &writing, (void **)writing.jobs, writing.options.jobs))
		return error_set(error, "threads");
	return compare(error);
}

/* Name what read back otherwise. */
static bool
compare(struct error *error)
{
	struct verify_range list[VERIFY_LISTED];
	uint64_t bytes;
	unsigned count = verify_differences(writing.verify, list, &bytes), i;

	if (count == 0)
		return true;
	progress_stop();
	for (i = 0; i < count; i++)
		warnx("%s: bytes %ju to %ju read back otherwise than they were sent",
		    writing.target.name, (uintmax_t)(writing.target.offset + list[i].offset),
		    (uintmax_t)(writing.target.offset + list[i].offset + list[i].length - 1));
	return error_set(error, "%s: %ju bytes in %u%s ranges differ", writing.target.name,
	    (uintmax_t)bytes, count, count == VERIFY_LISTED ? " or more" : "");
}

/* The next piece of input, or of the target to read back once enough has gathered. */
static bool
take(void *context, void *argument)
{
	struct job *job = argument;

	(void)context;
	job->verifying = writing.verify != NULL &&
	    verify_pop(writing.verify, writing.draining, &job->verify);
	if (job->verifying)
		return true;
	return !writing.draining && intake_take(&writing.intake, job->piece);
}

static void
work(void *context, void *argument)
{
	struct job *job = argument;

	(void)context;
	if (job->verifying) {
		verify_work(writing.verify, &job->verify);
		return;
	}
	intake_work(&writing.intake, job->piece);
	if (!job->piece->error.set && job->piece->length > 0)
		(void)write_piece(job->piece);
}

static bool
give(void *context, void *argument)
{
	struct job *job = argument;
	struct piece *piece = job->piece;
	uint64_t kept, position;
	bool go;

	(void)context;
	if (job->verifying) {
		writing.error = job->verify.error;
		if (writing.draining)
			progress_add(job->verify.length);
		return !job->verify.error.set;
	}
	go = intake_give(&writing.intake, piece);
	writing.error = piece->error;
	if (piece->error.set || piece->length == 0)
		return go;
	writing.zero += piece->zero ? piece->length : 0;
	kept = piece->offset >= COMMIT_SIZE ? 0 : COMMIT_SIZE - piece->offset;
	if (writing.verify != NULL && kept < piece->length &&
	    !verify_push(writing.verify, piece->offset + kept, piece->length - kept,
	    piece->zero ? NULL : piece->hashes + kept / DIGEST_BLOCK * DIGEST_SIZE))
		return error_errno(&writing.error, "memory");
	position = intake_position(&writing.intake);
	if (position - writing.written_out >= WRITE_OUT_STEP && !writing.options.no_sync) {
		target_write_out(&writing.target, writing.written_out, position - writing.written_out);
		writing.written_out = position;
	}
	return go;
}

/* Hold what belongs to the first MiB, write or zero the rest. */
static bool
write_piece(struct piece *piece)
{
	uint64_t kept = commit_keep(&writing.commit, piece->offset, piece->length,
	    piece->zero ? NULL : piece->data);
	uint64_t at = piece->offset + kept, end = piece->offset + piece->length, step;

	progress_add(kept);
	for (; piece->zero && at < end; at += step) {
		step = end - at < TARGET_ZERO_STEP ? end - at : TARGET_ZERO_STEP;
		if (!target_zero(&writing.target, at, step, &piece->error))
			return false;
		progress_add(step);
	}
	if (at < end) {
		if (!target_write(&writing.target, at, piece->data + kept, (size_t)(end - at),
		    &piece->error))
			return false;
		progress_add(end - at);
	}
	return true;
}

/* One line: what went wrong, and what the target is now. */
static void
fail(void)
{
	struct error flush = { 0 };
	uint64_t position;

	progress_stop();
	if (!writing.commit.begun)
		errx(2, "%s", writing.error.text);
	position = intake_position(&writing.intake);
	if (!target_flush(&writing.target, &flush) || position <= COMMIT_SIZE)
		errx(2, "%s (%s is incomplete: its first MiB is zero, nothing is known to be on the medium)",
		    writing.error.text, writing.target.name);
	errx(2, "%s (%s is incomplete: its first MiB is zero, byte %ju is the last known to be on the medium)",
	    writing.error.text, writing.target.name,
	    (uintmax_t)(writing.target.offset + position - 1));
}

static void
interrupted(int number)
{
	if (writing.commit.begun)
		warnx("%s: %s (it is incomplete: its first MiB is zero)", writing.target.name,
		    strsignal(number));
}

static void
report(void)
{
	struct target *target = &writing.target;
	unsigned char digest[DIGEST_SIZE];
	char hex[DIGEST_HEX], rate[16];
	double seconds = clock_seconds() - writing.started;

	if (target->device && !target->confined && target_tail(target, writing.size) > 0)
		warnx("%s: the %ju bytes behind the image's %ju are left as they were", target->name,
		    (uintmax_t)target_tail(target, writing.size), (uintmax_t)writing.size);
	if (writing.options.raw && writing.options.target.length == UINT64_MAX)
		warnx("standard input: %ju raw bytes came; nothing in them proves that this was all",
		    (uintmax_t)writing.size);
	if (writing.intake.end.bad > 0)
		warnx("%s: %ju bytes could not be read at the source; zeros stand in their place",
		    target->name, (uintmax_t)writing.intake.end.bad);
	if (!writing.options.verbose)
		return;
	digest_finish(writing.intake.digest, digest);
	size_format(rate, sizeof(rate), (uint64_t)((double)writing.size / (seconds > 0 ? seconds : 1)));
	warnx("%s: %ju bytes, %ju of them zero, %.1f s, %s/s%s, blk128:%s", target->name,
	    (uintmax_t)writing.size, (uintmax_t)writing.zero, seconds, rate,
	    writing.verify != NULL ? ", verified" : "", digest_hex(digest, hex));
}

static void
usage(void)
{
	fprintf(stderr, "usage: blkwrite [-rv] [-j jobs] [-l length] [-o offset] [--create] "
	    "[--discard]\n"
	    "                [--force] [--id @file] [--no-sync] [--progress] [--verify]\n"
	    "                [--zeroed] target\n");
	exit(2);
}
