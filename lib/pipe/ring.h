/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ring: a bounded buffer in memory between one thread that fills it and one that empties
 * it.  Both work in its memory.
 */
#ifndef RING_H
#define RING_H

#include <stdbool.h>
#include <stddef.h>

struct ring;

/* NULL with errno set. */
struct ring *ring_create(size_t size);
void ring_destroy(struct ring *);

/* The filling side: free memory in one piece, at least one byte; waits for it. */
size_t ring_space(struct ring *, unsigned char **data);

/* So many bytes of it were filled. */
void ring_fill(struct ring *, size_t length);

/* No more data will come: end of file (0), or an errno value. */
void ring_close(struct ring *, int error);

/*
 * The emptying side: the data, in one piece; waits for it, at most timeout milliseconds (-1
 * for ever).  0 at end of file; -1 with errno set, ETIMEDOUT after silence.
 */
ptrdiff_t ring_data(struct ring *, unsigned char **data, int timeout);

/* So many bytes of it were used. */
void ring_empty(struct ring *, size_t length);

#endif
