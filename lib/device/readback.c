/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The half of target.h that reads: from the medium, not from the page cache. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "device/target.h"

static void
target_note_fresh(struct target *target, enum fresh fresh)
{
	int worst = atomic_load(&target->fresh);

	if (fresh == FRESH_SERVER && target->backed)
		return;
	while ((int)fresh > worst &&
	    !atomic_compare_exchange_weak(&target->fresh, &worst, (int)fresh))
		;
}

/* Before the first write, so a lost write is another program's. */
static void
target_look_behind(struct target *target)
{
	struct medium *medium = &target->medium;

	if (!medium->device)
		(void)fresh_drop(medium->fd, 0, 0, &target->lost);
	else if (target->behind.count > 0 && fsync(medium->fd) == -1)
		target->lost = errno;
	target_note_fresh(target, behind_drop(&target->behind, &target->lost));
}

bool
target_refresh(struct target *target, struct error *error)
{
	int lost = 0;

	if (target->behind.count == 0)
		return true;
	if (!target_flush(target, error))
		return false;
	target_note_fresh(target, behind_drop(&target->behind, &lost));
	if (lost == 0)
		return true;
	atomic_store(&target->medium.lost, true);
	atomic_store(&target->medium.failed, true);
	errno = lost;
	return error_errno(error, "%s: flush of the file behind it", target->name);
}

/* Through another descriptor, since writes to a file go through the page cache. */
bool
target_open_readback(struct target *target, struct error *error)
{
	struct source *readback = &target->readback;
	enum source_direct direct = target->medium.sector > SOURCE_ALIGN ? SOURCE_DIRECT_NEVER :
	    SOURCE_MEDIUM;
	struct stat ours, theirs;

	if (target->medium.null)
		return error_set(error, "%s: keeps nothing: it cannot be read back, nor is it the base of a delta",
		    target->name);
	target_look_behind(target);
	if (!source_open(readback, target->name, direct, false, error))
		return false;
	if (fstat(target->medium.fd, &ours) == 0 && fstat(readback->fd, &theirs) == 0 &&
	    ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino) {
		target->readable = true;
		return true;
	}
	source_close(readback);
	return error_set(error, "%s: the path now names a different file", target->name);
}

bool
target_read(struct target *target, uint64_t offset, unsigned char *data, size_t length,
    struct error *error)
{
	uint64_t at = target->offset + offset;
	enum fresh fresh = target->readback.fresh;
	ssize_t n;

	if (!target->readback.direct &&
	    !medium_drop(&target->medium, at, length, &fresh, error))
		return false;
	target_note_fresh(target, fresh);
	n = source_read(&target->readback, at, data, length);
	if (n == -1)
		atomic_store(&target->medium.failed, true);
	if (n == -1)
		return error_errno(error, "%s: reading back at byte %ju", target->name, (uintmax_t)at);
	if ((size_t)n < length)
		return error_set(error, "%s: reading back at byte %ju: end of file", target->name,
		    (uintmax_t)(at + (uint64_t)n));
	return true;
}

bool
target_read_old(struct target *target, uint64_t offset, unsigned char *data, size_t length,
    struct error *error)
{
	size_t held = (size_t)target_held(target, offset, length);

	memset(data + held, 0, length - held);
	return held == 0 || target_read(target, offset, data, held, error);
}

uint64_t
target_extent(struct target *target, uint64_t offset, uint64_t end, bool *hole)
{
	return source_extent(&target->readback, target->offset + offset, target->offset + end,
	    hole) - target->offset;
}

void
target_forget(struct target *target)
{
	int lost;

	if (target->medium.fd == -1 || !atomic_load(&target->medium.failed))
		return;
	medium_forget(&target->medium);
	(void)behind_drop(&target->behind, &lost);
}
