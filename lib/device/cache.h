/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cache: reads a file through the page cache, and leaves the cache as it was.
 *
 * Which pages are cached is noted well before they are read: a page that another process
 * has read may carry a mark at which the kernel reads ahead, past what we asked for.
 * Reads may come from any thread, roughly in order; a jump costs another look.
 */
#ifndef CACHE_H
#define CACHE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The state of that many pages is known at a time, half of them ahead of the reads. */
#define CACHE_PAGES	16384u

struct cache {
	int fd;
	uint64_t size;			/* of the file when it was opened */
	size_t page;			/* bytes */
	void *map;			/* of the file, never touched; NULL: the state is not known */
	pthread_mutex_t lock;		/* over all below */
	uint64_t first, end;		/* numbers of the pages that are known */
	unsigned char held[CACHE_PAGES];	/* of page n at n % CACHE_PAGES: bit 0 */
};

/* Begin on a file or device of size bytes, and turn off readahead for fd. */
void cache_open(struct cache *, int fd, uint64_t size);
void cache_close(struct cache *);

/* Like pread_full; pages that were not cached before are dropped again. */
ssize_t cache_read(struct cache *, void *data, size_t length, uint64_t offset);

#endif
