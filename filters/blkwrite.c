/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * blkwrite: write a block stream from standard input to a device.
 *
 * Success means that the stream was whole and the device has it: the END record was
 * seen, every check held, and fsync(2) and close(2) returned.  Until then the first
 * MiB of the target is zero.
 */
#include <err.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arguments.h"
#include "base/error.h"
#include "base/io.h"
#include "base/pool.h"
#include "base/size.h"
#include "device/target.h"
#include "hash/blk128.h"
#include "show/progress.h"
#include "stream/id.h"
#include "stream/intake.h"
#include "stream/stream.h"
#include "write/patch.h"
#include "write/restore.h"
#include "write/verify.h"

/* A network peer that holds the stream's id may be silent for that long. */
#define SILENCE_MAX	60000

struct options {
	bool raw, verbose, progress, force;
	const char *id, *undo;
	struct target_options target;
	struct restore_options restore;
};

static struct options options = {
	.target.length = UINT64_MAX, .restore.sync = true,
};
static struct input input;
static struct intake intake;
static struct target target;
static struct restore restore;		/* of an image */
static struct patch patch;		/* of a delta or an undo log */
static bool patching;
static uint64_t input_holds;		/* bytes of a file or device; UINT64_MAX of a pipe */
static off_t input_start;		/* -1 of a pipe */

static void parse_options(int, char **);
static bool accept_input(uint64_t *, struct error *);
static bool accept_raw(uint64_t *, struct error *);
static bool apply_patch(struct error *);
static bool log_is_whole(void);
static uint64_t standard_input_size(void);
static void fail(const struct error *) __attribute__((noreturn));
static void list_differences(void);
static void interrupted(void *, int);
static void report_tail(const char *, uint64_t);
static void report(double);
static void report_patch(double);
static void usage(void) __attribute__((noreturn));

int
main(int argc, char **argv)
{
	struct progress_options progress = {
		.program = "blkwrite", .delay = 2, .interval = 1, .on_signal = interrupted
	};
	struct error error = { 0 };
	double started = clock_seconds();
	uint64_t size = UINT64_MAX;

	if (!io_claim_standard())
		err(2, "/dev/null");
	signal(SIGXFSZ, SIG_IGN);	/* a file that grows too large is an error of its write */
	parse_options(argc, argv);
	progress.lines = options.progress;
	progress_phase("waiting", PROGRESS_UNKNOWN);
	if (!progress_start(&progress))
		err(2, "threads");
	if (!target_open(&target, argv[optind], &options.target, &error) ||
	    !accept_input(&size, &error) || !(patching ? apply_patch(&error) :
	    restore_create(&restore, &options.restore, &intake, &target, size, &error) &&
	    restore_run(&restore)))
		fail(&error);
	progress_stop();
	if (patching)
		report_patch(clock_seconds() - started);
	else
		report(clock_seconds() - started);
	return (patching ? patch.intake : &intake)->end.bad > 0 ? 2 : 0;
}

static void
parse_options(int argc, char **argv)
{
	enum { CREATE = 256, ZEROED, DISCARD, VERIFY, NO_SYNC, ID, PROGRESS, FORCE,
	    UNDO };
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
		{ "undo", required_argument, NULL, UNDO },
		{ NULL, 0, NULL, 0 }
	};
	struct error error = { 0 };
	bool good = true;
	int option;

	while (good && (option = getopt_long(argc, argv, "ro:l:j:v", names, NULL)) != -1)
		switch (option) {
		case 'r': options.raw = true; break;
		case 'v': options.verbose = true; break;
		case CREATE: options.target.create = true; break;
		case ZEROED: options.restore.zeroed = true; break;
		case DISCARD: options.restore.discard = true; break;
		case VERIFY: options.restore.verify = true; break;
		case NO_SYNC: options.restore.sync = false; break;
		case PROGRESS: options.progress = true; break;
		case FORCE: options.force = true; break;
		case ID: options.id = optarg; break;
		case UNDO: options.undo = optarg; break;
		case 'o':
			good = argument_size("-o", optarg, &options.target.offset, &error);
			options.target.confined = true;
			break;
		case 'l':
			good = argument_size("-l", optarg, &options.target.length, &error);
			options.target.confined = true;
			break;
		case 'j':
			good = argument_jobs(optarg, &options.restore.jobs, &error);
			break;
		default:
			usage();
		}
	if (!good)
		errx(2, "%s", error.text);
	if (argc - optind != 1)
		usage();
	if (options.raw && options.id != NULL)
		errx(2, "--id: raw bytes carry no id");
	if (options.restore.jobs == 0)
		options.restore.jobs = pool_processors() > 2 ? pool_processors() : 2;
}

/* Hold the input against what is expected: its beginning, its id, its size. */
static bool
accept_input(uint64_t *size, struct error *error)
{
	unsigned char id[STREAM_ID_SIZE];

	input_holds = standard_input_size();
	input_start = input_holds != UINT64_MAX ? lseek(STDIN_FILENO, 0, SEEK_CUR) : -1;
	input_open(&input, STDIN_FILENO, -1, "standard input");
	if (options.raw)
		return accept_raw(size, error);
	if (isatty(STDIN_FILENO))
		return error_set(error, "standard input: no block stream comes from a terminal");
	if (options.id != NULL) {
		if (!id_load(options.id, id, error))
			return false;
		input.timeout = SILENCE_MAX;
	}
	if (!intake_open_stream(&intake, &input, INTAKE_IMAGE | INTAKE_PATCH, error))
		return false;
	if (options.id != NULL && memcmp(id, intake.reader.header.id, STREAM_ID_SIZE) != 0)
		return error_set(error, "standard input: a stream with another id than --id says");
	*size = intake.reader.header.size;
	patching = intake.reader.header.kind != STREAM_IMAGE;
	if (options.undo != NULL && !patching)
		return error_set(error, "--undo goes with a delta: an image replaces everything");
	return true;
}

/*
 * Whether the input ends in what looks like an END record: then blkwrite was done, and
 * no range can have been torn in the middle of its write.
 */
static bool
log_is_whole(void)
{
	unsigned char end[RECORD_SIZE];
	const off_t back = RECORD_SIZE + RECORD_END_SIZE;
	struct record record;
	struct error ignored = { 0 };

	return input_start == -1 || ((off_t)input_holds > back &&
	    pread_full(STDIN_FILENO, end, sizeof(end),
	    (uint64_t)input_start + input_holds - (uint64_t)back) == sizeof(end) &&
	    record_decode(&record, &intake.reader.header, end, &ignored) &&
	    record.type == RECORD_END);
}

/* Where the input can be read twice, everything is checked before anything is written. */
static bool
apply_patch(struct error *error)
{
	static struct intake again;
	enum stream_kind kind = intake.reader.header.kind;
	struct patch_options how = {
		.jobs = options.restore.jobs, .verify = options.restore.verify,
		.sync = options.restore.sync, .force = options.force, .undo = options.undo,
		.cut_at = log_is_whole() ? UINT64_MAX : input_holds
	};

	if (options.restore.zeroed || options.restore.discard)
		return error_set(error, "--zeroed and --discard go with an image: a delta needs what is there");
	if (options.undo != NULL && !options.restore.sync)
		return error_set(error, "--undo does not go with --no-sync: the log must be first on the medium");
	if (options.undo != NULL && kind == STREAM_UNDO)
		return error_set(error, "--undo goes with a delta, not with an undo log");
	if (!patch_create(&patch, &how, &intake, &target, error))
		return false;
	if (input_start == -1)
		return patch_run(&patch, &intake);
	if (!patch_check(&patch))
		return false;
	if (lseek(STDIN_FILENO, input_start, SEEK_SET) == -1)
		return error_errno(error, "standard input");
	input_open(&input, STDIN_FILENO, -1, "standard input");
	return intake_open_stream(&again, &input, INTAKE_PATCH, error) && patch_run(&patch, &again);
}

/* Nothing in raw bytes says that they are a disk, nor how much of it has come. */
static bool
accept_raw(uint64_t *size, struct error *error)
{
	uint64_t said = options.target.length, holds = input_holds;
	ssize_t n;
	const char *mistake = intake_mistaken(&input, &n);

	if (n == -1)
		return error_errno(error, "standard input");
	if (n == 0 && said != 0)
		return error_set(error, "standard input: nothing came");
	if (mistake != NULL && !options.force)
		return error_set(error, "standard input: %s; --force writes it as it is", mistake);
	if (holds != UINT64_MAX && said != UINT64_MAX && holds != said)
		return error_set(error, "standard input: holds %ju bytes, -l says %ju",
		    (uintmax_t)holds, (uintmax_t)said);
	*size = said != UINT64_MAX ? said : holds;
	return intake_open_raw(&intake, &input, *size, error);
}

/* Bytes that a file or device still holds; UINT64_MAX of what must be read to know. */
static uint64_t
standard_input_size(void)
{
	struct stat status;
	off_t here, end;

	if (fstat(STDIN_FILENO, &status) == -1 || (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode)))
		return UINT64_MAX;
	here = lseek(STDIN_FILENO, 0, SEEK_CUR);
	end = lseek(STDIN_FILENO, 0, SEEK_END);
	if (here == -1 || lseek(STDIN_FILENO, here, SEEK_SET) == -1 || end <= here)
		return UINT64_MAX;
	return (uint64_t)(end - here);
}

/* One line: what went wrong, and what the target is now. */
static void
fail(const struct error *error)
{
	char now[512];

	progress_stop();
	list_differences();
	if (!(patching ? patch_describe(&patch, now, sizeof(now)) :
	    restore_describe(&restore, now, sizeof(now))))
		errx(2, "%s", error->text);
	errx(2, "%s (%s)", error->text, now);
}

/* Name what read back otherwise. */
static void
list_differences(void)
{
	struct verify_range list[VERIFY_LISTED];
	uint64_t bytes;
	bool more = false;
	struct verify *verify = patching ? patch.verify : restore.verify;
	unsigned count = 0, i;

	if (verify != NULL)
		count = verify_differences(verify, list, &more, &bytes);
	for (i = 0; i < count; i++)
		warnx("%s: bytes %ju to %ju differ%s", target.name,
		    (uintmax_t)(target.offset + list[i].offset),
		    (uintmax_t)(target.offset + list[i].offset + list[i].length - 1),
		    more && i == count - 1 ? ", and others behind them" : "");
}

static void
interrupted(void *unused, int number)
{
	char now[512];

	(void)unused;
	if (patching ? patch_describe(&patch, now, sizeof(now)) :
	    restore_stop(&restore, now, sizeof(now)))
		warnx("%s (%s)", strsignal(number), now);
}

/* A larger device keeps what it has behind. */
static void
report_tail(const char *what, uint64_t size)
{
	uint64_t tail = target_tail(&target, size);

	if (target.offset == 0 && (options.raw || !target.confined) && tail > 0)
		warnx("%s: the %ju bytes behind the %s's %ju are left as they were", target.name,
		    (uintmax_t)tail, what, (uintmax_t)size);
}

static void
report(double seconds)
{
	unsigned char digest[BLK128_SIZE];
	char hex[BLK128_HEX], rate[16];

	report_tail("image", restore.size);
	if (options.raw && intake.raw_length == UINT64_MAX)
		warnx("standard input: %ju raw bytes came; nothing in them proves that this was all",
		    (uintmax_t)restore.size);
	if (intake.end.bad > 0)
		warnx("%s: %ju bytes could not be read at the source; zeros stand in their place",
		    target.name, (uintmax_t)intake.end.bad);
	if (!options.verbose)
		return;
	blk128_finish(intake.digest, digest);
	size_format(rate, sizeof(rate), (uint64_t)((double)restore.size / (seconds > 0 ? seconds : 1)));
	warnx("%s: %ju bytes, %ju of them zero, %.1f s, %s/s%s, blk128:%s", target.name,
	    (uintmax_t)restore.size, (uintmax_t)restore.zero, seconds, rate,
	    restore.verify != NULL ? ", verified" : "", blk128_hex(digest, hex));
}

static void
report_patch(double seconds)
{
	if (patch.cut.set)
		warnx("%s; all that came before it was put back", patch.cut.text);
	if (intake.reader.header.kind == STREAM_DELTA)
		report_tail("delta", patch.size);
	if (patch.unchecked && intake.reader.header.kind == STREAM_DELTA)
		warnx("%s: the delta does not say everywhere what it replaces: that it fits was not checked",
		    target.name);
	if (patch.intake->end.bad > 0)
		warnx("%s: %ju bytes could not be read at the source; here they are as they were",
		    target.name, (uintmax_t)patch.intake->end.bad);
	if (atomic_load(&patch.forced) > 0)
		warnx("%s: %ju bytes were overwritten by --force that the delta was not made for: only a map "
		    "or a digest tells what the target is now", target.name,
		    (uintmax_t)atomic_load(&patch.forced));
	if (options.undo != NULL && target.medium.size > target.offset + patch.size &&
	    !target.medium.device && !target.confined)
		warnx("%s: not cut to its new size of %ju bytes, for --undo could not bring the rest back",
		    target.name, (uintmax_t)patch.size);
	if (options.verbose)
		warnx("%s: %ju bytes written, %ju were there already, %.1f s%s", target.name,
		    (uintmax_t)atomic_load(&patch.written), (uintmax_t)atomic_load(&patch.passed),
		    seconds, patch.verify != NULL ? ", verified" : "");
}

static void
usage(void)
{
	fprintf(stderr, "usage: blkwrite [-rv] [-j jobs] [-l length] [-o offset] [--create] "
	    "[--discard]\n"
	    "                [--force] [--id @file] [--no-sync] [--progress] [--undo file]\n"
	    "                [--verify] [--zeroed] target\n");
	exit(2);
}
