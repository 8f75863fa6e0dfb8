/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "commit.h"
#include "digest.h"
#include "io.h"

static uint64_t
commit_length(uint64_t size)
{
	return size < COMMIT_SIZE ? size : COMMIT_SIZE;
}

bool
commit_begin(struct commit *commit, struct target *target, uint64_t size, bool sync,
    struct error *error)
{
	if (size > target->capacity)
		size = target->capacity;
	commit->target = target;
	commit->sync = sync;
	commit->head = buffer_create(COMMIT_SIZE);
	if (commit->head == NULL)
		return error_errno(error, "%s", target->name);
	memset(commit->head, 0, COMMIT_SIZE);
	commit->begun = true;
	return (size == 0 || target_zero(target, 0, commit_length(size), error)) &&
	    (!sync || target_flush(target, error));
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

/* Blocks of zeros stay the holes that they are. */
bool
commit_finish(struct commit *commit, uint64_t size, struct error *error)
{
	uint64_t length = commit_length(size), at, block;

	for (at = 0; at < length; at += block) {
		block = length - at < DIGEST_BLOCK ? length - at : DIGEST_BLOCK;
		if (!bytes_are_zero(commit->head + at, block) &&
		    !target_write(commit->target, at, commit->head + at, block, error))
			return false;
	}
	return !commit->sync || target_flush(commit->target, error);
}

void
commit_revoke(struct commit *commit, uint64_t size)
{
	struct error ignored = { 0 };

	memset(commit->head, 0, COMMIT_SIZE);
	(void)target_write(commit->target, 0, commit->head, commit_length(size), &ignored);
	(void)target_flush(commit->target, &ignored);
}

bool
commit_verify(const struct commit *commit, uint64_t size, struct verify *verify)
{
	unsigned char hashes[COMMIT_SIZE / DIGEST_BLOCK * DIGEST_SIZE];
	uint64_t length = commit_length(size);

	digest_blocks(commit->head, length, hashes);
	return verify_push(verify, 0, length, hashes);
}
