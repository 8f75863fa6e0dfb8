/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * map: the block hashes of a device as a stream of kind map (blkstream(5)).
 *
 * A writer and a reader are each used by one thread at a time.
 */
#ifndef MAP_H
#define MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "hash/blk128.h"
#include "stream/codec.h"
#include "stream/stream.h"

#define MAP_HASH_MAX	32

/* Bytes of one hash. */
size_t map_hash_size(enum stream_hash);

/* Hash data grid block by grid block; the last may be short.  Any thread. */
void map_hash_blocks(enum stream_hash, uint32_t grid, const void *data, size_t length,
    unsigned char *hashes);

struct map_writer {
	struct stream_writer stream;
	uint64_t start;			/* of a map whose size is not known: the file's byte where it begins */
	uint64_t position;		/* bytes of the device described so far */
	uint64_t gathered;		/* of them, not yet in a record */
	bool zeros;			/* the gathered ones are zeros */
	double since;
	size_t used;
	unsigned char hashes[64 << 10];
};

/*
 * Write the header, and a note with the name of the source (NULL for none).  A map states its
 * size first: where that is STREAM_UNKNOWN, map_end writes the header again, and before that the
 * file is no map.  False with errno set, as the other functions of the writer; ESPIPE: the size
 * is not known, and map_can_wait(fd) does not hold.
 */
bool map_begin(struct map_writer *, int fd, uint64_t size, uint32_t grid, enum stream_hash,
    const char *name);

/* The next length bytes of the device: their hashes, or NULL for zeros.  On the grid. */
bool map_put(struct map_writer *, uint64_t length, const unsigned char *hashes);

/* Whether the size of a map may be left open until its end: fd is a file, and does not append. */
bool map_can_wait(int fd);

bool map_end(struct map_writer *, const unsigned char digest[BLK128_SIZE]);

struct map_reader {
	struct stream_reader stream;
	struct codec *codec;
	struct blk128 *digest;		/* of what was read; NULL where the map has other hashes */
	unsigned char *payload, *plain;
	uint64_t position;		/* where the next span begins */
	uint64_t left;			/* of the record that was read */
	const unsigned char *hashes;	/* of what is left; NULL: zeros */
	bool ended;
	struct end_summary end;		/* valid once ended */
	char name[RECORD_NOTE_MAX + 1];	/* from its note, "" where there is none */
};

/*
 * A map whose hashes are those of the digest is held against END's, unless its device is
 * larger than this: zeros of an exabyte take hours.
 */
#define MAP_DIGEST_MAX	(UINT64_C(1) << 50)

/* Read the header and all before the first range.  False: error is filled. */
bool map_open(struct map_reader *, struct input *, struct error *);
void map_close(struct map_reader *);

/*
 * The next part of the device, at most want bytes (a multiple of the grid): *length
 * bytes with *hashes, or NULL for zeros; 0 bytes at the end, when all of the stream has
 * been checked.  hashes live until the next call.  False: error is filled.
 */
bool map_next(struct map_reader *, uint64_t want, uint64_t *length,
    const unsigned char **hashes, struct error *);

#endif
