/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <string.h>

#include "show/progress.h"
#include "write/restore.h"

/* Dirty pages are written out in steps of this, so that the last flush is short. */
#define WRITE_OUT_STEP	(32u << 20)

/* A large discard takes long and cannot be interrupted. */
#define DISCARD_STEP	(1ull << 30)

/* Only a hint: a failure is no error.  The first MiB is zero and stays zero. */
static void
restore_discard(struct restore *restore, uint64_t size)
{
	struct target *target = restore->writer.target;
	uint64_t at = restore->commit.length, step;

	progress_phase("discarding", size - at);
	for (; at < size; at += step) {
		step = size - at < DISCARD_STEP ? size - at : DISCARD_STEP;
		if (!target_discard(target, at, step)) {
			error_errno(&restore->writer.remark, "%s: going on without discard", target->name);
			return;
		}
		progress_add(step);
	}
	/* A file has holes there now; the content of a device is undefined. */
	restore->zeroed = restore->zeroed || !target->medium.device;
}

/* The image fits: from here on the target is changed, and its first MiB is zero. */
static bool
make_ready(struct restore *restore, uint64_t size, struct error *error)
{
	if (!target_prepare(restore->writer.target, size, restore->writer.options.verify, error) ||
	    !commit_begin(&restore->commit, size, error))
		return false;
	restore->zeroed = restore->zeroed && !restore->writer.target->medium.written_only;
	if (restore->discard)
		restore_discard(restore, size);
	return true;
}

static bool
restore_begin(void *context, struct error *error)
{
	struct restore *restore = context;

	if (restore->map != NULL && !mapfile_create(&restore->mapfile, restore->map, restore->size,
	    restore->writer.target->name, restore->writer.options.sync, error))
		return false;
	return restore->size == UINT64_MAX || make_ready(restore, restore->size, error);
}

/*
 * Where only the end tells the size, the target is left alone until more has come than is
 * held back.  Then a file grows with its zeros too, so that one that is too large for its
 * file system is found out at once.
 */
static bool
restore_admit(void *context, const struct piece *piece, struct error *error)
{
	struct restore *restore = context;
	uint64_t end = piece->offset + piece->length;

	if (restore->size != UINT64_MAX || end <= COMMIT_SIZE)
		return true;
	if (commit_state(&restore->commit) == COMMIT_UNTOUCHED)
		return make_ready(restore, end, error);
	return !piece->zero || target_grow(restore->writer.target, end, error);
}

static bool
write_zeros(struct restore *restore, uint64_t offset, uint64_t length, struct error *error)
{
	uint64_t step;

	for (; length > 0; offset += step, length -= step) {
		step = length < TARGET_ZERO_STEP ? length : TARGET_ZERO_STEP;
		if (!restore->zeroed && !target_zero(restore->writer.target, offset, step, error))
			return false;
		progress_add(step);
	}
	return true;
}

/* Hold what belongs to the first MiB, write or zero the rest. */
static void
restore_write(void *context, struct writer_job *job)
{
	struct restore *restore = context;
	struct piece *piece = job->piece;
	uint64_t kept = commit_keep(&restore->commit, piece->offset, piece->length,
	    piece->zero ? NULL : piece->data);
	uint64_t offset = piece->offset + kept, length = piece->length - kept;

	progress_add(kept);
	job->wrote = true;
	if (piece->zero)
		(void)write_zeros(restore, offset, length, &piece->error);
	else if (length > 0 && target_write(restore->writer.target, offset, piece->data + kept,
	    (size_t)length, &piece->error))
		progress_add(length);
}

static void
restore_given(void *context, const struct piece *piece)
{
	struct restore *restore = context;
	uint64_t position = intake_position(restore->writer.intake);

	restore->zero += piece->zero ? piece->length : 0;
	if (restore->map != NULL)
		mapfile_put(&restore->mapfile, piece);
	if (position - restore->written_out < WRITE_OUT_STEP || !restore->writer.options.sync)
		return;
	target_write_out(restore->writer.target, restore->written_out,
	    position - restore->written_out);
	restore->written_out = position;
}

/* Now the size is known. */
static bool
restore_settle(void *context, struct error *error)
{
	struct restore *restore = context;

	restore->size = intake_position(restore->writer.intake);
	if (commit_state(&restore->commit) == COMMIT_UNTOUCHED)
		return make_ready(restore, restore->size, error);
	return target_grow(restore->writer.target, restore->size, error);
}

static bool
restore_commit(void *context, struct error *error)
{
	struct restore *restore = context;
	struct verify *verify = restore->writer.verify;

	if (!commit_finish(&restore->commit, error))
		return false;
	if (verify != NULL && !commit_verify(&restore->commit, verify))
		return error_errno(error, "memory");
	return true;
}

static bool
restore_finish(void *context, struct error *error)
{
	struct restore *restore = context;

	return target_cut(restore->writer.target, restore->size, restore->writer.options.sync, error);
}

static void
restore_revoke(void *context)
{
	struct restore *restore = context;

	commit_revoke(&restore->commit);
}

static void
restore_abandon(void *context)
{
	struct restore *restore = context;

	mapfile_remove(&restore->mapfile);
}

/* Say how much of the image is on the medium, found out by a flush. */
static void
describe_flushed(struct writer *writer, char *out, size_t size)
{
	struct target *target = writer->target;
	struct error failed = { 0 };

	if (writer->options.sync && target_flush(target, &failed) && !target->medium.lost)
		writer->flushed = intake_position(writer->intake);
	if (writer->flushed > COMMIT_SIZE)
		snprintf(out, size, ", byte %ju is the last known to be on the medium",
		    (uintmax_t)(target->offset + writer->flushed - 1));
	else
		snprintf(out, size, ", nothing is known to be on the medium");
}

/* After a signal: how much had come, and what sends the rest. */
static void
describe_resumption(struct restore *restore, char *out, size_t size)
{
	const struct target *target = restore->writer.target;
	uint64_t done = intake_position(restore->writer.intake);
	int used;

	if (restore->size == UINT64_MAX)
		used = snprintf(out, size, ", %ju bytes had come", (uintmax_t)done);
	else
		used = snprintf(out, size, ", %ju of %ju bytes had come", (uintmax_t)done,
		    (uintmax_t)restore->size);
	/* A part of a target takes options on both sides: see the manual. */
	if (target->offset != 0 || target->confined || restore->writer.intake->raw ||
	    restore->size == UINT64_MAX || (size_t)used >= size)
		return;
	snprintf(out + used, size - (size_t)used, "; `blksum --map %s | blkdiff --map - SOURCE | blkwrite %s' sends "
	    "the rest, with `ssh HOST' before what is on another host", target->name, target->name);
}

static bool
restore_describe(void *context, bool stopped, char *out, size_t size)
{
	struct restore *restore = context;
	enum commit_state state = commit_state(&restore->commit);
	size_t used;

	if (restore->writer.target->medium.null || state == COMMIT_UNTOUCHED || (state == COMMIT_DONE && !stopped))
		return false;
	commit_describe(&restore->commit, out, size);
	used = strlen(out);
	if (!stopped && !restore->writer.differs)
		describe_flushed(&restore->writer, out + used, size - used);
	else if (stopped && state != COMMIT_DONE)
		describe_resumption(restore, out + used, size - used);
	return true;
}

static const struct writer_ops restore_ops = {
	.phase = "writing",
	.begin = restore_begin,
	.admit = restore_admit,
	.write = restore_write,
	.given = restore_given,
	.settle = restore_settle,
	.commit = restore_commit,
	.finish = restore_finish,
	.revoke = restore_revoke,
	.abandon = restore_abandon,
	.describe = restore_describe,
};

bool
restore_create(struct restore *restore, const struct restore_options *options,
    struct intake *intake, struct target *target, uint64_t size, struct error *error)
{
	memset(restore, 0, sizeof(*restore));
	restore->size = size;
	restore->discard = options->discard;
	restore->zeroed = options->zeroed;
	restore->map = options->map;
	if (options->discard && size == UINT64_MAX)
		return error_set(error, "--discard: the size of the input is not known");
	if (!commit_create(&restore->commit, target, options->writer.sync, error) ||
	    !writer_create(&restore->writer, &restore_ops, restore, &options->writer, intake, target,
	    error))
		return false;
	restore->writer.total = size;
	/* Then the target is made ready while the input is read: see restore_admit. */
	if (size == UINT64_MAX)
		restore->writer.options.confined = false;
	restore->writer.head_length = COMMIT_SIZE;
	return true;
}

bool
restore_end_map(struct restore *restore, struct error *error)
{
	return restore->map == NULL || mapfile_finish(&restore->mapfile, restore->writer.intake, error);
}

void
restore_abort_map(struct restore *restore, const char *why)
{
	if (restore->map != NULL)
		mapfile_abort(&restore->mapfile, why);
}
