/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/size.h"
#include "device/claim.h"
#include "device/target.h"

static bool
target_create(struct target *target, struct error *error)
{
	int fd = claim_create(target->name, error);

	if (fd == -1)
		return false;
	target->medium.fd = fd;
	target->created = true;
	if (!claim_image_lock(fd, target->name, error))
		return false;
	return io_flush_folder(target->name) ||
	    error_errno(error, "%s: flush of its folder", target->name);
}

static bool
medium_measure(struct medium *medium, const struct stat *status, struct error *error)
{
	int read_only = 0, sector;

	if (S_ISREG(status->st_mode)) {
		medium->size = (uint64_t)status->st_size;
		return true;
	}
	if (claim_is_null(status)) {
		medium->device = medium->null = true;
		medium->size = SIZE_LIMIT;
		return true;
	}
	if (ioctl(medium->fd, BLKROGET, &read_only) == 0 && read_only)
		return error_set(error, "%s: the device is read-only", medium->name);
	if (ioctl(medium->fd, BLKGETSIZE64, &medium->size) == -1 ||
	    ioctl(medium->fd, BLKSSZGET, &sector) == -1)
		return error_errno(error, "%s", medium->name);
	medium->sector = (uint32_t)sector;
	medium->device = true;
	return true;
}

static bool
target_bound(struct target *target, const struct target_options *options, struct error *error)
{
	uint64_t end = target->medium.device ? target->medium.size : SIZE_LIMIT;

	target->offset = options->offset;
	if (options->offset > end)
		return error_set(error, "%s: offset %ju lies behind its end at %ju", target->name,
		    (uintmax_t)options->offset, (uintmax_t)end);
	target->capacity = end - options->offset;
	if (options->length == UINT64_MAX)
		return true;
	if (options->length > target->capacity)
		return error_set(error, "%s: a range of %ju bytes from %ju ends behind its end at %ju",
		    target->name, (uintmax_t)options->length, (uintmax_t)options->offset,
		    (uintmax_t)end);
	target->capacity = options->length;
	return true;
}

/*
 * A device is written past the page cache, unless all data would have to be copied for
 * that, since the range is not aligned to sectors or the buffers are not.
 */
static void
medium_set_direct(struct medium *medium, uint64_t offset)
{
	if (medium->device && offset % medium->sector == 0 && medium->sector <= SOURCE_ALIGN)
		medium->direct = fcntl(medium->fd, F_SETFL, O_DIRECT) == 0;
}

static void
target_look(const struct target *target, const struct stat *status, enum holders_purpose purpose,
    struct holders *holders)
{
	lookout_find(&target->lookout, holders, status, target->offset,
	    target->offset + target->capacity, purpose);
}

void
target_start_lookout(struct target *target)
{
	if (!target->force && !target->medium.null)
		lookout_start(&target->lookout);
}

static bool
target_is_free(struct target *target, const struct stat *status, struct error *error)
{
	struct holders holders;

	target_look(target, status, HOLDERS_OF_TARGET, &holders);
	if (holders.held.set && !target->force) {
		error_set(error, "%s: in use: %s; --force writes it anyway", target->name,
		    holders.held.text);
		error->number = EBUSY;
		return false;
	}
	if (holders.held.set)
		error_set(&target->note, "%s: --force: %s: its writes and ours destroy "
		    "each other", target->name, holders.held.text);
	if (holders.unseen.set)
		error_set(&target->note, "%s: whether it is in use is not known: %s", target->name,
		    holders.unseen.text);
	return true;
}

bool
target_look_again(const struct target *target, struct error *remark, struct error *error)
{
	struct holders holders;
	struct stat status;

	if (target->force || target->medium.null)
		return true;
	if (fstat(target->medium.fd, &status) == -1)
		return error_errno(error, "%s", target->name);
	target_look(target, &status, HOLDERS_OF_WRITTEN, &holders);
	if (holders.unseen.set && !target->note.set)
		error_set(remark, "%s: whether it came into use meanwhile is not known: %s", target->name,
		    holders.unseen.text);
	if (!holders.held.set)
		return true;
	return error_set(error, "%s: came into use while it was written: %s", target->name,
	    holders.held.text);
}

static bool
target_add_backing(struct target *target, const struct target_options *options,
    struct error *error)
{
	target->backed = options->backing != NULL;
	return !target->backed || behind_add(&target->behind, options->backing, error);
}

bool
target_open(struct target *target, const char *path, const struct target_options *options,
    struct error *error)
{
	struct medium *medium = &target->medium;
	struct stat status;

	memset(target, 0, sizeof(*target));
	target->lookout.socket = -1;
	target->name = path;
	target->confined = options->confined;
	target->force = options->force;
	target->resize = options->resize;
	target->allocate = options->allocate;
	if (strcmp(path, "-") == 0)
		return error_set(error, "-: the target must be a device or a file, not standard output");
	medium_init(medium, claim_open(path, &status, error), path);
	if (medium->fd == -1 && error->number == ENOENT) {
		*error = (struct error){ 0 };
		if (!options->create)
			return error_set(error, "%s: no such file or device (--create makes a file)", path);
		if (!claim_may_create(path, error) || !target_bound(target, options, error))
			return false;
		behind_open_folder(&target->behind, path);
		return target_add_backing(target, options, error);
	}
	if (medium->fd == -1)
		return false;
	if (claim_is_null(&status))
		return medium_measure(medium, &status, error) && target_bound(target, options, error);
	if (claim_not_input(&status, path, error) && claim_unattached(&status, path, error) &&
	    claim_image_lock(medium->fd, path, error) && medium_measure(medium, &status, error) &&
	    target_bound(target, options, error) && target_is_free(target, &status, error)) {
		medium_set_direct(medium, target->offset);
		behind_open(&target->behind, medium->fd);
		if (target_add_backing(target, options, error))
			return true;
	}
	close(medium->fd);
	medium->fd = -1;
	return false;
}

bool
target_fits(const struct target *target, uint64_t size, struct error *error)
{
	if (size <= target->capacity)
		return true;
	return error_set(error, "%s: too small: %ju bytes are to come, %ju have room", target->name,
	    (uintmax_t)size, (uintmax_t)target->capacity);
}

static bool
target_allocate(struct target *target, uint64_t size, struct error *error)
{
	uint64_t from = target->allocated;

	if (!target->allocate || from >= size)
		return true;
	target->allocated = size;
	return medium_allocate(&target->medium, target->offset + from, size - from, error);
}

bool
target_grow(struct target *target, uint64_t size, struct error *error)
{
	struct stat status;
	uint64_t end = target->offset + size;

	if (!target_fits(target, size, error) || !target_allocate(target, size, error))
		return false;
	if (target->medium.device)
		return true;
	if (fstat(target->medium.fd, &status) == -1 ||
	    ((uint64_t)status.st_size < end && ftruncate(target->medium.fd, (off_t)end) == -1))
		return medium_fail(&target->medium, end, error);
	return true;
}

/*
 * A file system that cannot truncate the file is found out now, not after the transfer:
 * truncating to the size that it has changes nothing.
 */
static bool
target_can_cut(const struct target *target, uint64_t size, struct error *error)
{
	const struct medium *medium = &target->medium;
	uint64_t end = target->offset + size;
	int seals;

	if (medium->device || target->confined || target->uncut || medium->size <= end)
		return true;
	seals = fcntl(medium->fd, F_GET_SEALS);
	if (seals != -1 && (seals & F_SEAL_SHRINK) != 0)
		errno = EPERM;
	else if (ftruncate(medium->fd, (off_t)medium->size) == 0)
		return true;
	return error_errno(error, "%s: the file of %ju bytes cannot be truncated to %ju: nothing was "
	    "written (-l leaves it as large as it is)", target->name, (uintmax_t)medium->size,
	    (uintmax_t)end);
}

bool
target_prepare(struct target *target, uint64_t size, bool readback, struct error *error)
{
	if (!target_fits(target, size, error))
		return false;
	if ((target->medium.fd != -1 || target_create(target, error)) &&
	    (!readback || target_open_readback(target, error)) &&
	    target_can_cut(target, size, error) && target_grow(target, size, error))
		return true;
	if (target->created)
		(void)unlink(target->name);
	return false;
}

/* Nothing is written outside of the range, even if the caller is wrong about its input. */
static bool
target_check(const struct target *target, uint64_t offset, uint64_t length, struct error *error)
{
	if (offset <= target->capacity && length <= target->capacity - offset)
		return true;
	return error_set(error, "%s: at byte %ju: %ju bytes do not fit into its %ju", target->name,
	    (uintmax_t)offset, (uintmax_t)length, (uintmax_t)target->capacity);
}

bool
target_write(struct target *target, uint64_t offset, const unsigned char *data, size_t length,
    struct error *error)
{
	return target_check(target, offset, length, error) &&
	    medium_write(&target->medium, target->offset + offset, data, length, error);
}

bool
target_erase(struct target *target, uint64_t offset, uint64_t length, struct error *error)
{
	return target_check(target, offset, length, error) &&
	    medium_zero(&target->medium, target->offset + offset, length, error);
}

uint64_t
target_held(const struct target *target, uint64_t offset, uint64_t length)
{
	uint64_t held = target->medium.size;

	if (target->medium.device || target->medium.written_only)
		return length;
	held -= held < target->offset ? held : target->offset;
	held -= held < offset ? held : offset;
	return length < held ? length : held;
}

bool
target_zero(struct target *target, uint64_t offset, uint64_t length, struct error *error)
{
	return target_erase(target, offset, target_held(target, offset, length), error);
}

bool
target_discard(struct target *target, uint64_t offset, uint64_t length)
{
	struct error error = { 0 };

	if (!target_check(target, offset, length, &error)) {
		errno = EINVAL;
		return false;
	}
	return medium_discard(&target->medium, target->offset + offset, length);
}

void
target_write_out(struct target *target, uint64_t offset, uint64_t length)
{
	medium_write_out(&target->medium, target->offset + offset, length);
}

bool
target_flush(struct target *target, struct error *error)
{
	return medium_flush(&target->medium, error);
}

bool
target_cut(struct target *target, uint64_t size, bool sync, struct error *error)
{
	uint64_t end = target->offset + size;

	if (target->medium.device || target->confined || target->uncut || target->medium.size <= end)
		return true;
	if (ftruncate(target->medium.fd, (off_t)end) == -1)
		return medium_fail(&target->medium, end, error);
	return !sync || target_flush(target, error);
}

void
target_ungrow(struct target *target)
{
	struct stat status;
	const struct medium *medium = &target->medium;

	if (!medium->device && !target->created && fstat(medium->fd, &status) == 0 &&
	    (uint64_t)status.st_size > medium->size && ftruncate(medium->fd, (off_t)medium->size) == -1)
		return;		/* it keeps a hole behind its end: the caller reports the worse failure */
}

bool
target_may_replace(struct target *target, uint64_t size, struct error *error)
{
	const struct medium *medium = &target->medium;

	if (medium->fd == -1 || medium->device || target->confined || target->resize)
		return true;
	target->uncut = size == UINT64_MAX;
	if (target->uncut || medium->size <= target->offset + size)
		return true;
	return error_set(error, "%s: the file has %ju bytes, the image %ju: --resize cuts the file to that, "
	    "-l %ju leaves its end as it is", target->name, (uintmax_t)medium->size,
	    (uintmax_t)(target->offset + size), (uintmax_t)size);
}

uint64_t
target_tail(const struct target *target, uint64_t size)
{
	const struct medium *medium = &target->medium;
	uint64_t end = target->offset + size;

	if (medium->null || (!medium->device && !target->uncut))
		return 0;
	return medium->size > end ? medium->size - end : 0;
}

void
target_release(struct target *target)
{
	if (target->medium.fd != -1)
		close(target->medium.fd);
	target->medium.fd = -1;
}

bool
target_close(struct target *target, struct error *error)
{
	if (target->readable)
		source_close(&target->readback);
	behind_close(&target->behind);
	if (close(target->medium.fd) == -1)
		return error_errno(error, "%s: close", target->name);
	return true;
}
