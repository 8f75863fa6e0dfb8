/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * blkdiff: write what has changed on a device to standard output, as a delta.
 *
 * Success means that whatever knows the changes was read whole, that every changed
 * range was read, and that the delta left whole, its END record included.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arguments.h"
#include "changes.h"
#include "cow.h"
#include "delta.h"
#include "dm.h"
#include "error.h"
#include "extents.h"
#include "io.h"
#include "mapdiff.h"
#include "pool.h"
#include "progress.h"
#include "size.h"
#include "snapshot.h"
#include "source.h"
#include "stream.h"

struct options {
	const char *map, *snapshot, *store, *changes;
	bool status, list, json, whole, read_only;
	uint64_t era_block, offset, length;
	unsigned jobs;
};

/* A range of --list that the next may still join. */
struct listing {
	struct extent pending;
	uint64_t ranges, bytes;
};

static struct options options;
static struct delta delta;
static struct stream_writer writer;
static struct source source, old;
static struct extents ranges;
static struct listing listing;
static struct cow cow;
static bool differs;

static void parse_options(int, char **);
static void compare_devices(const char *, const char *);
static void compare_map(const char *);
static void read_snapshot(const char *);
static void read_store(const char *);
static void read_changes(const char *);
static uint64_t era_block_size(const char *);
static void open_source(const char *);
static void send_ranges(uint64_t);
static void begin(uint64_t, uint64_t);
static void finish(bool, const struct error *, const unsigned char *, const unsigned char *);
static bool old_from_device(void *, uint64_t, unsigned char *, size_t, struct error *);
static bool old_from_store(void *, uint64_t, unsigned char *, size_t, struct error *);
static bool map_differs(void *, const struct mapdiff_run *);
static bool found(void *, uint64_t, uint64_t);
static void list_pending(void);
static void usage(void) __attribute__((noreturn));

int
main(int argc, char **argv)
{
	static const struct progress_options progress = {
		.program = "blkdiff", .delay = 2, .interval = 1
	};
	int operands;

	if (!io_claim_standard())
		err(2, "/dev/null");
	parse_options(argc, argv);
	argv += optind;
	operands = argc - optind;
	if (!options.status && !options.list && isatty(STDOUT_FILENO))
		errx(2, "a block stream is not written to a terminal (--list lists the ranges)");
	if (!progress_start(&progress, NULL))
		err(2, "threads");
	if (options.snapshot != NULL && operands <= 1)
		read_snapshot(argv[0]);
	else if (options.map != NULL && operands == 1)
		compare_map(argv[0]);
	else if (options.store != NULL && operands == 1)
		read_store(argv[0]);
	else if (options.changes != NULL && operands == 1)
		read_changes(argv[0]);
	else if (options.snapshot == NULL && options.map == NULL && options.store == NULL &&
	    options.changes == NULL && operands == 2)
		compare_devices(argv[0], argv[1]);
	else
		usage();
	return options.status && differs ? 1 : 0;
}

static void
parse_options(int argc, char **argv)
{
	enum { MAP = 256, SNAPSHOT, STORE, CHANGES, LIST, JSON, WHOLE, READ_ONLY, ERA_BLOCK };
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
		{ "quiet", no_argument, NULL, 'q' },
		{ "offset", required_argument, NULL, 'o' },
		{ "length", required_argument, NULL, 'l' },
		{ "jobs", required_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 }
	};
	struct error error = { 0 };
	bool good = true;
	int option, modes;

	options.length = UINT64_MAX;
	options.jobs = pool_processors() > 2 ? pool_processors() : 2;
	while (good && (option = getopt_long(argc, argv, "qso:l:j:", names, NULL)) != -1)
		switch (option) {
		case MAP: options.map = optarg; break;
		case SNAPSHOT: options.snapshot = optarg; break;
		case STORE: options.store = optarg; break;
		case CHANGES: options.changes = optarg; break;
		case LIST: options.list = true; break;
		case JSON: options.list = options.json = true; break;
		case WHOLE: options.whole = true; break;
		case READ_ONLY: options.read_only = true; break;
		case ERA_BLOCK: good = argument_size("--era-block", optarg, &options.era_block, &error); break;
		case 'q':
		case 's': options.status = true; break;
		case 'o': good = argument_size("-o", optarg, &options.offset, &error); break;
		case 'l': good = argument_size("-l", optarg, &options.length, &error); break;
		case 'j': good = argument_jobs(optarg, &options.jobs, &error); break;
		default: usage();
		}
	if (!good)
		errx(2, "%s", error.text);
	modes = (options.map != NULL) + (options.snapshot != NULL) + (options.store != NULL) +
	    (options.changes != NULL);
	if (modes > 1 || (options.status && options.list))
		usage();
}

/* The delta that turns one device into the other. */
static void
compare_devices(const char *old_path, const char *path)
{
	struct error error = { 0 };
	uint64_t old_end;

	if (!source_open(&old, old_path, SOURCE_DIRECT_AUTO, false, &error))
		errx(2, "%s", error.text);
	if (old.pipe)
		errx(2, "%s: a device or a file is wanted", old.name);
	open_source(path);
	old_end = options.offset + options.length;
	if (old_end > old.size)
		old_end = old.size;
	delta.old = old_from_device;
	delta.old_source = &old;
	delta.old_end = old_end;
	if (options.length > 0 && !extents_add(&ranges, options.offset, options.length))
		err(2, "memory");
	send_ranges(old_end > options.offset ? old_end - options.offset : 0);
}

/* The delta that turns the device that a map describes into the source. */
static void
compare_map(const char *path)
{
	static struct map_reader map;
	struct mapdiff mapdiff = { .source = &source, .map = &map, .beyond = true,
	    .differs = map_differs };
	bool standard = strcmp(options.map, "-") == 0, done;
	struct error error = { 0 };
	struct input input;
	int fd = standard ? STDIN_FILENO : open(options.map, O_RDONLY | O_CLOEXEC);

	if (fd == -1)
		err(2, "%s", options.map);
	open_source(path);
	input_open(&input, fd, STDOUT_FILENO, standard ? "standard input" : options.map);
	if (!map_open(&map, &input, &error))
		errx(2, "%s", error.text);
	mapdiff.offset = options.offset;
	mapdiff.length = options.length;
	mapdiff.jobs = options.jobs;
	delta.found = found;
	begin(map.stream.header.size, STREAM_UNKNOWN);
	done = mapdiff_run(&mapdiff, &error);
	finish(done, &error, mapdiff.digest, map.end.digest);
}

/* What was written to the origin since a snapshot of it was taken. */
static void
read_snapshot(const char *path)
{
	static struct snapshot snapshot;
	struct error error = { 0 }, late = { 0 };
	uint64_t allocated, metadata;
	static struct source store;
	bool done;

	if (!snapshot_open(&snapshot, options.snapshot, &error))
		errx(2, "%s", error.text);
	open_source(path != NULL ? path : snapshot.origin_path);
	progress_phase("flushing", PROGRESS_UNKNOWN);
	if (!snapshot_flush_origin(&snapshot, &error) ||
	    !source_open(&store, snapshot.cow_path, SOURCE_DIRECT_ALWAYS, false, &error) ||
	    !snapshot_read(&snapshot, &store, &cow, &error) ||
	    (!cow_extents(&cow, snapshot.size, &ranges) && !error_errno(&error, "memory")))
		errx(2, "%s", error.text);
	if (!snapshot.read_only && !options.read_only && !options.whole) {
		warnx("%s: the snapshot can be written to: whole chunks are sent, unchecked", options.snapshot);
		options.whole = true;
	}
	if (!options.whole) {
		delta.old = old_from_store;
		delta.old_end = snapshot.size;
	}
	begin(snapshot.size, extents_total(&ranges));
	done = delta_run(&delta, &error);
	/* An overflow meanwhile has dropped the old data that was compared with. */
	if (done && !snapshot_check(&snapshot, &allocated, &metadata, &late)) {
		done = false;
		error = late;
	}
	finish(done, &error, NULL, NULL);
}

/* The same from a store alone. */
static void
read_store(const char *path)
{
	static struct source store;
	struct error error = { 0 };
	enum source_direct direct = SOURCE_DIRECT_AUTO;

	open_source(path);
	if (!source_open(&store, options.store, direct, false, &error) || store.pipe ||
	    !cow_read(&cow, &store, source.size, &error))
		errx(2, "%s", error.set ? error.text : "--store: a device or a file is wanted");
	if (!cow_extents(&cow, source.size, &ranges))
		err(2, "memory");
	if (options.read_only && !options.whole) {
		delta.old = old_from_store;
		delta.old_end = source.size;
	}
	send_ranges(source.size);
}

static void
read_changes(const char *path)
{
	bool standard = strcmp(options.changes, "-") == 0;
	struct error error = { 0 };
	struct input input;
	int fd = standard ? STDIN_FILENO : open(options.changes, O_RDONLY | O_CLOEXEC);

	if (fd == -1)
		err(2, "%s", options.changes);
	open_source(path);
	if (options.era_block == 0)
		options.era_block = era_block_size(path);
	input_open(&input, fd, -1, standard ? "standard input" : options.changes);
	progress_phase("reading the list", PROGRESS_UNKNOWN);
	if (!changes_read(&input, options.era_block, &ranges, &error))
		errx(2, "%s", error.text);
	send_ranges(STREAM_UNKNOWN);
}

/* Of a dm-era device its table says it; 0 of others. */
static uint64_t
era_block_size(const char *path)
{
	struct error ignored = { 0 };
	struct dm_target table;
	struct stat status;
	uintmax_t sectors;

	if (stat(path, &status) == -1 || !S_ISBLK(status.st_mode) ||
	    !dm_query(status.st_rdev, false, &table, &ignored) || strcmp(table.type, "era") != 0 ||
	    sscanf(table.params, "%*s %*s %ju", &sectors) != 1 || sectors > UINT32_MAX)
		return 0;
	return sectors * 512;
}

/* Open the device that is sent, and settle which part of it. */
static void
open_source(const char *path)
{
	struct error error = { 0 };

	if (!source_open(&source, path, SOURCE_DIRECT_AUTO, false, &error))
		errx(2, "%s", error.text);
	if (source.pipe)
		errx(2, "%s: a device or a file is wanted", source.name);
	if (options.offset > source.size)
		errx(2, "%s: offset %ju lies behind its end at %ju", path, (uintmax_t)options.offset,
		    (uintmax_t)source.size);
	if (options.length == UINT64_MAX)
		options.length = source.size - options.offset;
	if (options.length > source.size - options.offset)
		errx(2, "%s: %ju bytes from %ju are asked for, but it ends at %ju", path,
		    (uintmax_t)options.length, (uintmax_t)options.offset, (uintmax_t)source.size);
}

/* Send what the ranges hold now. */
static void
send_ranges(uint64_t base_size)
{
	struct error error = { 0 };
	bool done;

	begin(base_size, STREAM_UNKNOWN);
	done = delta_run(&delta, &error);
	finish(done, &error, NULL, NULL);
}

/* Everything about the delta is known but its records. */
static void
begin(uint64_t base_size, uint64_t data)
{
	struct stream_header header;
	size_t i;

	extents_settle(&ranges, options.offset, options.offset + options.length);
	delta.source = &source;
	delta.offset = options.offset;
	delta.length = options.length;
	delta.ranges = &ranges;
	delta.jobs = options.jobs;
	if (options.status || options.list)
		delta.found = found;
	else
		delta.found = NULL;
	/* What the list says is the answer, where nothing finer is known. */
	if (options.list && options.map == NULL && delta.old_source == NULL) {
		for (i = 0; i < ranges.count; i++)
			(void)found(NULL, ranges.list[i].offset, ranges.list[i].length);
		ranges.count = 0;
	}
	progress_phase("reading", extents_total(&ranges));
	if (options.status || options.list)
		return;
	header_init(&header, STREAM_DELTA, options.length);
	header.base_size = base_size;
	header.data = data != STREAM_UNKNOWN || options.map != NULL ? data : extents_total(&ranges);
	header_encode(&header);
	if (!stream_begin(&writer, STDOUT_FILENO, &header))
		err(2, "standard output");
	delta.writer = &writer;
}

/* Close the stream or the list, or say to both sides what went wrong. */
static void
finish(bool done, const struct error *error, const unsigned char *digest,
    const unsigned char *base_digest)
{
	struct end_summary end;

	progress_stop();
	if (!done && delta.write_errno != 0) {
		errno = delta.write_errno;
		err(2, "standard output");
	}
	if (!done && error->set) {
		if (delta.writer != NULL)
			(void)stream_put_abort(&writer, error->text);
		errx(2, "%s", error->text);
	}
	if (options.list)
		list_pending();
	if (delta.writer != NULL) {
		order_summary(&writer.order, &end);
		if (digest != NULL) {
			memcpy(end.digest, digest, DIGEST_SIZE);
			memcpy(end.base_digest, base_digest, DIGEST_SIZE);
		}
		if (!stream_put_end(&writer, &end))
			err(2, "standard output");
	}
	if (options.list && options.json)
		printf("{\"ranges\":%ju,\"bytes\":%ju}\n", (uintmax_t)listing.ranges,
		    (uintmax_t)listing.bytes);
	else if (options.list)
		printf("# %ju bytes in %ju ranges\n", (uintmax_t)listing.bytes,
		    (uintmax_t)listing.ranges);
	if (fflush(stdout) == EOF || close(STDOUT_FILENO) == -1)
		err(2, "standard output");
}

static bool
old_from_device(void *context, uint64_t offset, unsigned char *data, size_t length,
    struct error *error)
{
	ssize_t n = source_read(&old, offset, data, length);

	(void)context;
	if (n == -1)
		return error_errno(error, "%s: at byte %ju", old.name, (uintmax_t)offset);
	if ((size_t)n < length)
		return error_set(error, "%s: at byte %ju: it ends here now", old.name,
		    (uintmax_t)(offset + (uint64_t)n));
	return true;
}

static bool
old_from_store(void *context, uint64_t offset, unsigned char *data, size_t length,
    struct error *error)
{
	(void)context;
	return cow_read_old(&cow, offset, data, length, error);
}

static bool
map_differs(void *context, const struct mapdiff_run *run)
{
	(void)context;
	return delta_put(&delta, run->offset, run->length, run->data,
	    run->checked ? RECORD_OLD_HASHES : 0, run->old);
}

/* A range that differs, of --list or -q; false ends the search. */
static bool
found(void *context, uint64_t offset, uint64_t length)
{
	struct extent *pending = &listing.pending;

	(void)context;
	differs = true;
	if (options.status)
		return false;
	if (pending->length > 0 && pending->offset + pending->length != offset)
		list_pending();
	if (pending->length == 0)
		pending->offset = offset;
	pending->length += length;
	return true;
}

static void
list_pending(void)
{
	struct extent *pending = &listing.pending;

	if (pending->length == 0)
		return;
	printf(options.json ? "{\"offset\":%ju,\"length\":%ju}\n" : "%ju %ju\n",
	    (uintmax_t)pending->offset, (uintmax_t)pending->length);
	listing.ranges++;
	listing.bytes += pending->length;
	pending->length = 0;
}

static void
usage(void)
{
	fprintf(stderr, "usage: blkdiff [-qs] [-j jobs] [-l length] [-o offset] [--json] [--list] "
	    "old new\n"
	    "       blkdiff [options] --map map source\n"
	    "       blkdiff [options] [--bulk-from-origin] [--read-only] --snapshot snapshot\n"
	    "               [source]\n"
	    "       blkdiff [options] [--bulk-from-origin] [--read-only] --store store source\n"
	    "       blkdiff [options] [--era-block size] --changes list source\n");
	exit(2);
}
