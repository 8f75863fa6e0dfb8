/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/pool.h"
#include "device/dm.h"
#include "hash/blk128.h"
#include "show/progress.h"
#include "write/writer.h"

static struct writer_job *
job_create(const struct writer *writer)
{
	struct writer_job *job = calloc(1, sizeof(*job));
	size_t room = writer->ops->room;

	if (job != NULL && (job->piece = piece_create(writer->intake)) != NULL &&
	    (room == 0 || (job->room = buffer_create(room)) != NULL) &&
	    (!writer->options.verify || (job->verify.room = buffer_create(VERIFY_CHUNK)) != NULL))
		return job;
	return NULL;
}

void
writer_confine(struct writer_options *options, struct target *target, const char *log)
{
	const struct confine_rule opening[] = {
		{ "/", CONFINE_READ },
		{ DM_CONTROL, CONFINE_WRITE },
		{ target->medium.fd == -1 ? target->name : NULL, CONFINE_CREATE },
		{ log, CONFINE_CREATE },
	};

	if (!confine_possible())
		return;
	(void)confine_paths(opening, sizeof(opening) / sizeof(*opening));
	options->confined = true;
	options->later = (struct confine_rule){ log, CONFINE_REMOVE };
}

bool
writer_create(struct writer *writer, const struct writer_ops *ops, void *context,
    const struct writer_options *options, struct intake *intake, struct target *target,
    struct error *error)
{
	unsigned i;

	memset(writer, 0, sizeof(*writer));
	writer->ops = ops;
	writer->context = context;
	writer->options = *options;
	writer->intake = intake;
	writer->target = target;
	pthread_mutex_init(&writer->settling, NULL);
	writer->jobs = calloc(options->jobs, sizeof(struct writer_job *));
	if (writer->jobs == NULL ||
	    (options->verify && (writer->verify = verify_create(target)) == NULL))
		return error_errno(error, "memory");
	for (i = 0; i < options->jobs; i++)
		if ((writer->jobs[i] = job_create(writer)) == NULL)
			return error_errno(error, "memory");
	return true;
}

void
writer_destroy(struct writer *writer)
{
	unsigned i;

	for (i = 0; writer->jobs != NULL && i < writer->options.jobs && writer->jobs[i] != NULL; i++) {
		piece_destroy(writer->jobs[i]->piece);
		free(writer->jobs[i]->verify.room);
		free(writer->jobs[i]->room);
		free(writer->jobs[i]);
	}
	free(writer->jobs);
	verify_destroy(writer->verify);
	evidence_clear(&writer->evidence);
	pthread_mutex_destroy(&writer->settling);
}

uint64_t
writer_head_part(const struct writer *writer, uint64_t offset, uint64_t length)
{
	uint64_t end = writer->head_length;

	if (offset >= end)
		return 0;
	return end - offset < length ? end - offset : length;
}

/* Take the next piece of input, or a part of the target to read back once enough has gathered. */
static bool
writer_take(void *context, void *argument)
{
	struct writer *writer = context;
	struct writer_job *job = argument;
	struct piece *piece = job->piece;

	job->verifying = writer->verify != NULL && !writer->checking &&
	    verify_pop(writer->verify, writer->draining, &job->verify);
	if (job->verifying)
		return true;
	job->broken = job->wrote = false;
	piece->error.set = false;	/* the pass that checks may have left one */
	if (writer->draining || atomic_load(&writer->closed) || !intake_take(writer->intake, piece))
		return false;
	job->broken = piece->error.set;
	if (!job->broken && piece->length > 0 &&
	    !writer->ops->admit(writer->context, piece, &piece->error))
		atomic_store(&writer->closed, true);
	return true;
}

static void
writer_work(void *context, void *argument)
{
	struct writer *writer = context;
	struct writer_job *job = argument;
	struct piece *piece = job->piece;

	if (job->verifying) {
		verify_work(writer->verify, &job->verify);
		return;
	}
	if (piece->error.set)
		return;
	intake_work(writer->intake, piece);
	job->broken = piece->error.set;
	if (!job->broken && piece->length > 0)
		writer->ops->write(writer->context, job);
}

static bool
give_verified(struct writer *writer, const struct verify_job *job)
{
	if (writer->draining)
		progress_add(job->length);
	if (!job->error.set)
		return true;
	*writer->error = job->error;
	writer->differs = true;
	return false;
}

/*
 * Queue the piece to be read back, except for the first MiB, which has not been written yet.  The
 * hashes cover blocks from the start of the rest on; usually a block of the piece starts there, too.
 */
static bool
keep_for_verify(struct writer *writer, struct piece *piece)
{
	uint64_t kept = writer_head_part(writer, piece->offset, piece->length);
	const unsigned char *hashes = piece->hashes + kept / BLK128_BLOCK * BLK128_SIZE;

	if (kept == piece->length)
		return true;
	if (kept % BLK128_BLOCK != 0 && !piece->zero) {
		blk128_blocks(piece->data + kept, (size_t)(piece->length - kept), piece->hashes);
		hashes = piece->hashes;
	}
	return verify_push(writer->verify, piece->offset + kept, piece->length - kept,
	    piece->zero ? NULL : hashes);
}

static bool
writer_give(void *context, void *argument)
{
	struct writer *writer = context;
	struct writer_job *job = argument;
	struct piece *piece = job->piece;

	if (job->verifying)
		return give_verified(writer, &job->verify);
	if (!intake_give(writer->intake, piece)) {
		if (job->broken && writer->ops->accept_broken != NULL &&
		    writer->ops->accept_broken(writer->context, piece)) {
			atomic_store(&writer->closed, true);
			return true;
		}
		*writer->error = piece->error;
		return false;
	}
	if (piece->length == 0)
		return true;
	writer->ops->given(writer->context, piece);
	if (writer->verify != NULL && job->wrote && !keep_for_verify(writer, piece))
		return error_errno(writer->error, "memory");
	return true;
}

static const struct pool_ops writer_pool_ops = { writer_take, writer_work, writer_give };

static bool
writer_pool(struct writer *writer)
{
	if (!pool_run(&writer_pool_ops, writer, (void **)writer->jobs, writer->options.jobs,
	    writer->options.jobs))
		return error_errno(writer->error, "threads");
	return true;
}

bool
writer_check(struct writer *writer, struct error *error)
{
	bool done;

	writer->error = error;
	writer->checking = true;
	progress_phase("checking", writer->total);
	done = writer_pool(writer);
	writer->checking = false;
	atomic_store(&writer->closed, false);
	return done;
}

/* Everything but the first MiB reaches the target. */
static bool
writer_transfer(struct writer *writer)
{
	if (!writer->ops->begin(writer->context, writer->error))
		return false;
	if (writer->options.confined)
		(void)confine_paths(&writer->options.later, 1);
	progress_phase(writer->ops->phase, writer->total);
	return writer_pool(writer);
}

/* Read back what was not yet, and compare. */
static bool
writer_read_back(struct writer *writer)
{
	struct verify_range list[VERIFY_LISTED];
	uint64_t bytes;
	bool more;

	if (writer->verify == NULL)
		return true;
	progress_phase("verifying", verify_pending(writer->verify));
	writer->draining = true;
	if (!writer_pool(writer))
		return false;
	if (verify_differences(writer->verify, list, &more, &bytes) == 0)
		return true;
	writer->differs = true;
	return error_set(writer->error, "%s: %ju bytes read back otherwise than they were sent",
	    writer->target->name, (uintmax_t)bytes);
}

/* All pieces were written: flush them and read them back. */
static bool
writer_settle(struct writer *writer)
{
	if (writer->ops->settle != NULL && !writer->ops->settle(writer->context, writer->error))
		return false;
	progress_phase("flushing", PROGRESS_UNKNOWN);
	if (writer->options.sync) {
		if (!target_flush(writer->target, writer->error))
			return false;
		writer->flushed = intake_position(writer->intake);
	}
	return writer_read_back(writer);
}

/* Only a target that is right in every other respect gets its first MiB. */
static bool
writer_commit(struct writer *writer)
{
	const struct writer_ops *ops = writer->ops;
	bool done;

	pthread_mutex_lock(&writer->settling);
	progress_phase("committing", PROGRESS_UNKNOWN);
	done = ops->commit(writer->context, writer->error) && writer_read_back(writer) &&
	    ops->finish(writer->context, writer->error);
	if (!done)
		ops->revoke(writer->context);
	pthread_mutex_unlock(&writer->settling);
	return done;
}

const char *
writer_verdict(const struct writer *writer)
{
	if (writer->verify == NULL)
		return "";
	switch ((enum fresh)atomic_load(&writer->target->fresh)) {
	case FRESH_MEDIUM:
		return ", verified";
	case FRESH_SERVER:
		return ", read back from a server";
	default:
		return ", read back from a cache only";
	}
}

bool
writer_run(struct writer *writer, struct error *error)
{
	struct target *target = writer->target;
	bool done;

	writer->error = error;
	done = writer_transfer(writer) && writer_settle(writer) &&
	    target_look_again(writer->target, &writer->remark, error) && writer_commit(writer);
	if (!done && writer->ops->abandon != NULL)
		writer->ops->abandon(writer->context);
	evidence_add(&writer->evidence, target->name, writer->verify != NULL ?
	    (enum fresh)atomic_load(&target->fresh) : FRESH_MEDIUM, target->lost);
	return done && target_close(target, error);
}

bool
writer_describe(struct writer *writer, char *out, size_t size)
{
	bool said = writer->ops->describe(writer->context, false, out, size);

	target_forget(writer->target);
	return said;
}

bool
writer_stop(struct writer *writer, char *out, size_t size)
{
	pthread_mutex_lock(&writer->settling);
	if (writer->ops->abandon != NULL)
		writer->ops->abandon(writer->context);
	return writer->ops->describe(writer->context, true, out, size);
}

unsigned
writer_differences(struct writer *writer, struct verify_range *list, bool *more, uint64_t *bytes)
{
	return writer->verify == NULL ? 0 : verify_differences(writer->verify, list, more, bytes);
}
