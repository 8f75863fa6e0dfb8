/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * undo: saves what a target held before it is overwritten, as a stream of kind undo.
 *
 * A range may be overwritten once its record is on the medium.  Threads that wait for
 * that share one flush, so flushes are far fewer than records.
 */
#ifndef UNDO_H
#define UNDO_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "device/target.h"
#include "stream/stream.h"

/* Records hold at most this much. */
#define UNDO_PART	(256u << 10)

/* Ranges are saved and overwritten in steps of at most this. */
#define UNDO_STEP	(8u << 20)

/*
 * When a machine dies, so many bytes of the log may be about ranges that were not, or not
 * wholly, written to the target's medium.  So in that many bytes at the end of a log a range
 * is restored even if it is neither old nor new.
 */
#define UNDO_WINDOW	(64ull << 20)

struct undo {
	const char *name;		/* the caller's; for messages */
	struct target *target;
	struct stream_writer stream;
	pthread_mutex_t lock;
	pthread_cond_t flushed_more;
	uint64_t appended, flushed;	/* records */
	bool flushing;
	pthread_cond_t arrived;
	unsigned flights;		/* ranges between undo_depart and undo_arrive */
	uint64_t unsettled;		/* bytes of the log since the target was flushed last */
	struct error error;		/* the first; later calls fail with it */
	atomic_bool created;		/* the file exists and is ours */
};

/*
 * Make a new log for a target of the size that it had when it was opened; a file that exists
 * is refused.  The log's name is on the medium when this returns.  False: error is filled,
 * and no file of ours is left.
 */
bool undo_create(struct undo *, const char *path, struct target *, struct error *);

/* Remove a log that is of no use, if undo_create made one.  Any thread. */
void undo_remove(struct undo *);

/*
 * Call them before a range of length bytes, at most UNDO_STEP, is saved and overwritten, and
 * after.  The target is flushed in time, so that whatever may be needed to mend a torn range
 * lies in the last UNDO_WINDOW bytes of the log.  Any thread.  False: error is filled.
 */
bool undo_depart(struct undo *, uint64_t length, struct error *);
void undo_arrive(struct undo *);

/*
 * Append what the target holds at offset: length bytes, at most UNDO_PART.  coming is what
 * will be written there, from which who applies the log knows it, and each sector of it;
 * NULL: not known, the range will be restored whatever it holds.  *ticket is for undo_wait.
 * Any thread.
 */
bool undo_save(struct undo *, uint64_t offset, const unsigned char *data, uint32_t length,
    const unsigned char *coming, uint64_t *ticket, struct error *);

/* Return when the record is on the medium.  Any thread.  False: error is filled. */
bool undo_wait(struct undo *, uint64_t ticket, struct error *);

/* Write END, flush and close. */
bool undo_finish(struct undo *, struct error *);

/*
 * Whether the length bytes of a log in fd, from start on, end in what looks like END: then
 * its writer finished, and no range was torn in the middle of its write.
 */
bool undo_log_is_whole(const struct stream_header *, int fd, uint64_t start, uint64_t length);

#endif
