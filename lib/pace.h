/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pace: measures who waits for whom in a running compressor, and keeps its level
 * where adapt.h wants it.
 *
 * pace_level, pace_reads and pace_has_read belong to take (pool.h), the others to
 * give.  All do nothing, or give the fixed level, where the pace is NULL.
 */
#ifndef PACE_H
#define PACE_H

#include <stddef.h>
#include <stdint.h>

struct pace;

/* How long a thread has run, and how long it has been. */
struct pace_mark {
	double wall, cpu;
};

/* Levels up to highest, 1 to 9, on that many processors.  NULL with errno set. */
struct pace *pace_create(int highest, unsigned processors);
void pace_destroy(struct pace *);

/* The level for the next piece: 0 to 9. */
int pace_level(struct pace *, int fixed);

/* Around reading a piece, which may wait. */
void pace_reads(struct pace *, struct pace_mark *);
void pace_has_read(struct pace *, const struct pace_mark *);

/* Around writing a piece of plain bytes as wire bytes at a level; may change the level. */
void pace_writes(struct pace *, struct pace_mark *);
void pace_has_written(struct pace *, const struct pace_mark *, int level, size_t plain,
    size_t wire);

/* Plain bytes that were given at a level. */
uint64_t pace_bytes(const struct pace *, int level);

#endif
