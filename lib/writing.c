/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digest.h"
#include "io.h"
#include "pool.h"
#include "progress.h"
#include "writing.h"

/* Dirty pages are written out in steps of this, so that the last flush is short. */
#define WRITE_OUT_STEP	(32u << 20)

/* Devices take long over a large discard, and cannot be interrupted in it. */
#define DISCARD_STEP	(1ull << 30)

/* One thread's: what came in, or a part of the target to read back. */
struct writing_job {
	struct piece *piece;
	struct verify_job verify;
	bool verifying;
};

bool
writing_create(struct writing *writing, const struct writing_options *options,
    struct intake *intake, struct target *target, uint64_t size, struct error *error)
{
	unsigned i;

	memset(writing, 0, sizeof(*writing));
	writing->options = *options;
	writing->intake = intake;
	writing->target = target;
	writing->size = size;
	writing->error = error;
	writing->zeroed = options->zeroed;
	pthread_mutex_init(&writing->settling, NULL);
	if (options->discard && size == UINT64_MAX)
		return error_set(error, "--discard: how much is to come is not known");
	if (!commit_create(&writing->commit, target, options->sync, error))
		return false;
	writing->jobs = calloc(options->jobs, sizeof(struct writing_job *));
	if (writing->jobs == NULL ||
	    (options->verify && (writing->verify = verify_create(target)) == NULL))
		return error_errno(error, "memory");
	for (i = 0; i < options->jobs; i++) {
		struct writing_job *job = writing->jobs[i] = calloc(1, sizeof(*job));

		if (job == NULL || (job->piece = piece_create(intake)) == NULL ||
		    (options->verify && (job->verify.room = buffer_create(VERIFY_CHUNK)) == NULL))
			return error_errno(error, "memory");
	}
	return true;
}

/* A hint: without it everything goes on.  The first MiB is zero and stays so. */
static void
writing_discard(struct writing *writing, uint64_t size)
{
	uint64_t at = writing->commit.length, step;

	progress_phase("discarding", size - at);
	for (; at < size; at += step) {
		step = size - at < DISCARD_STEP ? size - at : DISCARD_STEP;
		if (!target_discard(writing->target, at, step)) {
			progress_warn("%s: discard: %s (going on without)", writing->target->name,
			    strerror(errno));
			return;
		}
		progress_add(step);
	}
	/* A file has holes there now; of a device nothing is known. */
	writing->zeroed = writing->zeroed || !writing->target->medium.device;
}

/* From here on the target is not what it was: it fits, and its first MiB is taken away. */
static bool
writing_begin(struct writing *writing, uint64_t size, struct error *error)
{
	if (!target_prepare(writing->target, size, writing->options.verify, error) ||
	    !commit_begin(&writing->commit, size, error))
		return false;
	if (writing->options.discard)
		writing_discard(writing, size);
	return true;
}

/*
 * A size that only the end tells: the target is left alone for as long as all that came
 * is held back.  Then a file grows with its zeros too, so that one that is too large for
 * its file system is found out at once.
 */
static void
writing_begin_late(struct writing *writing, struct piece *piece)
{
	uint64_t end = piece->offset + piece->length;

	if (end > COMMIT_SIZE && commit_state(&writing->commit) == COMMIT_UNTOUCHED)
		(void)writing_begin(writing, end, &piece->error);
	else if (end > COMMIT_SIZE && piece->zero)
		(void)target_grow(writing->target, end, &piece->error);
}

/* The next piece of input, or of the target to read back once enough has gathered. */
static bool
writing_take(void *context, void *argument)
{
	struct writing *writing = context;
	struct writing_job *job = argument;

	job->verifying = writing->verify != NULL &&
	    verify_pop(writing->verify, writing->draining, &job->verify);
	if (job->verifying)
		return true;
	if (writing->draining || !intake_take(writing->intake, job->piece))
		return false;
	if (writing->size == UINT64_MAX && !job->piece->error.set)
		writing_begin_late(writing, job->piece);
	return true;
}

static bool
write_zeros(struct writing *writing, uint64_t offset, uint64_t length, struct error *error)
{
	uint64_t step;

	for (; length > 0; offset += step, length -= step) {
		step = length < TARGET_ZERO_STEP ? length : TARGET_ZERO_STEP;
		if (!writing->zeroed && !target_zero(writing->target, offset, step, error))
			return false;
		progress_add(step);
	}
	return true;
}

/* Hold what belongs to the first MiB, write or zero the rest. */
static void
write_piece(struct writing *writing, struct piece *piece)
{
	uint64_t kept = commit_keep(&writing->commit, piece->offset, piece->length,
	    piece->zero ? NULL : piece->data);
	uint64_t offset = piece->offset + kept, length = piece->length - kept;

	progress_add(kept);
	if (piece->zero)
		(void)write_zeros(writing, offset, length, &piece->error);
	else if (length > 0 && target_write(writing->target, offset, piece->data + kept,
	    (size_t)length, &piece->error))
		progress_add(length);
}

static void
writing_work(void *context, void *argument)
{
	struct writing *writing = context;
	struct writing_job *job = argument;

	if (job->verifying) {
		verify_work(writing->verify, &job->verify);
		return;
	}
	intake_work(writing->intake, job->piece);
	if (!job->piece->error.set && job->piece->length > 0)
		write_piece(writing, job->piece);
}

/* What was written is to be read back, except the first MiB, which was not. */
static bool
keep_for_verify(struct writing *writing, const struct piece *piece)
{
	uint64_t kept = piece->offset < COMMIT_SIZE ? COMMIT_SIZE - piece->offset : 0;

	return kept >= piece->length || verify_push(writing->verify, piece->offset + kept,
	    piece->length - kept,
	    piece->zero ? NULL : piece->hashes + kept / DIGEST_BLOCK * DIGEST_SIZE);
}

static bool
give_verified(struct writing *writing, const struct verify_job *job)
{
	if (writing->draining)
		progress_add(job->length);
	if (!job->error.set)
		return true;
	*writing->error = job->error;
	writing->differs = true;
	return false;
}

static bool
writing_give(void *context, void *argument)
{
	struct writing *writing = context;
	struct writing_job *job = argument;
	struct piece *piece = job->piece;
	uint64_t position;

	if (job->verifying)
		return give_verified(writing, &job->verify);
	if (!intake_give(writing->intake, piece)) {
		*writing->error = piece->error;
		return false;
	}
	if (piece->length == 0)
		return true;
	writing->zero += piece->zero ? piece->length : 0;
	if (writing->verify != NULL && !keep_for_verify(writing, piece))
		return error_errno(writing->error, "memory");
	position = intake_position(writing->intake);
	if (position - writing->written_out >= WRITE_OUT_STEP && writing->options.sync) {
		target_write_out(writing->target, writing->written_out,
		    position - writing->written_out);
		writing->written_out = position;
	}
	return true;
}

static const struct pool_ops writing_ops = { writing_take, writing_work, writing_give };

/* Everything but the first MiB reaches the target. */
static bool
writing_transfer(struct writing *writing)
{
	if (writing->size != UINT64_MAX && !writing_begin(writing, writing->size, writing->error))
		return false;
	progress_phase("writing", writing->size);
	if (!pool_run(&writing_ops, writing, (void **)writing->jobs, writing->options.jobs,
	    writing->options.jobs))
		return error_errno(writing->error, "threads");
	writing->size = intake_position(writing->intake);
	return true;
}

/* Read back what was not yet, and compare. */
static bool
writing_read_back(struct writing *writing)
{
	struct verify_range list[VERIFY_LISTED];
	uint64_t bytes;
	bool more;

	if (writing->verify == NULL)
		return true;
	progress_phase("verifying", verify_pending(writing->verify));
	writing->draining = true;
	if (!pool_run(&writing_ops, writing, (void **)writing->jobs, writing->options.jobs,
	    writing->options.jobs))
		return error_errno(writing->error, "threads");
	if (verify_differences(writing->verify, list, &more, &bytes) == 0)
		return true;
	writing->differs = true;
	return error_set(writing->error, "%s: %ju bytes read back otherwise than they were sent",
	    writing->target->name, (uintmax_t)bytes);
}

/* Only a target that is whole in every other respect gets its first MiB. */
static bool
writing_commit(struct writing *writing)
{
	struct error *error = writing->error;

	progress_phase("committing", PROGRESS_UNKNOWN);
	if (!commit_finish(&writing->commit, error))
		return false;
	if (writing->verify != NULL && !commit_verify(&writing->commit, writing->verify))
		return error_errno(error, "memory");
	return writing_read_back(writing) &&
	    target_cut(writing->target, writing->size, writing->options.sync, error);
}

/* All has come: flush, read back, and give the first MiB. */
static bool
writing_settle(struct writing *writing)
{
	struct error *error = writing->error;
	bool done;

	if (commit_state(&writing->commit) == COMMIT_UNTOUCHED ?
	    !writing_begin(writing, writing->size, error) :
	    !target_grow(writing->target, writing->size, error))
		return false;
	progress_phase("flushing", PROGRESS_UNKNOWN);
	if (writing->options.sync) {
		if (!target_flush(writing->target, error))
			return false;
		writing->flushed = writing->size;
	}
	if (!writing_read_back(writing))
		return false;
	pthread_mutex_lock(&writing->settling);
	done = writing_commit(writing);
	if (!done)
		commit_revoke(&writing->commit);
	pthread_mutex_unlock(&writing->settling);
	return done;
}

bool
writing_run(struct writing *writing)
{
	return writing_transfer(writing) && writing_settle(writing) &&
	    target_close(writing->target, writing->error);
}

bool
writing_describe(struct writing *writing, char *out, size_t size)
{
	enum commit_state state = commit_state(&writing->commit);
	struct target *target = writing->target;
	struct error failed = { 0 };
	size_t used;

	if (state == COMMIT_UNTOUCHED || state == COMMIT_DONE)
		return false;
	commit_describe(&writing->commit, out, size);
	used = strlen(out);
	if (writing->differs)
		return true;
	if (writing->options.sync && target_flush(target, &failed) && !target->medium.lost)
		writing->flushed = intake_position(writing->intake);
	if (writing->flushed > COMMIT_SIZE)
		snprintf(out + used, size - used, ", byte %ju is the last known to be on the medium",
		    (uintmax_t)(target->offset + writing->flushed - 1));
	else
		snprintf(out + used, size - used, ", nothing is known to be on the medium");
	return true;
}

bool
writing_stop(struct writing *writing, char *out, size_t size)
{
	enum commit_state state;

	pthread_mutex_lock(&writing->settling);
	state = commit_state(&writing->commit);
	if (state != COMMIT_UNTOUCHED)
		commit_describe(&writing->commit, out, size);
	return state != COMMIT_UNTOUCHED;
}
