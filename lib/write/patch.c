/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/pool.h"
#include "hash/blk128.h"
#include "show/progress.h"
#include "write/apply.h"
#include "write/patch.h"

/* What the first MiB is compared and written by. */
#define HEAD_PAGE	4096u

struct patch_job {
	struct piece *piece;
	struct verify_job verify;
	bool verifying;
	bool tail;			/* of an undo log: in its last window */
	bool wrote;			/* what the target holds there is new */
	bool broken;			/* the input is, not the target */
	unsigned char *room;		/* APPLY_ROOM bytes, aligned */
};

static bool
is_undo(const struct patch *patch)
{
	return patch->intake->reader.header.kind == STREAM_UNDO;
}

bool
patch_create(struct patch *patch, const struct patch_options *options, struct intake *intake,
    struct target *target, struct error *error)
{
	unsigned i;

	memset(patch, 0, sizeof(*patch));
	patch->options = *options;
	patch->intake = intake;
	patch->target = target;
	patch->error = error;
	patch->size = intake->reader.header.size;
	patch->head = buffer_create(COMMIT_SIZE);
	patch->head_before = buffer_create(COMMIT_SIZE);
	patch->jobs = calloc(options->jobs, sizeof(struct patch_job *));
	if (patch->head == NULL || patch->head_before == NULL || patch->jobs == NULL ||
	    (options->verify && (patch->verify = verify_create(target)) == NULL))
		return error_errno(error, "memory");
	for (i = 0; i < options->jobs; i++) {
		struct patch_job *job = patch->jobs[i] = calloc(1, sizeof(*job));

		if (job == NULL || (job->piece = piece_create(intake)) == NULL ||
		    (job->room = buffer_create(APPLY_ROOM)) == NULL ||
		    (options->verify && (job->verify.room = buffer_create(VERIFY_CHUNK)) == NULL))
			return error_errno(error, "memory");
	}
	if (patch->size == STREAM_UNKNOWN)
		return error_set(error, "%s: a delta that does not say how large its device is",
		    intake->input->name);
	if (is_undo(patch) && (target->offset != 0 || target->confined))
		return error_set(error, "%s: an undo log is of a whole target: -o and -l do not go with it",
		    intake->input->name);
	return true;
}

/* The part of a piece that lies in the first MiB. */
static uint64_t
head_part(const struct patch *patch, const struct piece *piece)
{
	if (piece->offset >= patch->head_length)
		return 0;
	return patch->head_length - piece->offset < piece->length ?
	    patch->head_length - piece->offset : piece->length;
}

static bool
patch_take(void *context, void *argument)
{
	struct patch *patch = context;
	struct patch_job *job = argument;

	job->verifying = patch->verify != NULL && !patch->checking &&
	    verify_pop(patch->verify, patch->draining, &job->verify);
	if (job->verifying)
		return true;
	job->piece->error.set = false;	/* as the first of two passes may have left it */
	if (patch->draining || atomic_load(&patch->broken) || !intake_take(patch->intake, job->piece))
		return false;
	job->tail = patch->options.cut_at != UINT64_MAX &&
	    patch->options.cut_at - patch->intake->input->position <= UNDO_WINDOW;
	return true;
}

/* Hold what belongs to the first MiB, write the rest. */
static bool
patch_write(struct patch *patch, struct patch_job *job)
{
	struct piece *piece = job->piece;
	uint64_t kept = head_part(patch, piece);
	bool done;

	if (kept > 0 && piece->zero)
		memset(patch->head + piece->offset, 0, kept);
	else if (kept > 0)
		memcpy(patch->head + piece->offset, piece->data, kept);
	done = apply_write(piece, kept, patch->target,
	    patch->options.undo != NULL ? &patch->undo : NULL, job->room, &piece->error);
	if (done)
		atomic_fetch_add(&patch->written, piece->length);
	return done;
}

static void
patch_work(void *context, void *argument)
{
	struct patch *patch = context;
	struct patch_job *job = argument;
	struct piece *piece = job->piece;
	enum apply_verdict verdict;

	job->wrote = false;
	if (job->verifying) {
		verify_work(patch->verify, &job->verify);
		return;
	}
	intake_work(patch->intake, piece);
	job->broken = piece->error.set;
	if (piece->error.set || piece->length == 0 ||
	    !apply_check(piece, &patch->intake->reader.header, patch->target, job->room, &verdict,
	    &piece->error))
		return;
	if (verdict == APPLY_NEITHER && !patch->options.force && !(is_undo(patch) && job->tail)) {
		error_set(&piece->error, "%s: at byte %ju: neither what the %s replaces nor what it brings "
		    "(another base, or a write that a crash has torn: a delta by map mends that)",
		    patch->target->name, (uintmax_t)(patch->target->offset + piece->offset),
		    is_undo(patch) ? "log" : "delta");
		return;
	}
	if (verdict == APPLY_DONE)
		atomic_fetch_add(&patch->passed, piece->length);
	else if (!patch->checking)
		job->wrote = patch_write(patch, job);
	if (verdict == APPLY_NEITHER && job->wrote && !is_undo(patch))
		atomic_fetch_add(&patch->forced, piece->length);
}

/* What was written behind the first MiB is read back; hashes are of blocks from where it begins. */
static bool
keep_for_verify(struct patch *patch, struct piece *piece)
{
	uint64_t kept = head_part(patch, piece);

	if (kept == piece->length)
		return true;
	if (kept > 0 && !piece->zero)
		blk128_blocks(piece->data + kept, (size_t)(piece->length - kept), piece->hashes);
	return verify_push(patch->verify, piece->offset + kept, piece->length - kept,
	    piece->zero ? NULL : piece->hashes);
}

static bool
patch_give(void *context, void *argument)
{
	struct patch *patch = context;
	struct patch_job *job = argument;
	struct piece *piece = job->piece;

	if (job->verifying) {
		if (patch->draining)
			progress_add(job->verify.length);
		*patch->error = job->verify.error;
		return !job->verify.error.set;
	}
	if (!intake_give(patch->intake, piece)) {
		/* A log ends where the machine died; nothing behind that was overwritten. */
		if (is_undo(patch) && job->broken) {
			if (!patch->cut.set)
				patch->cut = piece->error;
			atomic_store(&patch->broken, true);
			return true;
		}
		*patch->error = piece->error;
		return false;
	}
	if (piece->length == 0)
		return true;
	progress_add(piece->length);
	patch->unchecked = patch->unchecked || piece->record.flags == 0;
	if (patch->verify != NULL && job->wrote && !keep_for_verify(patch, piece))
		return error_errno(patch->error, "memory");
	return true;
}

static const struct pool_ops patch_ops = { patch_take, patch_work, patch_give };

static bool
patch_pool(struct patch *patch)
{
	if (!pool_run(&patch_ops, patch, (void **)patch->jobs, patch->options.jobs,
	    patch->options.jobs))
		return error_errno(patch->error, "threads");
	return true;
}

bool
patch_check(struct patch *patch)
{
	struct target *target = patch->target;
	bool done;

	if (!target_fits(target, patch->size, patch->error) ||
	    (target->medium.fd != -1 && !target_open_readback(target, patch->error)))
		return false;
	patch->checking = true;
	progress_phase("checking", patch->intake->reader.header.data);
	done = patch_pool(patch);
	patch->checking = false;
	patch->cut = (struct error){ 0 };
	atomic_store(&patch->broken, false);
	atomic_store(&patch->passed, 0);
	return done;
}

/* The first MiB goes into the undo log whole: what will come of it is not known yet. */
static bool
save_head(struct patch *patch)
{
	struct target *target = patch->target;
	uint64_t held = target_held(target, 0, patch->head_length), ticket = 0, at, part;

	for (at = 0; at < held; at += part) {
		part = held - at < UNDO_PART ? held - at : UNDO_PART;
		if (!undo_save(&patch->undo, target->offset + at, patch->head + at, (uint32_t)part, false, 0,
		    &ticket, patch->error))
			return false;
	}
	return undo_wait(&patch->undo, ticket, patch->error);
}

/* The undo log is there before the target is any longer. */
static bool
patch_begin(struct patch *patch)
{
	struct target *target = patch->target;
	const char *undo = patch->options.undo;

	if (undo != NULL && !undo_create(&patch->undo, undo, target, patch->error))
		return false;
	if (!target_prepare(target, patch->size, !target->readable, patch->error)) {
		if (undo != NULL)
			(void)unlink(undo);
		return false;
	}
	patch->head_length = patch->size < COMMIT_SIZE ? patch->size : COMMIT_SIZE;
	if (patch->head_length > 0 &&
	    !target_read_old(target, 0, patch->head, patch->head_length, patch->error))
		return false;
	memcpy(patch->head_before, patch->head, patch->head_length);
	if (undo != NULL && !save_head(patch))
		return false;
	patch->writing = true;
	return true;
}

static bool
patch_read_back(struct patch *patch)
{
	struct verify_range list[VERIFY_LISTED];
	uint64_t bytes;
	bool more;

	if (patch->verify == NULL)
		return true;
	progress_phase("verifying", verify_pending(patch->verify));
	patch->draining = true;
	if (!patch_pool(patch))
		return false;
	if (verify_differences(patch->verify, list, &more, &bytes) == 0)
		return true;
	return error_set(patch->error, "%s: %ju bytes read back otherwise than they were sent",
	    patch->target->name, (uintmax_t)bytes);
}

/* Write the pages of the first MiB that change, from end down to start, and flush. */
static bool
write_head(struct patch *patch, uint64_t start, uint64_t end)
{
	unsigned char hash[BLK128_SIZE];
	bool wrote = false;
	uint64_t at;

	for (; end > start; end = at) {
		uint32_t length;

		at = (end - 1) / HEAD_PAGE * HEAD_PAGE;
		length = (uint32_t)(end - at);
		if (memcmp(patch->head + at, patch->head_before + at, length) == 0)
			continue;
		if (!target_write(patch->target, at, patch->head + at, length, patch->error))
			return false;
		wrote = true;
		blk128_blocks(patch->head + at, length, hash);
		if (patch->verify != NULL && !verify_push(patch->verify, at, length, hash))
			return error_errno(patch->error, "memory");
	}
	return !wrote || !patch->options.sync || target_flush(patch->target, patch->error);
}

/* Put the first MiB back as it was, its beginning first, as well as can be. */
static void
revoke_head(struct patch *patch)
{
	struct error ignored = { 0 };
	uint64_t at, length;

	for (at = 0; at < patch->head_length; at += length) {
		length = patch->head_length - at < HEAD_PAGE ? patch->head_length - at : HEAD_PAGE;
		if (memcmp(patch->head + at, patch->head_before + at, length) != 0)
			(void)target_write(patch->target, at, patch->head_before + at, length, &ignored);
	}
	if (patch->options.sync)
		(void)target_flush(patch->target, &ignored);
}

/* All else is on the medium: the first MiB follows, or stays as it was. */
static bool
patch_commit(struct patch *patch)
{
	uint64_t end = patch->head_length;
	bool done = true;
	unsigned i;

	progress_phase("committing", PROGRESS_UNKNOWN);
	for (i = 0; done && i < COMMIT_STEPS; i++)
		if (end > commit_steps[i]) {
			done = write_head(patch, commit_steps[i], end);
			end = commit_steps[i];
		}
	done = done && patch_read_back(patch);
	if (!done)
		revoke_head(patch);
	return done;
}

bool
patch_run(struct patch *patch, struct intake *intake)
{
	bool sync = patch->options.sync;
	struct error *error = patch->error;

	patch->intake = intake;
	if (!patch_begin(patch))
		return false;
	progress_phase("applying", intake->reader.header.data);
	if (!patch_pool(patch))
		return false;
	progress_phase("flushing", PROGRESS_UNKNOWN);
	if ((sync && !target_flush(patch->target, error)) || !patch_read_back(patch) ||
	    !patch_commit(patch))
		return false;
	/* What a cut takes away is in no log. */
	if (patch->options.undo == NULL && !target_cut(patch->target, patch->size, sync, error))
		return false;
	if (patch->options.undo != NULL && !undo_finish(&patch->undo, error))
		return false;
	return target_close(patch->target, error);
}

bool
patch_describe(const struct patch *patch, char *out, size_t size)
{
	uint64_t written = atomic_load(&patch->written);

	if (!patch->writing || written == 0)
		return false;
	snprintf(out, size, "%s is partly changed: %ju bytes were to be written before; %s",
	    patch->target->name, (uintmax_t)written,
	    patch->options.undo != NULL ? "the undo log puts them back" :
	    patch->unchecked ? "apply it again once this is mended" :
	    "what is applied already is passed over when it is applied again");
	return true;
}
