/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * source: a device, an image file or a pipe that is read.
 *
 * It is never modified.  Any thread may read, but only one at a time from a pipe; all other
 * functions may be called by one thread at a time.  Offsets and lengths are bytes.
 */
#ifndef SOURCE_H
#define SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "device/cache.h"
#include "device/fresh.h"
#include "pipe/input.h"

/* O_DIRECT reads into memory with this alignment without a copy. */
#define SOURCE_ALIGN	4096

enum source_direct {
	SOURCE_DIRECT_AUTO, SOURCE_DIRECT_ALWAYS, SOURCE_DIRECT_NEVER,
	SOURCE_MEDIUM		/* reads are evidence of the medium (fresh.h): see source.fresh */
};

/* The mode of that name, auto, always or never; false if it is none. */
bool source_direct_find(const char *name, enum source_direct *);

struct source {
	int fd;
	const char *name;	/* the caller's; for messages */
	bool device;		/* a block device */
	bool pipe;		/* no size, no offsets: source_read continues where it stopped */
	bool direct;		/* past the page cache */
	bool holes;		/* SEEK_DATA is trusted, and holes are not read */
	uint64_t size;		/* UINT64_MAX for a pipe */
	uint64_t allocated;	/* bytes allocated, approximately, at most size; UINT64_MAX: not known */
	uint32_t sector;	/* the smallest unit that can be unreadable by itself */
	enum fresh fresh;	/* with SOURCE_MEDIUM: where reads come from */
	int lost;		/* and errno of a write that was lost before it was opened, or 0 */
	struct cache cache;	/* used unless it is a pipe or direct */
	struct input input;	/* of a pipe */
};

/*
 * Open path for reading.  "-" is standard input; it is always read as a pipe, as are named
 * pipes.  By default block devices are read with O_DIRECT, and files through the page
 * cache, which is left as it was; with SOURCE_MEDIUM files are read past it too, or lose
 * their pages in it first.  SEEK_DATA is trusted on file systems where it is
 * known to be right (ext, XFS, btrfs, f2fs, tmpfs), elsewhere only with trust_holes.
 * False: error is filled.
 */
bool source_open(struct source *, const char *path, enum source_direct, bool trust_holes,
    struct error *);
void source_close(struct source *);

/*
 * After SOURCE_MEDIUM: drop what is cached of files that it lies on, by loop devices (behind.h), and
 * of the one that its server keeps it in, unless that is NULL.  *plain, unless plain is NULL, is the
 * device of files that lie on none, or 0: of many files on one device the first is looked at.  False:
 * error is filled.
 */
bool source_look_behind(struct source *, const char *backing, dev_t *plain, struct error *);

/*
 * The end of the data or the hole that contains offset, at most end.  *hole says which of
 * them it is.
 */
uint64_t source_extent(const struct source *, uint64_t offset, uint64_t end, bool *hole);

/*
 * Lock it against programs that write (lock.h), and look for processes that may write to this range
 * while it is read (holders.h).  If there is one, or if that cannot be found out, note is set: the
 * result, which the word result names, may be inconsistent.  With live, writers are expected and
 * not reported.  A pipe has no other users.
 */
void source_share(const struct source *, uint64_t offset, uint64_t length, bool live,
    const char *result, struct error *note);

/*
 * Read length bytes at offset into data.  Short only at end of file.  -1 with errno
 * set: some of it could not be read; for a pipe EPIPE if the reader of input.watch has
 * gone.
 */
ssize_t source_read(struct source *, uint64_t offset, unsigned char *data, size_t length);

/* Read all of it, or return false: error names the byte that cannot be read, or the end. */
bool source_read_whole(struct source *, uint64_t offset, unsigned char *data, size_t length,
    struct error *);

/* A range that could not be read, in bytes from where source_salvage began. */
struct source_bad {
	uint32_t start, length;
	int number;		/* errno */
};

/*
 * After a failed read, read as much as possible, by bisection down to sectors.  Unreadable
 * ranges are zeroed and listed in bad, neighbours merged.  bad holds max entries; with a
 * max of 1 it stops at the first.  Returns their number; 0: this time all could be read.
 */
unsigned source_salvage(struct source *, uint64_t offset, unsigned char *data, size_t length,
    struct source_bad *bad, unsigned max);

#endif
