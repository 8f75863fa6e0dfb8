/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * piecemap: the map (map.h) of an image that passes through an intake.
 *
 * The hashes that the intake makes for the digest are those of a map with the usual grid and
 * hash; for others the bytes are hashed again.  One thread at a time, in the order of the pieces.
 */
#ifndef PIECEMAP_H
#define PIECEMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stream/intake.h"
#include "stream/map.h"

struct piecemap {
	struct map_writer writer;
	unsigned char zero[BLK128_SIZE];	/* the hash of a whole block of zeros */
	unsigned char *block;		/* of another grid or hash, being gathered; else NULL */
	size_t gathered;		/* bytes in it */
};

/* As map_begin: size may be STREAM_UNKNOWN where map_can_wait(fd).  False with errno set. */
bool piecemap_begin(struct piecemap *, int fd, uint64_t size, uint32_t grid, enum stream_hash,
    const char *name);
void piecemap_destroy(struct piecemap *);

/* The next piece, which went through intake_work and has no error.  False with errno set. */
bool piecemap_put(struct piecemap *, const struct piece *);

/* All pieces were put: write END, with their digest.  False with errno set. */
bool piecemap_end(struct piecemap *, const struct intake *);

#endif
