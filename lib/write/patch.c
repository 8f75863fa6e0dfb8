/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "hash/blk128.h"
#include "show/progress.h"
#include "write/commit.h"
#include "write/patch.h"

/* The first MiB is compared and written in pages of this. */
#define HEAD_PAGE	4096u

static bool
is_undo(const struct patch *patch)
{
	return patch->writer.intake->reader.header.kind == STREAM_UNDO;
}

/* Save all of the first MiB in the undo log: which part of it will change is not known yet. */
static bool
save_head(struct patch *patch, struct error *error)
{
	struct target *target = patch->writer.target;
	uint64_t held = target_held(target, 0, patch->writer.head_length), ticket = 0, at, part;

	for (at = 0; at < held; at += part) {
		part = held - at < UNDO_PART ? held - at : UNDO_PART;
		if (!undo_save(&patch->undo, target->offset + at, patch->head + at, (uint32_t)part, NULL,
		    &ticket, error))
			return false;
	}
	return undo_wait(&patch->undo, ticket, error);
}

/* Say that a file ends at a byte of the range, and what is missing there. */
static bool
refuse_short(const struct patch *patch, uint64_t at, const char *missing, uint64_t end,
    struct error *error)
{
	const struct target *target = patch->writer.target;

	return error_set(error, "%s: at byte %ju: neither the old data of the %s nor its new data: the "
	    "file ends there, and %s %ju", target->name, (uintmax_t)(target->offset + at),
	    is_undo(patch) ? "log" : "delta", missing, (uintmax_t)end);
}

/*
 * A file must be as long as the base, or as the device made, which it is once the delta was
 * applied: nobody knows what is missing otherwise.  What a log restores was never shorter.
 */
static bool
patch_suits(const struct patch *patch, struct error *error)
{
	uint64_t base = patch->writer.intake->reader.header.base_size, held;

	if (is_undo(patch) || base > patch->size)
		base = patch->size;
	held = target_held(patch->writer.target, 0, base);
	if (held == base || patch->force ||
	    (patch->base_unknown && !is_undo(patch)))
		return true;
	return refuse_short(patch, held, is_undo(patch) ? "what the log restores has bytes up to" :
	    "the delta's base has bytes up to", base, error);
}

/*
 * Where the size of the base is not known, records must state all that a file does not have.
 * They do so up to at.
 */
static bool
patch_covers(struct patch *patch, uint64_t at, struct error *error)
{
	uint64_t held = target_held(patch->writer.target, 0, at);

	if (is_undo(patch) || !patch->base_unknown || patch->force)
		return true;
	if (held < patch->covered)
		held = patch->covered;
	return held >= at || refuse_short(patch, held, "no record says what comes up to", at, error);
}

/* The undo log is complete, as far as it goes, before the target is even made longer. */
static bool
patch_begin(void *context, struct error *error)
{
	struct patch *patch = context;
	struct writer *writer = &patch->writer;
	struct target *target = writer->target;

	patch->apply.header = &writer->intake->reader.header;
	if (!target_fits(target, patch->size, error) || !patch_suits(patch, error) ||
	    (target->medium.fd != -1 && !target->readable && !target_open_readback(target, error)) ||
	    !target_read_old(target, 0, patch->head, writer->head_length, error))
		return false;
	memcpy(patch->head_before, patch->head, writer->head_length);
	if (patch->log != NULL &&
	    (!undo_create(&patch->undo, patch->log, target, error) || !save_head(patch, error)))
		return false;
	return target_prepare(target, patch->size, !target->readable, error);
}

static bool
patch_admit(void *context, const struct piece *piece, struct error *error)
{
	struct patch *patch = context;
	struct error reason = { 0 };
	bool overlaps;

	if (!is_undo(patch)) {
		if (!patch_covers(patch, piece->offset, error))
			return false;
		patch->covered = piece->offset + piece->length;
		return true;
	}
	if (!overlap_add(&patch->seen, piece->offset, piece->length, &overlaps))
		return error_errno(error, "memory");
	if (!overlaps)
		return true;
	error_set(&reason, "an earlier record of this undo log restores the same bytes");
	return fault_set(error, intake_place(patch->writer.intake, piece), reason.text);
}

/* Whether the writer may have died before this record's range was wholly on the medium. */
static bool
in_last_window(const struct patch *patch, const struct piece *piece)
{
	return is_undo(patch) && patch->cut_at != UINT64_MAX &&
	    patch->cut_at - (piece->at + RECORD_SIZE + piece->record.stored) <= UNDO_WINDOW;
}

/* Hold what belongs to the first MiB, write the rest. */
static bool
write_piece(struct patch *patch, struct writer_job *job)
{
	struct piece *piece = job->piece;
	uint64_t kept = writer_head_part(&patch->writer, piece->offset, piece->length);

	if (kept > 0 && piece->zero)
		memset(patch->head + piece->offset, 0, kept);
	else if (kept > 0)
		memcpy(patch->head + piece->offset, piece->data, kept);
	atomic_fetch_add(&patch->begun, piece->length - kept);
	if (!apply_write(&patch->apply, piece, kept, job->room, &piece->error))
		return false;
	atomic_fetch_add(&patch->written, piece->length);
	return true;
}

static void
patch_write(void *context, struct writer_job *job)
{
	struct patch *patch = context;
	struct piece *piece = job->piece;
	const struct target *target = patch->writer.target;
	enum apply_verdict verdict;

	if (piece->record.flags == 0 && target->lost != 0) {
		errno = target->lost;
		error_errno(&piece->error, "%s: an earlier write to it was lost, so a delta that does not "
		    "state the old data cannot be applied (a delta by map can)", target->name);
		return;
	}
	if (!apply_check(&patch->apply, piece, job->room, &verdict, &piece->error))
		return;
	if (verdict == APPLY_NEITHER && !patch->force && !in_last_window(patch, piece)) {
		error_set(&piece->error, "%s: at byte %ju: neither the old data of the %s nor its new data "
		    "(%s)", target->name, (uintmax_t)(target->offset + piece->offset),
		    is_undo(patch) ? "log" : "delta", is_undo(patch) ?
		    "another target, or written since: --force puts back what the log has" :
		    "another base, or a write torn by a crash: a delta by map repairs that");
		return;
	}
	if (verdict == APPLY_DONE)
		atomic_fetch_add(&patch->passed, piece->length);
	else if (!patch->writer.checking)
		job->wrote = write_piece(patch, job);
	if (verdict == APPLY_LIKELY && job->wrote && !in_last_window(patch, piece))
		atomic_fetch_add(&patch->likely, piece->length);
	if (verdict == APPLY_NEITHER && job->wrote && !is_undo(patch))
		atomic_fetch_add(&patch->forced, piece->length);
}

/*
 * Whether a log may be broken here because its writer died: nothing behind that was
 * overwritten.  Then it ends there, or in what was not flushed yet, and it has no END.  From
 * a pipe that cannot be known, and what comes before is restored already.
 */
static bool
is_left_by_a_crash(const struct patch *patch, const struct piece *piece)
{
	if (patch->once || piece->cut)
		return true;
	return patch->cut_at != UINT64_MAX && patch->cut_at - piece->at <= UNDO_WINDOW &&
	    piece->record.type != RECORD_END && piece->record.type != RECORD_ABORT;
}

static bool
patch_accept_broken(void *context, struct piece *piece)
{
	struct patch *patch = context;
	struct error refused = { 0 };

	if (!is_undo(patch))
		return false;
	if (patch->force || is_left_by_a_crash(patch, piece)) {
		if (!patch->cut.set)
			patch->cut = piece->error;
		return true;
	}
	error_set(&refused, "%s; the log is damaged, and nothing was written (--force restores what "
	    "the log holds before that place)", piece->error.text);
	if (patch->writer.checking)
		piece->error = refused;
	return false;
}

static void
patch_given(void *context, const struct piece *piece)
{
	struct patch *patch = context;

	progress_add(piece->length);
	patch->unchecked = patch->unchecked || piece->record.flags == 0;
}

static bool
patch_settle(void *context, struct error *error)
{
	struct patch *patch = context;

	return patch_covers(patch, patch->size, error);
}

/* Write the pages of the first MiB that change, from end down to start, and flush. */
static bool
write_head(void *context, uint64_t start, uint64_t end, struct error *error)
{
	struct patch *patch = context;
	struct writer *writer = &patch->writer;
	unsigned char hash[BLK128_SIZE];
	bool wrote = false;
	uint64_t at;

	for (; end > start; end = at) {
		uint32_t length;

		at = (end - 1) / HEAD_PAGE * HEAD_PAGE;
		length = (uint32_t)(end - at);
		if (memcmp(patch->head + at, patch->head_before + at, length) == 0)
			continue;
		atomic_fetch_add(&patch->begun, length);
		if (!apply_touch(&patch->apply, error) ||
		    !target_write(writer->target, at, patch->head + at, length, error))
			return false;
		wrote = true;
		blk128_blocks(patch->head + at, length, hash);
		if (writer->verify != NULL && !verify_push(writer->verify, at, length, hash))
			return error_errno(error, "memory");
	}
	return !wrote || !writer->options.sync || target_flush(writer->target, error);
}

static bool
patch_commit(void *context, struct error *error)
{
	struct patch *patch = context;

	return commit_by_steps(patch->writer.head_length, write_head, patch, error);
}

/* With an undo log a file is not truncated to size: the log has no copy of its end. */
static bool
patch_finish(void *context, struct error *error)
{
	struct patch *patch = context;
	struct writer *writer = &patch->writer;

	if (patch->log != NULL)
		return undo_finish(&patch->undo, error);
	return target_cut(writer->target, patch->size, writer->options.sync, error);
}

/* Put the first MiB back as it was, its beginning first, as far as that is possible. */
static void
patch_revoke(void *context)
{
	struct patch *patch = context;
	struct writer *writer = &patch->writer;
	struct error ignored = { 0 };
	uint64_t at, length;

	for (at = 0; at < writer->head_length; at += length) {
		length = writer->head_length - at < HEAD_PAGE ? writer->head_length - at : HEAD_PAGE;
		if (memcmp(patch->head + at, patch->head_before + at, length) != 0)
			(void)target_write(writer->target, at, patch->head_before + at, length, &ignored);
	}
	if (writer->options.sync)
		(void)target_flush(writer->target, &ignored);
}

/* If nothing was written, the log is of no use, and would be in the way of the next attempt. */
static void
patch_abandon(void *context)
{
	struct patch *patch = context;

	if (!apply_withdraw(&patch->apply))
		return;
	undo_remove(&patch->undo);
	target_ungrow(patch->writer.target);
}

static bool
patch_describe(void *context, bool stopped, char *out, size_t size)
{
	struct patch *patch = context;

	(void)stopped;
	if (atomic_load(&patch->apply.state) != APPLY_TOUCHED)
		return false;
	snprintf(out, size, "%s is partly changed: up to %ju bytes were overwritten; %s",
	    patch->writer.target->name, (uintmax_t)atomic_load(&patch->begun),
	    patch->log != NULL ? "the undo log restores them" :
	    patch->unchecked ? "apply it again once the cause is fixed" :
	    "applying it again skips what is applied already");
	return true;
}

static const struct writer_ops patch_ops = {
	.phase = "applying",
	.room = APPLY_ROOM,
	.begin = patch_begin,
	.admit = patch_admit,
	.write = patch_write,
	.accept_broken = patch_accept_broken,
	.given = patch_given,
	.settle = patch_settle,
	.commit = patch_commit,
	.finish = patch_finish,
	.revoke = patch_revoke,
	.abandon = patch_abandon,
	.describe = patch_describe,
};

bool
patch_create(struct patch *patch, const struct patch_options *options, struct intake *intake,
    struct target *target, struct error *error)
{
	memset(patch, 0, sizeof(*patch));
	patch->size = intake->reader.header.size;
	patch->base_unknown = intake->reader.header.base_size == STREAM_UNKNOWN;
	patch->cut_at = options->cut_at;
	patch->once = options->once;
	patch->log = options->undo;
	patch->force = options->force;
	patch->apply.header = &intake->reader.header;
	patch->apply.target = target;
	target->uncut = options->undo != NULL;
	patch->apply.undo = options->undo != NULL ? &patch->undo : NULL;
	patch->head = buffer_create(COMMIT_SIZE);
	patch->head_before = buffer_create(COMMIT_SIZE);
	if (patch->head == NULL || patch->head_before == NULL)
		return error_errno(error, "memory");
	if (!writer_create(&patch->writer, &patch_ops, patch, &options->writer, intake, target, error))
		return false;
	patch->writer.total = intake->reader.header.data;
	patch->writer.head_length = patch->size < COMMIT_SIZE ? patch->size : COMMIT_SIZE;
	if (is_undo(patch) && (target->offset != 0 || target->confined))
		return error_set(error, "%s: an undo log applies to a whole target: -o and -l cannot be used",
		    intake->input->name);
	return true;
}

bool
patch_check(struct patch *patch, struct error *error)
{
	struct target *target = patch->writer.target;
	bool done;

	if (!target_fits(target, patch->size, error) || !patch_suits(patch, error) ||
	    (target->medium.fd != -1 && !target_open_readback(target, error)))
		return false;
	done = writer_check(&patch->writer, error) && patch_covers(patch, patch->size, error);
	patch->covered = 0;
	overlap_free(&patch->seen);
	patch->cut = (struct error){ 0 };
	atomic_store(&patch->passed, 0);
	return done;
}
