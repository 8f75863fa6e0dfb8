/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cache: reads through the page cache that leave it as it was found.
 *
 * What is held there is noted well ahead of the reads: a page that others read may
 * carry a mark that makes the kernel read on, however far our reads are from asking
 * for it.  Reads may come from any thread, about in order; a jump costs a fresh look.
 */
#ifndef CACHE_H
#define CACHE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Pages that are known at once, half of them ahead. */
#define CACHE_PAGES	16384u

struct cache {
	int fd;
	uint64_t size;			/* of the file when it was opened */
	size_t page;			/* bytes */
	void *map;			/* of the file, never touched; NULL: nobody can tell */
	pthread_mutex_t lock;		/* over all below */
	uint64_t first, end;		/* numbers of the pages that are known */
	unsigned char held[CACHE_PAGES];	/* of page n at n % CACHE_PAGES: bit 0 */
};

/* Begin on a file or device of size bytes, and switch the kernel's reading ahead off. */
void cache_open(struct cache *, int fd, uint64_t size);
void cache_close(struct cache *);

/* As pread_full; what was not in the page cache before is dropped from it again. */
ssize_t cache_read(struct cache *, void *data, size_t length, uint64_t offset);

#endif
