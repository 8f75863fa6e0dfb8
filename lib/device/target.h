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

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "device/medium.h"
#include "device/source.h"

struct target_options {
	uint64_t offset;	/* where the range begins */
	uint64_t length;	/* of the range; UINT64_MAX: up to the target's end */
	bool confined;		/* -o or -l was given: a file is not cut to size */
	bool create;		/* make the file where there is none */
};

struct target {
	const char *name;	/* the caller's; for messages */
	struct medium medium;	/* its fd is -1 while the file is still to be created */
	bool created;
	bool confined;
	uint64_t offset;
	uint64_t capacity;	/* bytes in the range */
	bool readable;		/* readback is open */
	struct source readback;
};

/*
 * Open it as its only user (claim.h) and change nothing: a file that is to be created
 * is not yet, but may be; it will never be under /dev.  False: error is filled.
 */
bool target_open(struct target *, const char *path, const struct target_options *,
    struct error *);

/* Whether size bytes fit. */
bool target_fits(const struct target *, uint64_t size, struct error *);

/*
 * Create the file if it is not there, and make a file that is smaller long enough for
 * size bytes, by a hole; with readback, be ready for target_read.  A file that was
 * created is taken away again if any of it fails.
 */
bool target_prepare(struct target *, uint64_t size, bool readback, struct error *);

/* Be ready for target_read, and change nothing. */
bool target_open_readback(struct target *, struct error *);

/* The second half of that, where the size becomes known only later. */
bool target_grow(struct target *, uint64_t size, struct error *);

bool target_write(struct target *, uint64_t offset, const unsigned char *data, size_t length,
    struct error *);

/* How many bytes of a range were there when the target was opened: of a device all. */
uint64_t target_held(const struct target *, uint64_t offset, uint64_t length);

/*
 * Make a range read as zeros (medium.h).  Large ranges take long: come in steps.
 * target_zero is for a range that was not written yet, and leaves out what lies behind
 * the end that a file had when it was opened.
 */
#define TARGET_ZERO_STEP	(64u << 20)
bool target_zero(struct target *, uint64_t offset, uint64_t length, struct error *);
bool target_erase(struct target *, uint64_t offset, uint64_t length, struct error *);

/*
 * Say that the old content of a range is not needed.  True if it could be said; a file
 * then reads as zeros there, of a device nothing is known.  False with errno set.
 */
bool target_discard(struct target *, uint64_t offset, uint64_t length);

/* Begin to write a range out to the medium, without waiting. */
void target_write_out(struct target *, uint64_t offset, uint64_t length);

/* fsync (see medium_flush). */
bool target_flush(struct target *, struct error *);

/*
 * Read from the medium, past the page cache where the file system can.  data is
 * aligned and has room as source_read wants it.
 */
bool target_read(struct target *, uint64_t offset, unsigned char *data, size_t length,
    struct error *);

/*
 * The same of what was there when the target was opened: what a file had no bytes for reads
 * as zeros, whether it is long enough by now or not.
 */
bool target_read_old(struct target *, uint64_t offset, unsigned char *data, size_t length,
    struct error *);

/* Where the hole or the data at offset ends, at most end (see source_extent). */
uint64_t target_extent(struct target *, uint64_t offset, uint64_t end, bool *hole);

/* Nothing was written: give a file that was made longer its old size back, if possible. */
void target_ungrow(struct target *);

/* Cut a larger regular file to size, unless confined, and flush. */
bool target_cut(struct target *, uint64_t size, bool sync, struct error *);

/* Bytes of a device behind size bytes of the range. */
uint64_t target_tail(const struct target *, uint64_t size);

/* Close; the last chance of the system to report a failed write. */
bool target_close(struct target *, struct error *);

#endif
