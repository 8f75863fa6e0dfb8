/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * medium: a device or file that is open for writing.
 *
 * Offsets and lengths are bytes and need no alignment: this module meets the demands of
 * sectors and O_DIRECT.  Errors name the byte, to the sector.  Any thread may call, for
 * ranges that do not overlap.
 */
#ifndef MEDIUM_H
#define MEDIUM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "device/fresh.h"

struct medium {
	int fd;
	const char *name;	/* for messages; the caller's */
	bool device;
	bool null;		/* /dev/null, a device that takes everything and keeps nothing */
	bool direct;		/* written past the page cache */
	uint32_t sector;	/* 1 for a file */
	uint64_t size;		/* when it was opened */
	bool written_only;	/* its file system allocates only what is written */
	atomic_int zero_method;
	atomic_bool lost;	/* a flush has failed: earlier writes may be lost */
	atomic_bool failed;	/* a write or a flush has failed: the page cache may be wrong */
	pthread_mutex_t edges;	/* held while part of a sector is rewritten */
};

/* Initialize as for an empty file; the caller sets the other members. */
void medium_init(struct medium *, int fd, const char *name);

bool medium_write(struct medium *, uint64_t at, const unsigned char *data, size_t length,
    struct error *);

/* Make a range read as zeros (zero.h); write zeros if nothing else works. */
bool medium_zero(struct medium *, uint64_t at, uint64_t length, struct error *);

/*
 * Discard the content of a range.  A file reads as zeros there afterwards; the content of
 * a device is undefined.  False with errno set: not supported, and nothing has changed.
 */
bool medium_discard(struct medium *, uint64_t at, uint64_t length);

/*
 * Allocate a range, and make none of it a hole from now on.  A file's size stays as it is; of a device
 * nothing is asked.  Where a file system cannot do it, written_only is set.
 */
bool medium_allocate(struct medium *, uint64_t at, uint64_t length, struct error *);

/* Start writing a range out, without waiting. */
void medium_write_out(struct medium *, uint64_t at, uint64_t length);

/*
 * Write a range out and drop it from the page cache; left is what may still come from there
 * (fresh.h).
 */
bool medium_drop(struct medium *, uint64_t at, uint64_t length, enum fresh *left, struct error *);

/*
 * After a failure: pages whose write-back failed are clean, and would be read as if they had
 * been written.  Write out what can be, and drop all of it.
 */
void medium_forget(struct medium *);

/*
 * fsync.  The kernel reports a lost write only once: success after a failure covers only
 * the writes in between, and lost stays set.  After a failure the page cache is dropped.
 */
bool medium_flush(struct medium *, struct error *);

/* Fill the error with name, byte and errno; returns false. */
bool medium_fail(const struct medium *, uint64_t at, struct error *);

#endif
