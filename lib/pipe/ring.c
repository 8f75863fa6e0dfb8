/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "pipe/ring.h"

struct ring {
	unsigned char *data;
	size_t size;
	pthread_mutex_t lock;		/* all below */
	pthread_cond_t filled, emptied;
	size_t start, used;		/* the data begins at start, and may wrap around */
	bool closed;
	int error;
};

struct ring *
ring_create(size_t size)
{
	struct ring *ring = calloc(1, sizeof(*ring));
	pthread_condattr_t attribute;

	if (ring == NULL)
		return NULL;
	/*
	 * Pages are allocated when they are first used: a ring that stays empty takes
	 * little.
	 */
	ring->data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ring->data == MAP_FAILED) {
		free(ring);
		return NULL;
	}
	ring->size = size;
	pthread_mutex_init(&ring->lock, NULL);
	pthread_condattr_init(&attribute);
	pthread_condattr_setclock(&attribute, CLOCK_MONOTONIC);
	pthread_cond_init(&ring->filled, &attribute);
	pthread_cond_init(&ring->emptied, &attribute);
	pthread_condattr_destroy(&attribute);
	return ring;
}

void
ring_destroy(struct ring *ring)
{
	if (ring == NULL)
		return;
	munmap(ring->data, ring->size);
	pthread_cond_destroy(&ring->filled);
	pthread_cond_destroy(&ring->emptied);
	pthread_mutex_destroy(&ring->lock);
	free(ring);
}

size_t
ring_space(struct ring *ring, unsigned char **data)
{
	size_t end, length;

	pthread_mutex_lock(&ring->lock);
	while (ring->used == ring->size)
		pthread_cond_wait(&ring->emptied, &ring->lock);
	/* An empty ring starts over, so that its first pages stay the ones in use. */
	if (ring->used == 0)
		ring->start = 0;
	end = ring->start + ring->used;
	if (end >= ring->size)
		end -= ring->size;
	length = end >= ring->start && ring->used < ring->size ? ring->size - end :
	    ring->start - end;
	*data = ring->data + end;
	pthread_mutex_unlock(&ring->lock);
	return length;
}

void
ring_fill(struct ring *ring, size_t length)
{
	pthread_mutex_lock(&ring->lock);
	ring->used += length;
	pthread_cond_signal(&ring->filled);
	pthread_mutex_unlock(&ring->lock);
}

void
ring_close(struct ring *ring, int error)
{
	pthread_mutex_lock(&ring->lock);
	ring->closed = true;
	ring->error = error;
	pthread_cond_signal(&ring->filled);
	pthread_mutex_unlock(&ring->lock);
}

/* Wait for data or the close.  False with errno set when time is up. */
static bool
ring_wait(struct ring *ring, int timeout)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout / 1000;
	until.tv_nsec += timeout % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	while (ring->used == 0 && !ring->closed) {
		int failed = timeout < 0 ? pthread_cond_wait(&ring->filled, &ring->lock) :
		    pthread_cond_timedwait(&ring->filled, &ring->lock, &until);

		if (failed != 0) {
			errno = failed;
			return false;
		}
	}
	return true;
}

ptrdiff_t
ring_data(struct ring *ring, unsigned char **data, int timeout)
{
	ptrdiff_t length = -1;

	pthread_mutex_lock(&ring->lock);
	if (ring_wait(ring, timeout)) {
		*data = ring->data + ring->start;
		length = (ptrdiff_t)(ring->used < ring->size - ring->start ? ring->used :
		    ring->size - ring->start);
		if (length == 0 && ring->error != 0) {
			errno = ring->error;
			length = -1;
		}
	}
	pthread_mutex_unlock(&ring->lock);
	return length;
}

void
ring_empty(struct ring *ring, size_t length)
{
	pthread_mutex_lock(&ring->lock);
	ring->start += length;
	if (ring->start == ring->size)
		ring->start = 0;
	ring->used -= length;
	pthread_cond_signal(&ring->emptied);
	pthread_mutex_unlock(&ring->lock);
}
