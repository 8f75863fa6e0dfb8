/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * restore: an image comes out of an intake and goes to a target.
 *
 * The order is the promise (commit.h): the first MiB is made zero and flushed, the rest
 * is checked and written on several threads, all of it is flushed and, if asked for,
 * read back; then the first MiB follows, is flushed and read back, and a file is cut to
 * size.  Whatever fails on the way, the first MiB is zero.
 */
#ifndef RESTORE_H
#define RESTORE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "device/target.h"
#include "stream/intake.h"
#include "write/commit.h"
#include "write/verify.h"

struct restore_options {
	unsigned jobs;		/* threads */
	bool zeroed;		/* the target is known to read as zeros */
	bool discard;		/* what the range held is not needed */
	bool verify;		/* read back and compare */
	bool sync;		/* flush */
};

struct restore {
	struct restore_options options;
	struct intake *intake;
	struct target *target;
	struct commit commit;
	struct verify *verify;		/* NULL where nothing is read back */
	struct restore_job **jobs;
	pthread_mutex_t settling;	/* held while the first MiB is written, and by restore_stop */
	struct error *error;		/* the caller's: the first, in the order of the stream */
	uint64_t size;			/* of the device made; UINT64_MAX: not known yet */
	uint64_t zero;			/* bytes that came as zeros */
	uint64_t written_out;
	uint64_t flushed;		/* bytes that are known to be on the medium */
	bool zeroed;			/* the target reads as zeros where nothing was written */
	bool draining;			/* only reading back is left */
	bool differs;			/* something read back otherwise, or not at all */
};

/*
 * Make ready for an image of size bytes, or UINT64_MAX, and touch nothing.  What is
 * pointed to must live as long as the process if restore_run fails: a thread may still
 * wait for input.  False: error is filled.
 */
bool restore_create(struct restore *, const struct restore_options *, struct intake *,
    struct target *, uint64_t size, struct error *);

/*
 * All of it, up to the close of the target.  False: error is filled; restore_describe
 * tells what the target is now, verify_differences what read back otherwise.
 */
bool restore_run(struct restore *);

/*
 * What the target is after a failure, in words; how much of it is on the medium is found
 * out by a flush.  False: there is nothing to say, it is as it was or complete.
 */
bool restore_describe(struct restore *, char *out, size_t size);

/*
 * Before the process dies by a signal, from any thread: returns when the first MiB is
 * not being written, and it will not be any more.  Then like restore_describe, but
 * without the flush.
 */
bool restore_stop(struct restore *, char *out, size_t size);

#endif
