/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * target: a device or an image file that is written.
 *
 * Offsets are bytes from the beginning of the range that the target was opened for;
 * nothing outside of it is ever written.  Writes, zeroing, reads and the flush may come
 * from any thread, for ranges that do not overlap; everything else from one at a time.
 */
#ifndef TARGET_H
#define TARGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "device/behind.h"
#include "device/lookout.h"
#include "device/medium.h"
#include "device/source.h"

struct target_options {
	uint64_t offset;	/* where the range begins */
	uint64_t length;	/* of the range; UINT64_MAX: up to the target's end */
	bool confined;		/* -o or -l was given: a file is not truncated */
	bool create;		/* make the file if it does not exist */
	bool resize;		/* cut a larger file to the size of an image */
	bool allocate;		/* the whole range, and leave no holes in it */
	const char *backing;	/* the file that its server keeps it in; NULL: not known */
	bool force;		/* write it though others hold it */
};

struct target {
	const char *name;	/* the caller's; for messages */
	struct medium medium;	/* its fd is -1 while the file is still to be created */
	bool created;
	bool confined;
	bool resize;
	bool uncut;		/* the caller leaves a larger file as large as it is */
	bool allocate;
	uint64_t allocated;	/* bytes of the range that were allocated */
	uint64_t offset;
	uint64_t capacity;	/* bytes in the range */
	bool readable;		/* readback is open */
	bool backed;		/* one of them is what its server keeps it in */
	struct behind behind;	/* files below it whose cache is dropped before it is read */
	atomic_int fresh;	/* the worst enum fresh of all that target_read has read */
	int lost;		/* errno of a write that was lost before ours, or 0 */
	struct source readback;
	bool force;
	struct lookout lookout;	/* looks again */
	struct error note;	/* set: a message about its holder when it was opened */
};

/*
 * Open it as its only user (claim.h, holders.h), and change nothing.  A file that has to be created
 * is not created yet, but it is checked that it may be; never under /dev.  False: error
 * is filled.
 */
bool target_open(struct target *, const char *path, const struct target_options *,
    struct error *);

/*
 * Before the process is confined, and has threads: have a process for target_look_again, which
 * then could not look itself.
 */
void target_start_lookout(struct target *);

/*
 * Look again: false if somebody else has come to hold it; error is filled.  True with force.
 * Remark is set if it could not be looked at, which was not said when it was opened.
 */
bool target_look_again(const struct target *, struct error *remark, struct error *error);

/* Whether size bytes fit. */
bool target_fits(const struct target *, uint64_t size, struct error *);

/*
 * Create the file if it does not exist, and extend a smaller file by a hole, so that it
 * holds size bytes; with readback, get ready for target_read.  A larger file that target_cut
 * could not truncate is refused.  If any of it fails, a file that was created is removed.
 */
bool target_prepare(struct target *, uint64_t size, bool readback, struct error *);

/*
 * Get ready for target_read, and change nothing.  A file's pages are dropped from the page
 * cache: some may be what an earlier write has failed to bring to the medium.
 */
bool target_open_readback(struct target *, struct error *);

/* Extend a smaller file, and allocate as it was asked for, only; for a size that becomes known later than target_prepare. */
bool target_grow(struct target *, uint64_t size, struct error *);

bool target_write(struct target *, uint64_t offset, const unsigned char *data, size_t length,
    struct error *);

/*
 * How many bytes of a range have to be made zero where zeros are to be: those that existed when the
 * target was opened; for a device, and for a file that has to be allocated by writing, all.
 */
uint64_t target_held(const struct target *, uint64_t offset, uint64_t length);

/*
 * Make a range read as zeros (medium.h).  This may take long: call it in steps.
 * target_zero is for a range that was not written yet, and skips the part behind the end
 * that a file had when it was opened.
 */
#define TARGET_ZERO_STEP	(64u << 20)
bool target_zero(struct target *, uint64_t offset, uint64_t length, struct error *);
bool target_erase(struct target *, uint64_t offset, uint64_t length, struct error *);

/*
 * Discard the old content of a range (see medium_discard).  False with errno set.
 */
bool target_discard(struct target *, uint64_t offset, uint64_t length);

/* Start writing a range out to the medium, without waiting. */
void target_write_out(struct target *, uint64_t offset, uint64_t length);

/* fsync (see medium_flush). */
bool target_flush(struct target *, struct error *);

/*
 * Read from the medium, past the page cache, or after a flush and a drop of the pages; where
 * neither can be had, fresh tells.  data has the alignment and the room that source_read
 * needs.
 */
bool target_read(struct target *, uint64_t offset, unsigned char *data, size_t length,
    struct error *);

/*
 * Like target_read, but what a file did not have when it was opened reads as zeros,
 * whether it was extended since or not.
 */
bool target_read_old(struct target *, uint64_t offset, unsigned char *data, size_t length,
    struct error *);

/* The end of the hole or the data at offset, at most end (see source_extent). */
uint64_t target_extent(struct target *, uint64_t offset, uint64_t end, bool *hole);

/*
 * Before what was written is read back: flush, and drop what is cached of files below the
 * target, if there are any.  One thread at a time.
 */
bool target_refresh(struct target *, struct error *);

/*
 * After a failure of the run: if a write or a flush has failed, nothing of the target stays in
 * the page cache.
 */
void target_forget(struct target *);

/* After a run that wrote nothing: truncate a file that was extended to its old size. */
void target_ungrow(struct target *);

/* Truncate a larger regular file to size, unless confined, and flush. */
bool target_cut(struct target *, uint64_t size, bool sync, struct error *);

/*
 * Whether an image of size bytes, or UINT64_MAX where only its end tells, may take the place of what is
 * there: a larger file is only cut with resize; if it is too late to say so, it keeps its tail.
 */
bool target_may_replace(struct target *, uint64_t size, struct error *);

/* Bytes behind the first size bytes of the range: of a device, or of a file that is not cut. */
uint64_t target_tail(const struct target *, uint64_t size);

/* Close a target that was only opened, or could not be. */
void target_release(struct target *);

/* Close, which is the last chance for the system to report a failed write. */
bool target_close(struct target *, struct error *);

#endif
