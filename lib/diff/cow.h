/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cow: the persistent exception store of a dm-snapshot.
 *
 * The format is the kernel's (drivers/md/dm-snap-persistent.c), little-endian.  Chunk
 * 0 holds magic, valid, version and the chunk size in sectors of 512 bytes.  With E =
 * chunk size / 16 entries to an area, area n is chunk 1 + n × (E + 1), and its data
 * chunks follow it.  An entry is the chunk of the origin, then the chunk of the store
 * that holds what the origin held there before; 0 there ends the list.
 */
#ifndef COW_H
#define COW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/extents.h"
#include "device/source.h"

struct cow_exception {
	uint64_t old_chunk;		/* of the origin */
	uint64_t new_chunk;		/* of the store */
};

struct cow {
	struct source *store;
	uint64_t chunk;			/* bytes */
	struct cow_exception *list;	/* ascending by old_chunk, each once */
	size_t count;
};

/*
 * Read the whole list from a store, which must be open past the page cache if it is an
 * active device.  Every number in it is checked against the sizes of the store and the
 * origin.  False: error says at which byte of the store what is wrong.
 */
bool cow_read(struct cow *, struct source *store, uint64_t origin_size, struct error *);
void cow_free(struct cow *);

/* The ranges of the origin that are listed, cut at its end.  False with errno ENOMEM. */
bool cow_extents(const struct cow *, uint64_t origin_size, struct extents *);

/*
 * Read what the origin held at a listed range before, from the store; data as for
 * source_read.  Any thread.  False: error is filled.
 */
bool cow_read_old(const struct cow *, uint64_t offset, unsigned char *data, size_t length,
    struct error *);

#endif
