/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * source: a device, an image file or a pipe that is read.
 *
 * Nothing here changes what is read.  Reads may come from any thread, of a pipe from
 * one at a time, as everything else.  Offsets and lengths are bytes.
 */
#ifndef SOURCE_H
#define SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "device/cache.h"
#include "pipe/input.h"

/* Memory that is aligned to this is read into without a copy. */
#define SOURCE_ALIGN	4096

enum source_direct { SOURCE_DIRECT_AUTO, SOURCE_DIRECT_ALWAYS, SOURCE_DIRECT_NEVER };

struct source {
	int fd;
	const char *name;	/* the caller's; for messages */
	bool device;		/* a block device */
	bool pipe;		/* no size, no offsets: source_read goes on where it was */
	bool direct;		/* past the page cache */
	bool holes;		/* SEEK_DATA tells what need not be read */
	uint64_t size;		/* UINT64_MAX for a pipe */
	uint64_t allocated;	/* bytes that are about in use, at most size; UINT64_MAX: not known */
	uint32_t sector;	/* the smallest unit that can be unreadable on its own */
	struct cache cache;	/* of what is neither a pipe nor direct */
	struct input input;	/* of a pipe */
};

/*
 * Open path for reading; "-" is standard input, which is always read as a pipe, and so
 * is a named pipe.  By default block devices are read with O_DIRECT and files through
 * the page cache, which is left as it was found.  SEEK_DATA is believed on the file
 * systems of which the answers are known to be right (ext, XFS, btrfs, f2fs, tmpfs),
 * elsewhere only with trust_holes.  False: error is filled.
 */
bool source_open(struct source *, const char *path, enum source_direct, bool trust_holes,
    struct error *);
void source_close(struct source *);

/*
 * Where the data or the hole that offset lies in ends, at most end.  *hole says
 * which it is.
 */
uint64_t source_extent(const struct source *, uint64_t offset, uint64_t end, bool *hole);

/*
 * Read length bytes at offset into data.  Short only at end of file.  -1 with errno
 * set: some of it could not be read; of a pipe EPIPE if nobody reads what input.watch
 * names any more.
 */
ssize_t source_read(struct source *, uint64_t offset, unsigned char *data, size_t length);

/* The same, but all of it; false: error names the byte that cannot be read, or the end. */
bool source_read_whole(struct source *, uint64_t offset, unsigned char *data, size_t length,
    struct error *);

/* A range that could not be read, in bytes from where source_salvage began. */
struct source_bad {
	uint32_t start, length;
	int number;		/* errno */
};

/*
 * After a failed read: read what can be read, by halves down to sectors; what cannot
 * is zeroed and listed, neighbours merged.  bad holds max entries; with a max of 1
 * it stops at the first.  Returns how many there are; 0: all could be read after all.
 */
unsigned source_salvage(struct source *, uint64_t offset, unsigned char *data, size_t length,
    struct source_bad *bad, unsigned max);

#endif
