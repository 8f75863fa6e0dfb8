/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load: measures the waiting times in a running compressor, and sets its level as adapt.h
 * decides.
 *
 * load_level, load_stores and load_waited_to_read belong to take (pool.h), load_worked
 * to work, the others to give.  All do nothing, or give the fixed level, if the load
 * is NULL.
 */
#ifndef LOAD_H
#define LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct load;

/* How long a thread has run, and how long it has been. */
struct load_mark {
	double wall, cpu;
};

/*
 * Levels up to highest, 1 to 9, on that many processors.  NULL with errno set.  It lives
 * as long as the process; free(3) ends it.
 */
struct load *load_create(int highest, unsigned processors);

/* The level for the next piece: 0 to 9. */
int load_level(struct load *, int fixed);

/* True if the next piece is stored, and those after it until a higher gear is tried. */
bool load_stores(const struct load *);

/* Before reading, compressing or writing. */
void load_begins(const struct load *, struct load_mark *);

/* After it. */
void load_waited_to_read(struct load *, const struct load_mark *);
void load_worked(struct load *, const struct load_mark *);
void load_waited_to_write(struct load *, const struct load_mark *);

/* A piece of plain bytes has left as wire bytes, at a level, 0 where stored: maybe change it. */
void load_written(struct load *, int level, size_t plain, size_t wire);

#endif
