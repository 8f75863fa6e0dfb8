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

#include "error.h"
#include "stream.h"

/* Records hold at most this much. */
#define UNDO_PART	(256u << 10)

/*
 * So much may be in flight, flushed to the log but not or not wholly on the target, when
 * a machine dies: in the last so many bytes of a log a range that is neither old nor new
 * is put back all the same.
 */
#define UNDO_WINDOW	(64ull << 20)

struct undo {
	const char *name;		/* the caller's; for messages */
	struct stream_writer stream;
	pthread_mutex_t lock;
	pthread_cond_t flushed_more;
	uint64_t appended, flushed;	/* records */
	bool flushing;
	struct error error;		/* the first; later calls fail with it */
};

/*
 * Make a new log for a target of size bytes; a file of that name is refused.  Its name
 * is on the medium when this returns.  False: error is filled.
 */
bool undo_create(struct undo *, const char *path, uint64_t size, struct error *);

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
