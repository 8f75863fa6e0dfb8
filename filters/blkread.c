/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * blkread: read a device and write it to standard output as a block stream.
 *
 * Success means that every byte of the range was read and that the stream left
 * whole, its END record included.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arguments.h"
#include "digest.h"
#include "error.h"
#include "id.h"
#include "io.h"
#include "progress.h"
#include "scan.h"
#include "size.h"
#include "source.h"
#include "stream.h"

/* Zeros that were found by reading leave at the latest after this much, or a second. */
#define ZERO_RUN_MAX	(1ull << 30)

/* Unreadable ranges that are listed one by one. */
#define BAD_LISTED	20

/* A part of a chunk that becomes one record; sealed beside others. */
struct run {
	uint32_t start, length;
	bool zero;
	struct record record;
};

struct runs {
	struct run run[SCAN_BLOCKS];
	unsigned count;
};

struct reading {
	bool raw;
	struct source source;
	struct scan scan;
	struct stream_header header;
	struct stream_writer writer;
	struct digest *digest;
	uint64_t zero_start, zero_length;	/* zeros that have not left yet */
	uint64_t zero_read;			/* of them, found by reading */
	double zero_since;
	uint64_t bad_ranges, bad_bytes;
	int write_errno;			/* standard output failed */
};

static void parse_options(int, char **, struct reading *, enum source_direct *, bool *);
static void read_stream(struct reading *);
static void read_raw(struct reading *);
static void chunk_split(void *, struct scan_chunk *);
static bool chunk_put(void *, struct scan_chunk *);
static bool chunk_put_raw(void *, struct scan_chunk *);
static bool run_put_bad(struct reading *, const struct scan_chunk *, const struct run *);
static bool zeros_add(struct reading *, uint64_t, uint64_t, bool);
static bool zeros_put(struct reading *);
static void count_bad(struct reading *, const struct scan_chunk *);
static void finish(struct reading *, bool, struct error *);
static void usage(void) __attribute__((noreturn));

int
main(int argc, char **argv)
{
	static struct reading reading;
	struct error error = { 0 };
	enum source_direct direct = SOURCE_DIRECT_AUTO;
	bool trust_holes = false;
	struct progress_options progress = { .program = "blkread", .delay = 2, .interval = 1 };

	if (!io_claim_standard())
		err(2, "/dev/null");
	reading.scan.length = UINT64_MAX;
	reading.scan.jobs = 0;
	header_init(&reading.header, STREAM_IMAGE, STREAM_UNKNOWN);
	parse_options(argc, argv, &reading, &direct, &trust_holes);
	if (!reading.raw && isatty(STDOUT_FILENO))
		errx(2, "a block stream is not written to a terminal (-r writes plain bytes)");
	if (!source_open(&reading.source, argv[optind], direct, trust_holes, &error))
		errx(2, "%s", error.text);
	reading.scan.source = &reading.source;
	reading.scan.context = &reading;
	if (!scan_bound(&reading.scan, &error))
		errx(2, "%s", error.text);
	if (reading.scan.jobs == 0)
		reading.scan.jobs = reading.source.pipe ? 2 : reading.source.direct ? 4 : 2;
	if (!progress_start(&progress, NULL))
		err(2, "threads");
	progress_phase("reading", reading.scan.length);
	pipe_widen(STDOUT_FILENO);
	if (reading.raw)
		read_raw(&reading);
	else
		read_stream(&reading);
	return reading.bad_ranges > 0 ? 2 : 0;
}

static void
parse_options(int argc, char **argv, struct reading *reading, enum source_direct *direct,
    bool *trust_holes)
{
	enum { DIRECT = 256, TRUST_HOLES, SKIP_BAD, ID };
	static const struct option options[] = {
		{ "raw", no_argument, NULL, 'r' },
		{ "offset", required_argument, NULL, 'o' },
		{ "length", required_argument, NULL, 'l' },
		{ "jobs", required_argument, NULL, 'j' },
		{ "direct", required_argument, NULL, DIRECT },
		{ "trust-holes", no_argument, NULL, TRUST_HOLES },
		{ "skip-bad", no_argument, NULL, SKIP_BAD },
		{ "id", required_argument, NULL, ID },
		{ NULL, 0, NULL, 0 }
	};
	struct error error = { 0 };
	bool good = true;
	int option;

	while (good && (option = getopt_long(argc, argv, "ro:l:j:", options, NULL)) != -1)
		switch (option) {
		case 'r':
			reading->raw = true;
			break;
		case 'o':
			good = argument_size("-o", optarg, &reading->scan.offset, &error);
			break;
		case 'l':
			good = argument_size("-l", optarg, &reading->scan.length, &error);
			break;
		case 'j':
			good = argument_jobs(optarg, &reading->scan.jobs, &error);
			break;
		case DIRECT:
			if (strcmp(optarg, "always") == 0)
				*direct = SOURCE_DIRECT_ALWAYS;
			else if (strcmp(optarg, "never") == 0)
				*direct = SOURCE_DIRECT_NEVER;
			else if (strcmp(optarg, "auto") != 0)
				usage();
			break;
		case TRUST_HOLES:
			*trust_holes = true;
			break;
		case SKIP_BAD:
			reading->scan.skip_bad = true;
			break;
		case ID:
			good = id_load(optarg, reading->header.id, &error);
			break;
		default:
			usage();
		}
	if (!good)
		errx(2, "%s", error.text);
	if (argc - optind != 1)
		usage();
}

static void
read_stream(struct reading *reading)
{
	struct source *source = &reading->source;
	struct end_summary end;
	struct error error = { 0 };
	bool done;

	reading->digest = digest_create();
	if (reading->digest == NULL)
		err(2, "memory");
	reading->header.size = reading->scan.length;
	if (!source->pipe && source->allocated < reading->scan.length)
		reading->header.data = source->allocated;
	header_encode(&reading->header);
	if (!stream_begin(&reading->writer, STDOUT_FILENO, &reading->header))
		err(2, "standard output");

	reading->scan.hash = true;
	reading->scan.user_size = sizeof(struct runs);
	reading->scan.work = chunk_split;
	reading->scan.give = chunk_put;
	done = scan_run(&reading->scan, &error) && zeros_put(reading);
	if (done) {
		order_summary(&reading->writer.order, &end);
		digest_finish(reading->digest, end.digest);
		done = stream_put_end(&reading->writer, &end);
		if (!done)
			reading->write_errno = errno;
	}
	finish(reading, done, &error);
}

static void
read_raw(struct reading *reading)
{
	struct error error = { 0 };
	bool done;

	reading->scan.give = chunk_put_raw;
	done = scan_run(&reading->scan, &error);
	finish(reading, done, &error);
}

/* Cut a chunk into runs of zero blocks and of others, and seal the others. */
static void
chunk_split(void *context, struct scan_chunk *chunk)
{
	struct runs *runs = chunk->user;
	struct run *run = NULL;
	uint32_t at, block;

	(void)context;
	runs->count = 0;
	for (at = 0; !chunk->hole && at < chunk->length; at += block) {
		bool zero = chunk->zero[at / DIGEST_BLOCK];

		block = chunk->length - at < DIGEST_BLOCK ? (uint32_t)chunk->length - at : DIGEST_BLOCK;
		if (run == NULL || run->zero != zero) {
			run = &runs->run[runs->count++];
			*run = (struct run){ .start = at, .zero = zero };
		}
		run->length += block;
	}
	for (run = runs->run; run < runs->run + runs->count; run++) {
		if (run->zero)
			continue;
		run->record.type = RECORD_DATA;
		run->record.offset = chunk->offset + run->start;
		run->record.length = run->record.stored = run->length;
		record_seal(&run->record, chunk->data + run->start);
	}
}

/* Write a chunk's records; digest it. */
static bool
chunk_put(void *context, struct scan_chunk *chunk)
{
	struct reading *reading = context;
	struct runs *runs = chunk->user;
	struct run *run;

	if (chunk->error.set)
		return false;
	if (chunk->hole)
		digest_add_zeros(reading->digest, chunk->length);
	else
		digest_add(reading->digest, chunk->hashes, chunk->length);
	count_bad(reading, chunk);
	progress_add(chunk->length);
	if (chunk->hole)
		return zeros_add(reading, chunk->offset, chunk->length, false);
	for (run = runs->run; run < runs->run + runs->count; run++) {
		if (!run_put_bad(reading, chunk, run))
			return false;
		if (run->zero) {
			if (!zeros_add(reading, chunk->offset + run->start, run->length, true))
				return false;
			continue;
		}
		if (!zeros_put(reading))
			return false;
		if (!stream_put(&reading->writer, &run->record, chunk->data + run->start)) {
			reading->write_errno = errno;
			return false;
		}
	}
	return true;
}

/* BAD records come before the record that their range lies in. */
static bool
run_put_bad(struct reading *reading, const struct scan_chunk *chunk, const struct run *run)
{
	uint32_t run_end = run->start + run->length;
	unsigned i;

	for (i = 0; i < chunk->bad_count; i++) {
		uint32_t start = chunk->bad[i].start, end = start + chunk->bad[i].length;

		start = start > run->start ? start : run->start;
		end = end < run_end ? end : run_end;
		if (start >= end)
			continue;
		if (!zeros_put(reading))
			return false;
		if (!stream_put_range(&reading->writer, RECORD_BAD, chunk->offset + start, end - start)) {
			reading->write_errno = errno;
			return false;
		}
	}
	return true;
}

/* Gather zeros, so that many blocks of them are one record. */
static bool
zeros_add(struct reading *reading, uint64_t offset, uint64_t length, bool read)
{
	if (reading->zero_length == 0) {
		reading->zero_start = offset;
		reading->zero_read = 0;
		reading->zero_since = clock_seconds();
	}
	reading->zero_length += length;
	reading->zero_read += read ? length : 0;
	if (reading->zero_read >= ZERO_RUN_MAX || clock_seconds() - reading->zero_since >= 1)
		return zeros_put(reading);
	return true;
}

static bool
zeros_put(struct reading *reading)
{
	uint64_t length = reading->zero_length;

	if (length == 0)
		return true;
	reading->zero_length = 0;
	if (!stream_put_range(&reading->writer, RECORD_ZERO, reading->zero_start, length)) {
		reading->write_errno = errno;
		return false;
	}
	return true;
}

static bool
chunk_put_raw(void *context, struct scan_chunk *chunk)
{
	static const unsigned char zeros[DIGEST_BLOCK];
	struct reading *reading = context;
	uint64_t done, part;
	bool written = true;

	if (chunk->error.set)
		return false;
	count_bad(reading, chunk);
	if (!chunk->hole)
		written = write_full(STDOUT_FILENO, chunk->data, chunk->length);
	for (done = 0; written && chunk->hole && done < chunk->length; done += part) {
		part = chunk->length - done < sizeof(zeros) ? chunk->length - done : sizeof(zeros);
		written = write_full(STDOUT_FILENO, zeros, part);
	}
	if (!written)
		reading->write_errno = errno;
	progress_add(chunk->length);
	return written;
}

static void
count_bad(struct reading *reading, const struct scan_chunk *chunk)
{
	unsigned i;

	for (i = 0; i < chunk->bad_count; i++) {
		if (reading->bad_ranges++ < BAD_LISTED)
			warnx("%s: at byte %ju: %u bytes: %s", reading->source.name,
			    (uintmax_t)(reading->scan.offset + chunk->offset + chunk->bad[i].start),
			    chunk->bad[i].length, strerror(chunk->bad[i].number));
		reading->bad_bytes += chunk->bad[i].length;
	}
}

/* Say what went wrong, to the reader of the stream too, or close it. */
static void
finish(struct reading *reading, bool done, struct error *error)
{
	progress_stop();
	if (!done && reading->write_errno != 0) {
		errno = reading->write_errno;
		err(2, "standard output");
	}
	if (!done) {
		if (!reading->raw && zeros_put(reading))
			(void)stream_put_abort(&reading->writer, error->text);
		errx(2, "%s", error->text);
	}
	if (close(STDOUT_FILENO) == -1)
		err(2, "standard output");
	if (reading->bad_ranges > 0)
		warnx("%s: %ju bytes in %ju ranges could not be read; zeros stand in their place",
		    reading->source.name, (uintmax_t)reading->bad_bytes,
		    (uintmax_t)reading->bad_ranges);
}

static void
usage(void)
{
	fprintf(stderr, "usage: blkread [-r] [-j jobs] [-l length] [-o offset] "
	    "[--direct auto|always|never]\n"
	    "               [--id @file] [--skip-bad] [--trust-holes] file\n");
	exit(2);
}
