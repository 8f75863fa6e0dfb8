/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * writer: takes an image, a delta or an undo log from an intake, and writes it to a target.
 *
 * Both are written in the same order, and that order is the promise (commit.h): the target
 * is made ready; the input is checked and written on several threads, except for the first
 * MiB, which is held in memory; everything is flushed and, if asked for, read back; then
 * the first MiB is written, flushed and read back, and the target is closed.  What an image
 * and a delta do differently at each step is in a table of operations.
 */
#ifndef WRITER_H
#define WRITER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/confine.h"
#include "base/error.h"
#include "device/evidence.h"
#include "device/target.h"
#include "stream/intake.h"
#include "write/verify.h"

struct writer_options {
	unsigned jobs;		/* threads */
	bool verify;		/* read back and compare */
	bool sync;		/* flush */
	bool confined;		/* once the target is ready, confine the process to this rule */
	struct confine_rule later;
};

/* One thread's: a piece of input, or a part of the target to read back. */
struct writer_job {
	struct piece *piece;
	unsigned char *room;	/* writer_ops.room bytes, aligned; NULL for none */
	bool broken;		/* piece->error is about the input, not the target */
	bool wrote;		/* the target holds the piece now, apart from the first MiB */
	bool verifying;
	struct verify_job verify;
};

/*
 * Confine the process (confine.h) before the input's header is read, and before there are threads:
 * from here on files are only read, but for a target that is still to be created and the undo log
 * or the map (NULL: none).  writer_run will then give up all paths, but for the removal of a log or
 * a map of which no use came.  A child (lookout.h) does what cannot be done then.
 */
void writer_confine(struct writer_options *, struct target *, const char *log);

/*
 * The operations in which an image and a delta differ, in the order of the calls.
 *
 * One policy for errors: an operation that fails returns false and fills the error.  The
 * first failure, in the order of the input, is the error of the run.  Afterwards no piece is
 * admitted, and only revoke (if commit was called), abandon and describe are called.
 */
struct writer_ops {
	const char *phase;	/* for progress: "writing" */
	size_t room;		/* bytes of memory that each job needs besides its piece, or 0 */

	/* Make the target ready.  Nothing has been taken from the intake yet. */
	bool (*begin)(void *context, struct error *);

	/*
	 * A piece with a range was taken: may it be written?  Called in the order of the input,
	 * by one thread at a time, beside writes of earlier pieces.  Once it has returned false no
	 * later piece is taken, so none is written.
	 */
	bool (*admit)(void *context, const struct piece *, struct error *);

	/*
	 * Write the job's piece, which has a range and no error; set job->wrote if it is to be
	 * read back.  Any thread, beside others.  A failure fills job->piece->error.
	 */
	void (*write)(void *context, struct writer_job *job);

	/*
	 * The input is broken at this piece, which has an error; true: take it as the end, and no
	 * more of it.  False: that is a failure, and piece->error may say more of it now.  In
	 * order.  May be NULL: broken input is a failure.
	 */
	bool (*accept_broken)(void *context, struct piece *);

	/* The piece, which has a range, was written.  In order. */
	void (*given)(void *context, const struct piece *);

	/* All pieces were written; a flush follows.  May be NULL. */
	bool (*settle)(void *context, struct error *);

	/* Write the first MiB, flush it, and push it to writer->verify unless that is NULL. */
	bool (*commit)(void *context, struct error *);

	/* The first MiB was read back: do the rest. */
	bool (*finish)(void *context, struct error *);

	/* commit, finish or the reading back between them failed: take the first MiB back. */
	void (*revoke)(void *context);

	/*
	 * The run failed, or the process is about to die by a signal, and then other threads
	 * are still at work.  Remove what is of no use.  May be NULL.
	 */
	void (*abandon)(void *context);

	/* See writer_describe; stopped: see writer_stop. */
	bool (*describe)(void *context, bool stopped, char *out, size_t size);
};

struct writer {
	const struct writer_ops *ops;
	void *context;			/* of ops */
	struct writer_options options;
	struct intake *intake;
	struct target *target;
	struct verify *verify;		/* NULL where nothing is read back */
	struct writer_job **jobs;
	pthread_mutex_t settling;	/* held while the first MiB is written, and by writer_stop */
	struct error *error;		/* of the run; the caller's */
	uint64_t total;			/* bytes to come, for progress; UINT64_MAX: not known */
	uint64_t head_length;		/* bytes that are held back for commit */
	uint64_t flushed;		/* bytes of the image that are known to be on the medium */
	bool checking;			/* within writer_check */
	bool draining;			/* only reading back is left */
	bool differs;			/* something read back otherwise, or not at all */
	atomic_bool closed;		/* nothing more is taken from the intake */
	struct error remark;		/* set: a problem that was no failure */
	struct evidence evidence;	/* of what was read back */
};

/*
 * Make ready; touches nothing.  The caller sets total and head_length before the run.  All
 * pointers must stay valid as long as the process if the run fails: a thread may still wait
 * for input.  False: error is filled.
 */
bool writer_create(struct writer *, const struct writer_ops *, void *context,
    const struct writer_options *, struct intake *, struct target *, struct error *);

/* Free the memory, if no thread waits for input any more. */
void writer_destroy(struct writer *);

/*
 * A pass of its own over all input in which ops->write only checks, for writer->checking is
 * set.  The intake is used up: the caller opens another on the same input and sets
 * writer->intake to it.  False: error is filled.
 */
bool writer_check(struct writer *, struct error *);

/*
 * Run it all, up to the close of the target.  False: error is filled; writer_describe gives the
 * state of the target, writer_differences the ranges that did not read back as written.
 */
bool writer_run(struct writer *, struct error *);

/* Bytes of a range, from its start, that are held back for commit. */
uint64_t writer_head_part(const struct writer *, uint64_t offset, uint64_t length);

/*
 * Describe the state of the target after a failure; may flush, to find out how much of it is on
 * the medium.  False: there is nothing to report, since it is unchanged or complete.
 */
bool writer_describe(struct writer *, char *out, size_t size);

/*
 * Before the process dies by a signal, from any thread: returns when the first MiB is
 * not being written, and it will not be any more.  Then like writer_describe, but without
 * the flush.
 */
bool writer_stop(struct writer *, char *out, size_t size);

/* What -v says of reading back: ", verified", or from where else than the medium, or nothing. */
const char *writer_verdict(const struct writer *);

/* See verify_differences; 0 where nothing was read back. */
unsigned writer_differences(struct writer *, struct verify_range *, bool *more, uint64_t *bytes);

#endif
