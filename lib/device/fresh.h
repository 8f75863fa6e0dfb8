/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fresh: reads a file from its medium, not from the page cache.
 *
 * A page whose write-back has failed stays in the page cache, clean: it reads as if it had
 * been written, until it is evicted.  So what was read through the cache proves nothing.
 * Either it is read past the cache, or the pages are written out and dropped first, and
 * the kernel is asked whether they went.  Any thread may call, for ranges that others write
 * to as well: dirty pages are never lost.
 */
#ifndef FRESH_H
#define FRESH_H

#include <stdbool.h>
#include <stdint.h>

/* Where reads come from.  A larger value is a worse answer. */
enum fresh {
	FRESH_MEDIUM,	/* nothing is cached, or the cache is bypassed */
	FRESH_KEPT,	/* pages stay in the cache: they are mapped, or written all the time */
	FRESH_UNSEEN,	/* this user cannot see what is cached */
	FRESH_SERVER,	/* another program or host answers, and may have a cache of its own */
	FRESH_MEMORY,	/* the file system is in memory: there is no medium */
};

/*
 * The best that the file system of fd allows: FRESH_MEDIUM, FRESH_SERVER or FRESH_MEMORY.
 * FRESH_MEDIUM for a block device.
 */
enum fresh fresh_at_best(int fd);

/*
 * Whether O_DIRECT reads of whole pages into page-aligned memory are known to bypass the
 * cache.  File systems may accept O_DIRECT and read through the cache nevertheless.
 */
bool fresh_is_direct(int fd);

/*
 * Write out the dirty pages of a range, drop all its pages, and see that they went.  Pages
 * close to the range may be dropped too, since the kernel drops large folios only whole.  A
 * length of 0 means up to the end.  *lost is set to errno if the kernel reports that a write,
 * of any process, was lost, and is left alone otherwise.
 */
enum fresh fresh_drop(int fd, uint64_t offset, uint64_t length, int *lost);

/* Bytes of a range that are cached; a length of 0: up to the end.  -1: cannot be seen. */
int64_t fresh_cached(int fd, uint64_t offset, uint64_t length);

/* The same in words that follow a name and a colon. */
const char *fresh_words(enum fresh);

#endif
