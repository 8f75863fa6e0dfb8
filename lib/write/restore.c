/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/pool.h"
#include "hash/blk128.h"
#include "show/progress.h"
#include "write/restore.h"

/* Dirty pages are written out in steps of this, so that the last flush is short. */
#define WRITE_OUT_STEP	(32u << 20)

/* Devices take long over a large discard, and cannot be interrupted in it. */
#define DISCARD_STEP	(1ull << 30)

/* One thread's: what came in, or a part of the target to read back. */
struct restore_job {
	struct piece *piece;
	struct verify_job verify;
	bool verifying;
};

bool
restore_create(struct restore *restore, const struct restore_options *options,
    struct intake *intake, struct target *target, uint64_t size, struct error *error)
{
	unsigned i;

	memset(restore, 0, sizeof(*restore));
	restore->options = *options;
	restore->intake = intake;
	restore->target = target;
	restore->size = size;
	restore->error = error;
	restore->zeroed = options->zeroed;
	pthread_mutex_init(&restore->settling, NULL);
	if (options->discard && size == UINT64_MAX)
		return error_set(error, "--discard: how much is to come is not known");
	if (!commit_create(&restore->commit, target, options->sync, error))
		return false;
	restore->jobs = calloc(options->jobs, sizeof(struct restore_job *));
	if (restore->jobs == NULL ||
	    (options->verify && (restore->verify = verify_create(target)) == NULL))
		return error_errno(error, "memory");
	for (i = 0; i < options->jobs; i++) {
		struct restore_job *job = restore->jobs[i] = calloc(1, sizeof(*job));

		if (job == NULL || (job->piece = piece_create(intake)) == NULL ||
		    (options->verify && (job->verify.room = buffer_create(VERIFY_CHUNK)) == NULL))
			return error_errno(error, "memory");
	}
	return true;
}

/* A hint: without it everything goes on.  The first MiB is zero and stays so. */
static void
restore_discard(struct restore *restore, uint64_t size)
{
	uint64_t at = restore->commit.length, step;

	progress_phase("discarding", size - at);
	for (; at < size; at += step) {
		step = size - at < DISCARD_STEP ? size - at : DISCARD_STEP;
		if (!target_discard(restore->target, at, step)) {
			progress_warn("%s: discard: %s (going on without)", restore->target->name,
			    strerror(errno));
			return;
		}
		progress_add(step);
	}
	/* A file has holes there now; of a device nothing is known. */
	restore->zeroed = restore->zeroed || !restore->target->medium.device;
}

/* From here on the target is not what it was: it fits, and its first MiB is taken away. */
static bool
restore_begin(struct restore *restore, uint64_t size, struct error *error)
{
	if (!target_prepare(restore->target, size, restore->options.verify, error) ||
	    !commit_begin(&restore->commit, size, error))
		return false;
	if (restore->options.discard)
		restore_discard(restore, size);
	return true;
}

/*
 * A size that only the end tells: the target is left alone for as long as all that came
 * is held back.  Then a file grows with its zeros too, so that one that is too large for
 * its file system is found out at once.
 */
static void
restore_begin_late(struct restore *restore, struct piece *piece)
{
	uint64_t end = piece->offset + piece->length;

	if (end > COMMIT_SIZE && commit_state(&restore->commit) == COMMIT_UNTOUCHED)
		(void)restore_begin(restore, end, &piece->error);
	else if (end > COMMIT_SIZE && piece->zero)
		(void)target_grow(restore->target, end, &piece->error);
}

/* The next piece of input, or of the target to read back once enough has gathered. */
static bool
restore_take(void *context, void *argument)
{
	struct restore *restore = context;
	struct restore_job *job = argument;

	job->verifying = restore->verify != NULL &&
	    verify_pop(restore->verify, restore->draining, &job->verify);
	if (job->verifying)
		return true;
	if (restore->draining || !intake_take(restore->intake, job->piece))
		return false;
	if (restore->size == UINT64_MAX && !job->piece->error.set)
		restore_begin_late(restore, job->piece);
	return true;
}

static bool
write_zeros(struct restore *restore, uint64_t offset, uint64_t length, struct error *error)
{
	uint64_t step;

	for (; length > 0; offset += step, length -= step) {
		step = length < TARGET_ZERO_STEP ? length : TARGET_ZERO_STEP;
		if (!restore->zeroed && !target_zero(restore->target, offset, step, error))
			return false;
		progress_add(step);
	}
	return true;
}

/* Hold what belongs to the first MiB, write or zero the rest. */
static void
write_piece(struct restore *restore, struct piece *piece)
{
	uint64_t kept = commit_keep(&restore->commit, piece->offset, piece->length,
	    piece->zero ? NULL : piece->data);
	uint64_t offset = piece->offset + kept, length = piece->length - kept;

	progress_add(kept);
	if (piece->zero)
		(void)write_zeros(restore, offset, length, &piece->error);
	else if (length > 0 && target_write(restore->target, offset, piece->data + kept,
	    (size_t)length, &piece->error))
		progress_add(length);
}

static void
restore_work(void *context, void *argument)
{
	struct restore *restore = context;
	struct restore_job *job = argument;

	if (job->verifying) {
		verify_work(restore->verify, &job->verify);
		return;
	}
	intake_work(restore->intake, job->piece);
	if (!job->piece->error.set && job->piece->length > 0)
		write_piece(restore, job->piece);
}

/* What was written is to be read back, except the first MiB, which was not. */
static bool
keep_for_verify(struct restore *restore, const struct piece *piece)
{
	uint64_t kept = piece->offset < COMMIT_SIZE ? COMMIT_SIZE - piece->offset : 0;

	return kept >= piece->length || verify_push(restore->verify, piece->offset + kept,
	    piece->length - kept,
	    piece->zero ? NULL : piece->hashes + kept / BLK128_BLOCK * BLK128_SIZE);
}

static bool
give_verified(struct restore *restore, const struct verify_job *job)
{
	if (restore->draining)
		progress_add(job->length);
	if (!job->error.set)
		return true;
	*restore->error = job->error;
	restore->differs = true;
	return false;
}

static bool
restore_give(void *context, void *argument)
{
	struct restore *restore = context;
	struct restore_job *job = argument;
	struct piece *piece = job->piece;
	uint64_t position;

	if (job->verifying)
		return give_verified(restore, &job->verify);
	if (!intake_give(restore->intake, piece)) {
		*restore->error = piece->error;
		return false;
	}
	if (piece->length == 0)
		return true;
	restore->zero += piece->zero ? piece->length : 0;
	if (restore->verify != NULL && !keep_for_verify(restore, piece))
		return error_errno(restore->error, "memory");
	position = intake_position(restore->intake);
	if (position - restore->written_out >= WRITE_OUT_STEP && restore->options.sync) {
		target_write_out(restore->target, restore->written_out,
		    position - restore->written_out);
		restore->written_out = position;
	}
	return true;
}

static const struct pool_ops restore_ops = { restore_take, restore_work, restore_give };

/* Everything but the first MiB reaches the target. */
static bool
restore_transfer(struct restore *restore)
{
	if (restore->size != UINT64_MAX && !restore_begin(restore, restore->size, restore->error))
		return false;
	progress_phase("writing", restore->size);
	if (!pool_run(&restore_ops, restore, (void **)restore->jobs, restore->options.jobs,
	    restore->options.jobs))
		return error_errno(restore->error, "threads");
	restore->size = intake_position(restore->intake);
	return true;
}

/* Read back what was not yet, and compare. */
static bool
restore_read_back(struct restore *restore)
{
	struct verify_range list[VERIFY_LISTED];
	uint64_t bytes;
	bool more;

	if (restore->verify == NULL)
		return true;
	progress_phase("verifying", verify_pending(restore->verify));
	restore->draining = true;
	if (!pool_run(&restore_ops, restore, (void **)restore->jobs, restore->options.jobs,
	    restore->options.jobs))
		return error_errno(restore->error, "threads");
	if (verify_differences(restore->verify, list, &more, &bytes) == 0)
		return true;
	restore->differs = true;
	return error_set(restore->error, "%s: %ju bytes read back otherwise than they were sent",
	    restore->target->name, (uintmax_t)bytes);
}

/* Only a target that is whole in every other respect gets its first MiB. */
static bool
restore_commit(struct restore *restore)
{
	struct error *error = restore->error;

	progress_phase("committing", PROGRESS_UNKNOWN);
	if (!commit_finish(&restore->commit, error))
		return false;
	if (restore->verify != NULL && !commit_verify(&restore->commit, restore->verify))
		return error_errno(error, "memory");
	return restore_read_back(restore) &&
	    target_cut(restore->target, restore->size, restore->options.sync, error);
}

/* All has come: flush, read back, and give the first MiB. */
static bool
restore_settle(struct restore *restore)
{
	struct error *error = restore->error;
	bool done;

	if (commit_state(&restore->commit) == COMMIT_UNTOUCHED ?
	    !restore_begin(restore, restore->size, error) :
	    !target_grow(restore->target, restore->size, error))
		return false;
	progress_phase("flushing", PROGRESS_UNKNOWN);
	if (restore->options.sync) {
		if (!target_flush(restore->target, error))
			return false;
		restore->flushed = restore->size;
	}
	if (!restore_read_back(restore))
		return false;
	pthread_mutex_lock(&restore->settling);
	done = restore_commit(restore);
	if (!done)
		commit_revoke(&restore->commit);
	pthread_mutex_unlock(&restore->settling);
	return done;
}

bool
restore_run(struct restore *restore)
{
	return restore_transfer(restore) && restore_settle(restore) &&
	    target_close(restore->target, restore->error);
}

bool
restore_describe(struct restore *restore, char *out, size_t size)
{
	enum commit_state state = commit_state(&restore->commit);
	struct target *target = restore->target;
	struct error failed = { 0 };
	size_t used;

	if (state == COMMIT_UNTOUCHED || state == COMMIT_DONE)
		return false;
	commit_describe(&restore->commit, out, size);
	used = strlen(out);
	if (restore->differs)
		return true;
	if (restore->options.sync && target_flush(target, &failed) && !target->medium.lost)
		restore->flushed = intake_position(restore->intake);
	if (restore->flushed > COMMIT_SIZE)
		snprintf(out + used, size - used, ", byte %ju is the last known to be on the medium",
		    (uintmax_t)(target->offset + restore->flushed - 1));
	else
		snprintf(out + used, size - used, ", nothing is known to be on the medium");
	return true;
}

bool
restore_stop(struct restore *restore, char *out, size_t size)
{
	enum commit_state state;

	pthread_mutex_lock(&restore->settling);
	state = commit_state(&restore->commit);
	if (state != COMMIT_UNTOUCHED)
		commit_describe(&restore->commit, out, size);
	return state != COMMIT_UNTOUCHED;
}
