/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "device/cache.h"

/* After a read the cache is restored in parts of at most that many pages. */
#define PART_PAGES	512

void
cache_open(struct cache *cache, int fd, uint64_t size)
{
	memset(cache, 0, sizeof(*cache));
	cache->fd = fd;
	cache->size = size;
	cache->page = (size_t)sysconf(_SC_PAGESIZE);
	pthread_mutex_init(&cache->lock, NULL);
	/* Reads are large, and several are in flight. */
	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	if (size > 0 && size == (size_t)size)
		cache->map = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);
	if (cache->map == MAP_FAILED)
		cache->map = NULL;
}

void
cache_close(struct cache *cache)
{
	if (cache->map != NULL)
		munmap(cache->map, (size_t)cache->size);
	pthread_mutex_destroy(&cache->lock);
}

/*
 * Under the lock: look at the pages up to end, in pieces that do not wrap around.  The
 * kernel reports all pages as cached to a user who neither owns nor may write the file.
 */
static bool
cache_look(struct cache *cache, uint64_t end)
{
	while (cache->end < end) {
		uint64_t at = cache->end % CACHE_PAGES;
		uint64_t count = end - cache->end;

		if (count > CACHE_PAGES - at)
			count = CACHE_PAGES - at;
		if (mincore((char *)cache->map + cache->end * cache->page, count * cache->page,
		    cache->held + at) == -1)
			return false;
		cache->end += count;
	}
	if (cache->end - cache->first > CACHE_PAGES)
		cache->first = cache->end - CACHE_PAGES;
	return true;
}

/* Copy the state of count pages from first on; unknown pages count as cached. */
static void
cache_note(struct cache *cache, uint64_t first, size_t count, unsigned char *held)
{
	uint64_t last = (cache->size + cache->page - 1) / cache->page, ahead;
	size_t i;

	memset(held, 1, count);
	if (cache->map == NULL || first >= last || count > last - first)
		return;
	pthread_mutex_lock(&cache->lock);
	ahead = first + count;
	if (first < cache->first || first > cache->end) {
		cache->first = cache->end = first;
	} else {
		/* In sequence: look far ahead, so that not every read needs to look. */
		ahead += CACHE_PAGES / 4;
		if (ahead > cache->end)
			ahead += CACHE_PAGES / 4;
	}
	if (cache_look(cache, ahead < last ? ahead : last))
		for (i = 0; i < count; i++)
			held[i] = cache->held[(first + i) % CACHE_PAGES] & 1;
	pthread_mutex_unlock(&cache->lock);
}

static void
cache_restore(const struct cache *cache, uint64_t first, size_t count, const unsigned char *held)
{
	size_t i, run;

	for (i = 0; i < count; i += run) {
		for (run = 1; i + run < count && held[i + run] == held[i]; run++)
			;
		if (!held[i])
			posix_fadvise(cache->fd, (off_t)((first + i) * cache->page),
			    (off_t)(run * cache->page), POSIX_FADV_DONTNEED);
	}
}

ssize_t
cache_read(struct cache *cache, void *data, size_t length, uint64_t offset)
{
	unsigned char held[PART_PAGES];
	size_t done = 0;

	while (done < length) {
		uint64_t at = offset + done, first = at / cache->page;
		size_t most = sizeof(held) * cache->page - (size_t)(at % cache->page);
		size_t part = length - done < most ? length - done : most;
		size_t count = (size_t)((at + part + cache->page - 1) / cache->page - first);
		ssize_t n;
		int number;

		cache_note(cache, first, count, held);
		n = pread_full(cache->fd, (char *)data + done, part, at);
		number = errno;
		cache_restore(cache, first, count, held);
		errno = number;
		if (n == -1)
			return -1;
		done += (size_t)n;
		if ((size_t)n < part)
			break;
	}
	return (ssize_t)done;
}
