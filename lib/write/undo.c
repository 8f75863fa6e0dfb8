/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "hash/hash64.h"
#include "write/sectors.h"
#include "write/undo.h"

bool
undo_create(struct undo *undo, const char *path, struct target *target, struct error *error)
{
	struct stream_header header;
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	memset(undo, 0, sizeof(*undo));
	undo->name = path;
	undo->target = target;
	undo->stream.fd = fd;
	pthread_mutex_init(&undo->lock, NULL);
	pthread_cond_init(&undo->flushed_more, NULL);
	pthread_cond_init(&undo->arrived, NULL);
	if (fd == -1)
		return error_errno(error, "%s", path);
	atomic_store(&undo->created, true);
	header_init(&header, STREAM_UNDO, target->medium.size);
	header.payload_max = UNDO_PART;
	header_encode(&header);
	if (stream_begin(&undo->stream, fd, &header) && fsync(fd) == 0 && io_flush_folder(path))
		return true;
	error_errno(error, "%s", path);
	undo_remove(undo);
	close(fd);
	undo->stream.fd = -1;
	return false;
}

void
undo_remove(struct undo *undo)
{
	if (atomic_exchange(&undo->created, false))
		(void)unlink(undo->name);
}

/* Under the lock: keep the first failure, and return it. */
static bool
undo_fail(struct undo *undo, struct error *error)
{
	error_errno(&undo->error, "%s", undo->name);
	*error = undo->error;
	return false;
}

bool
undo_depart(struct undo *undo, uint64_t length, struct error *error)
{
	uint64_t most = length + (length / UNDO_PART + 1) * (2 * RECORD_SIZE + SECTORS_NOTE_MAX);
	bool good;

	pthread_mutex_lock(&undo->lock);
	while (undo->unsettled + most > UNDO_WINDOW && !undo->error.set)
		if (undo->flights > 0)
			pthread_cond_wait(&undo->arrived, &undo->lock);
		else if (target_flush(undo->target, &undo->error))
			undo->unsettled = 0;
	good = !undo->error.set;
	if (good) {
		undo->unsettled += most;
		undo->flights++;
	} else
		*error = undo->error;
	pthread_mutex_unlock(&undo->lock);
	return good;
}

void
undo_arrive(struct undo *undo)
{
	pthread_mutex_lock(&undo->lock);
	undo->flights--;
	pthread_cond_broadcast(&undo->arrived);
	pthread_mutex_unlock(&undo->lock);
}

/* Under the lock: the note in front of a record, for who finds it half restored. */
static bool
undo_put_sectors(struct undo *undo, const unsigned char *note, size_t length)
{
	struct record record = { .type = RECORD_NOTE, .stored = (uint32_t)length };

	record_seal(&record, note);
	return stream_put(&undo->stream, &record, note);
}

bool
undo_save(struct undo *undo, uint64_t offset, const unsigned char *data, uint32_t length,
    const unsigned char *coming, uint64_t *ticket, struct error *error)
{
	bool zero = bytes_are_zero(data, length), saved;
	struct record record = {
		.type = zero ? RECORD_ZERO : RECORD_DATA, .offset = offset, .length = length,
		.stored = zero ? 0 : length
	};
	unsigned char note[SECTORS_NOTE_MAX];
	size_t used = 0;

	if (coming != NULL) {
		record.flags = RECORD_OLD_BYTES;
		record.old = hash64(coming, length);
		used = sectors_note(offset, coming, length, note);
	}
	record_seal(&record, data);
	pthread_mutex_lock(&undo->lock);
	saved = !undo->error.set && (used == 0 || undo_put_sectors(undo, note, used)) &&
	    stream_put(&undo->stream, &record, data);
	*ticket = ++undo->appended;
	if (!saved)
		undo_fail(undo, error);
	pthread_mutex_unlock(&undo->lock);
	return saved;
}

bool
undo_wait(struct undo *undo, uint64_t ticket, struct error *error)
{
	bool good;

	pthread_mutex_lock(&undo->lock);
	while (undo->flushed < ticket && !undo->error.set) {
		uint64_t upto = undo->appended;

		if (undo->flushing) {
			pthread_cond_wait(&undo->flushed_more, &undo->lock);
			continue;
		}
		undo->flushing = true;
		pthread_mutex_unlock(&undo->lock);
		good = fdatasync(undo->stream.fd) == 0;
		pthread_mutex_lock(&undo->lock);
		undo->flushing = false;
		if (good)
			undo->flushed = upto;
		else
			undo_fail(undo, error);
		pthread_cond_broadcast(&undo->flushed_more);
	}
	good = !undo->error.set;
	if (!good)
		*error = undo->error;
	pthread_mutex_unlock(&undo->lock);
	return good;
}

bool
undo_finish(struct undo *undo, struct error *error)
{
	struct end_summary end;

	order_summary(&undo->stream.order, &end);
	if (undo->error.set || !stream_put_end(&undo->stream, &end) ||
	    fsync(undo->stream.fd) == -1 || close(undo->stream.fd) == -1)
		return undo_fail(undo, error);
	return true;
}

bool
undo_log_is_whole(const struct stream_header *header, int fd, uint64_t start, uint64_t length)
{
	const uint64_t back = RECORD_SIZE + RECORD_END_SIZE;
	unsigned char end[RECORD_SIZE];
	struct record record;
	struct error ignored = { 0 };

	return length > back &&
	    pread_full(fd, end, sizeof(end), start + length - back) == sizeof(end) &&
	    record_decode(&record, header, end, &ignored) == VERDICT_GOOD && record.type == RECORD_END;
}
