/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * target: a device or an image file that is written.
 *
 * Offsets are bytes from the beginning of the range that the target was opened for;
 * nothing outside of it is ever written.  Writes, zeroing and reads may come from any
 * thread for ranges that do not overlap; everything else from one at a time.
 */
#ifndef TARGET_H
#define TARGET_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "source.h"

struct target_options {
	uint64_t offset;	/* where the range begins */
	uint64_t length;	/* of the range; UINT64_MAX: up to the target's end */
	bool confined;		/* -o or -l was given: a file is not cut to size */
	bool create;		/* make the file where there is none */
	bool zeroed;		/* it is known to read as zeros */
};

struct target {
	int fd;
	const char *name;	/* the caller's; for messages */
	bool device;
	bool created;
	bool confined;
	bool direct;		/* past the page cache */
	bool zeroed;
	uint32_t sector;
	uint64_t offset;
	uint64_t capacity;	/* bytes in the range; UINT64_MAX: a file that may grow */
	uint64_t file_size;	/* of a regular file when it was opened */
	atomic_int zero_method;
	pthread_mutex_t edges;	/* held where part of a sector is rewritten */
	struct source readback;
};

/*
 * Open it exclusively.  A device that is mounted, mapped or claimed is refused, and
 * so is a file or device on which QEMU's image locks (bytes 100 to 299) are held;
 * while it is open those bytes are locked, so that QEMU and a second blkwrite keep
 * off.  Nothing is created under /dev.  False: error is filled.
 */
bool target_open(struct target *, const char *path, const struct target_options *,
    struct error *);

/* Check that size bytes fit; a regular file that is smaller is made that long (a hole). */
bool target_reserve(struct target *, uint64_t size, struct error *);

bool target_write(struct target *, uint64_t offset, const unsigned char *data, size_t length,
    struct error *);

/*
 * Make a range read as zeros: by punching a hole, zeroing the range, BLKZEROOUT, or
 * writing, whichever works first.  It is never only discarded.  Nothing is done where
 * the target is known to be zero.  Large ranges take long: come in steps.
 */
#define TARGET_ZERO_STEP	(64u << 20)
bool target_zero(struct target *, uint64_t offset, uint64_t length, struct error *);

/*
 * Say that the range's old content is not needed.  True if it reads as zeros now: a
 * hole in a file does; of a discarded device nothing is known.
 */
bool target_discard(struct target *, uint64_t offset, uint64_t length);

/* Begin to write a range out to the medium, without waiting. */
void target_write_out(struct target *, uint64_t offset, uint64_t length);

/* fsync.  False: error is filled. */
bool target_flush(struct target *, struct error *);

/*
 * Read from the medium, past the page cache where the file system can.  data is
 * aligned and has room as source_read wants it.
 */
bool target_read(struct target *, uint64_t offset, unsigned char *data, size_t length,
    struct error *);

/* Where the hole or the data at offset ends, at most end (see source_extent). */
uint64_t target_extent(struct target *, uint64_t offset, uint64_t end, bool *hole);

/* Cut a larger regular file to size, unless confined. */
bool target_cut(struct target *, uint64_t size, struct error *);

/* Bytes of the target behind size bytes of the range; 0 of a file that may grow. */
uint64_t target_tail(const struct target *, uint64_t size);

/* Close; the last chance of the system to report a failed write. */
bool target_close(struct target *, struct error *);

#endif
