/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * medium: the bytes of a device or file that is open for writing.
 *
 * Offsets are bytes from its beginning, and any will do: what sectors and O_DIRECT ask
 * for is seen to here.  Errors name the byte, to the sector.  Any thread may call, for
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

struct medium {
	int fd;
	const char *name;	/* for messages; the caller's */
	bool device;
	bool direct;		/* written past the page cache */
	uint32_t sector;	/* 1 for a file */
	uint64_t size;		/* when it was opened */
	atomic_int zero_method;
	atomic_bool lost;	/* a flush failed once: some of what was written may be lost */
	pthread_mutex_t edges;	/* held where part of a sector is rewritten */
};

/* As of an empty file; the caller sets the rest of what is known of it. */
void medium_init(struct medium *, int fd, const char *name);

bool medium_write(struct medium *, uint64_t at, const unsigned char *data, size_t length,
    struct error *);

/* Make a range read as zeros (zero.h), by writing them if nothing else works. */
bool medium_zero(struct medium *, uint64_t at, uint64_t length, struct error *);

/*
 * Say that the old content of a range is not needed.  A file reads as zeros there
 * afterwards; of a device nothing is known.  False with errno set: it could not be
 * said, and nothing has changed.
 */
bool medium_discard(struct medium *, uint64_t at, uint64_t length);

/* Begin to write a range out, without waiting. */
void medium_write_out(struct medium *, uint64_t at, uint64_t length);

/* Write a range out and drop it from the page cache. */
bool medium_drop(struct medium *, uint64_t at, uint64_t length, struct error *);

/*
 * fsync.  The system reports the loss of a write only once: success after a failure
 * holds for what was written in between, and lost stays set.
 */
bool medium_flush(struct medium *, struct error *);

/* Fill the error with name, byte and errno; returns false. */
bool medium_fail(const struct medium *, uint64_t at, struct error *);

#endif
