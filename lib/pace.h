/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pace: measures who waits for whom in a running compressor, and keeps its level
 * where adapt.h wants it.
 *
 * pace_level and pace_has_read belong to take (pool.h), pace_has_written to give,
 * pace_has_worked to work.  All do nothing, or give the fixed level, where the pace is
 * NULL.
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

/* Before reading, compressing or writing a piece. */
void pace_begins(const struct pace *, struct pace_mark *);

/* After it.  The last may change the level; level is that of the piece, 0 where stored. */
void pace_has_read(struct pace *, const struct pace_mark *);
void pace_has_worked(struct pace *, const struct pace_mark *);
void pace_has_written(struct pace *, const struct pace_mark *, int level, size_t plain,
    size_t wire);

/* Plain bytes that were given at a level. */
uint64_t pace_bytes(const struct pace *, int level);

#endif
