/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "hash/blk128.h"
#include "write/commit.h"

bool
commit_by_steps(uint64_t length,
    bool (*write)(void *context, uint64_t start, uint64_t end, struct error *),
    void *context, struct error *error)
{
	static const uint64_t starts[] = { 128u << 10, 4096, 0 };
	uint64_t end = length;
	size_t i;

	for (i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		if (end > starts[i]) {
			if (!write(context, starts[i], end, error))
				return false;
			end = starts[i];
		}
	return true;
}

bool
commit_create(struct commit *commit, struct target *target, bool sync, struct error *error)
{
	memset(commit, 0, sizeof(*commit));
	commit->target = target;
	commit->sync = sync;
	commit->head = buffer_create(COMMIT_SIZE);
	if (commit->head == NULL)
		return error_errno(error, "%s", target->name);
	memset(commit->head, 0, COMMIT_SIZE);
	return true;
}

bool
commit_begin(struct commit *commit, uint64_t size, struct error *error)
{
	commit->length = size < COMMIT_SIZE ? size : COMMIT_SIZE;
	atomic_store(&commit->state, COMMIT_BEGUN);
	if (!target_zero(commit->target, 0, commit->length, error) ||
	    (commit->sync && !target_flush(commit->target, error)))
		return false;
	atomic_store(&commit->state, COMMIT_ZERO);
	return true;
}

uint64_t
commit_keep(struct commit *commit, uint64_t offset, uint64_t length, const unsigned char *data)
{
	uint64_t kept;

	if (offset >= COMMIT_SIZE)
		return 0;
	kept = COMMIT_SIZE - offset < length ? COMMIT_SIZE - offset : length;
	if (data != NULL)
		memcpy(commit->head + offset, data, kept);
	else
		memset(commit->head + offset, 0, kept);
	return kept;
}

/* From end to start, block by block; blocks of zeros stay the holes that they are. */
static bool
commit_write(void *context, uint64_t start, uint64_t end, struct error *error)
{
	struct commit *commit = context;

	while (end > start) {
		uint64_t at = (end - 1) / BLK128_BLOCK * BLK128_BLOCK;

		at = at > start ? at : start;
		if (!bytes_are_zero(commit->head + at, (size_t)(end - at)) &&
		    !target_write(commit->target, at, commit->head + at, (size_t)(end - at), error))
			return false;
		end = at;
	}
	return !commit->sync || target_flush(commit->target, error);
}

bool
commit_finish(struct commit *commit, struct error *error)
{
	atomic_store(&commit->state, COMMIT_TORN);
	if (!commit_by_steps(commit->length, commit_write, commit, error))
		return false;
	atomic_store(&commit->state, COMMIT_DONE);
	return true;
}

/* The beginning first.  After a failure the rest is still tried. */
void
commit_revoke(struct commit *commit)
{
	struct error failed = { 0 };
	uint64_t at, block;

	atomic_store(&commit->state, COMMIT_TORN);
	for (at = 0; at < commit->length; at += block) {
		block = commit->length - at < BLK128_BLOCK ? commit->length - at : BLK128_BLOCK;
		(void)target_erase(commit->target, at, block, &failed);
	}
	if ((!commit->sync || target_flush(commit->target, &failed)) && !failed.set)
		atomic_store(&commit->state, COMMIT_ZERO);
}

bool
commit_verify(const struct commit *commit, struct verify *verify)
{
	unsigned char hashes[COMMIT_SIZE / BLK128_BLOCK * BLK128_SIZE];

	blk128_blocks(commit->head, commit->length, hashes);
	return verify_push(verify, 0, commit->length, hashes);
}

enum commit_state
commit_state(const struct commit *commit)
{
	return (enum commit_state)atomic_load(&commit->state);
}

void
commit_describe(const struct commit *commit, char *out, size_t size)
{
	const struct target *target = commit->target;
	const char *name = target->name;
	const char *verb = "is";
	char range[80] = "its first MiB";

	if (target->offset != 0 || commit->length < COMMIT_SIZE) {
		snprintf(range, sizeof(range), "its %ju bytes from byte %ju on",
		    (uintmax_t)commit->length, (uintmax_t)target->offset);
		verb = "are";
	}
	switch (commit_state(commit)) {
	case COMMIT_UNTOUCHED:
		snprintf(out, size, "%s is as it was", name);
		break;
	case COMMIT_BEGUN:
		snprintf(out, size, "%s is spoilt: %s may be zero in part", name, range);
		break;
	case COMMIT_ZERO:
		snprintf(out, size, "%s is incomplete: %s %s zero", name, range, verb);
		break;
	case COMMIT_TORN:
		snprintf(out, size, "%s is incomplete, and %s may not be zero", name, range);
		break;
	case COMMIT_DONE:
		snprintf(out, size, "%s is complete", name);
		break;
	}
}
