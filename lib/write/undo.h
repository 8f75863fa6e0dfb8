/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * undo: what a target held before it was overwritten, as a stream of kind undo.
 *
 * A range may be overwritten once its record is on the medium.  Threads that wait for
 * that share one flush, so that the log costs a flush a window, not a record.
 */
#ifndef UNDO_H
#define UNDO_H

#include <pthread.h>
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
 * So much may be in flight, flushed to the log but not or not wholly on the target's
 * medium, when a machine dies: in the last so many bytes of a log a range that is neither
 * old nor new is put back all the same.
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
};

/*
 * Make a new log for a target of the size that it had when it was opened; a file of that
 * name is refused.  Its name is on the medium when this returns.  False: error is filled.
 */
bool undo_create(struct undo *, const char *path, struct target *, struct error *);

/*
 * Before a range of length bytes, at most UNDO_STEP, is saved and overwritten, and after:
 * the target is flushed in time, so that all of the log that may still be needed to mend a
 * range lies in its last UNDO_WINDOW bytes.  Any thread.  False: error is filled.
 */
bool undo_depart(struct undo *, uint64_t length, struct error *);
void undo_arrive(struct undo *);

/*
 * Append what the target holds at offset: length bytes, at most UNDO_PART.  checked: sum
 * is the XXH3-64 of what will be written there.  *ticket is for undo_wait.  Any thread.
 */
bool undo_save(struct undo *, uint64_t offset, const unsigned char *data, uint32_t length,
    bool checked, uint64_t sum, uint64_t *ticket, struct error *);

/* Return when the record is on the medium.  Any thread.  False: error is filled. */
bool undo_wait(struct undo *, uint64_t ticket, struct error *);

/* END, flush, close. */
bool undo_finish(struct undo *, struct error *);

#endif
