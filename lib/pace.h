/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pace: measures who waits for whom in a running compressor, and keeps its level
 * where adapt.h wants it.
 *
 * pace_level, pace_stores and pace_waited_to_read belong to take (pool.h), pace_worked
 * to work, the others to give.  All do nothing, or give the fixed level, where the pace
 * is NULL.
 */
#ifndef PACE_H
#define PACE_H

#include <stdbool.h>
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

/* True if the next piece is stored, and those after it until a higher gear is tried. */
bool pace_stores(const struct pace *);

/* Before reading, compressing or writing. */
void pace_begins(const struct pace *, struct pace_mark *);

/* After it. */
void pace_waited_to_read(struct pace *, const struct pace_mark *);
void pace_worked(struct pace *, const struct pace_mark *);
void pace_waited_to_write(struct pace *, const struct pace_mark *);

/* A piece of plain bytes has left as wire bytes, at a level, 0 where stored: maybe change it. */
void pace_written(struct pace *, int level, size_t plain, size_t wire);

/* Plain bytes that were given at a level. */
uint64_t pace_bytes(const struct pace *, int level);

#endif
