/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * intake: turns the bytes of a pipe into pieces of a device: a stream, checked,
 * decompressed and hashed, or raw bytes.
 *
 * The three calls are a pool's take, work and give (pool.h): intake_take and intake_give in
 * order, intake_work on several threads.
 */
#ifndef INTAKE_H
#define INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/pool.h"
#include "hash/blk128.h"
#include "pipe/input.h"
#include "stream/codec.h"
#include "stream/container.h"
#include "stream/stream.h"

/* Raw bytes come in pieces of this size. */
#define INTAKE_RAW	(256u << 10)

/* A ZERO record may span terabytes: it comes in pieces of this, a multiple of the grid. */
#define INTAKE_ZEROS	(1ull << 30)

struct piece {
	uint64_t offset, length;	/* of the device made; length 0: nothing to write */
	bool zero;			/* all zeros; data is not valid */
	const unsigned char *data;	/* aligned for O_DIRECT; lives until the next take */
	unsigned char *hashes;		/* of each BLK128_BLOCK of data */
	bool last;			/* of raw bytes */
	struct record record;		/* the record it came in; not of raw bytes */
	uint64_t at;			/* the stream's byte where it began */
	unsigned char *note;		/* of an undo log: the NOTE in front of the record; RECORD_NOTE_MAX */
	size_t note_length;		/* 0: there was none */
	struct error error;		/* set: the input is broken here */
	bool cut;			/* with error: end of file came too early */
	struct codec *codec;
	unsigned char *payload, *plain;
};

struct intake {
	struct input *input;
	bool raw;
	uint64_t raw_length;		/* of raw bytes, or UINT64_MAX */
	uint64_t position;		/* raw bytes taken; of a delta, where the last range ended */
	struct stream_reader reader;
	struct record zeros;		/* the rest of a ZERO record; length 0: nothing */
	unsigned char note[RECORD_NOTE_MAX];	/* the last one, for the record behind it */
	size_t note_length;
	struct blk128 *digest;		/* of what was given */
	struct end_summary end;		/* valid once whole */
	bool whole;			/* END was given, and all checks held */
	bool ended;
	void **pieces;			/* of intake_run */
};

/* Kinds of streams that are taken, for intake_open_stream. */
#define INTAKE_IMAGE	(1u << STREAM_IMAGE)
#define INTAKE_PATCH	(1u << STREAM_DELTA | 1u << STREAM_UNDO)

/* Begin a block stream of one of these kinds: read its header.  False: error is filled. */
bool intake_open_stream(struct intake *, struct input *, unsigned kinds, struct error *);

/* Begin raw bytes: exactly length of them, or with UINT64_MAX as many as come. */
bool intake_open_raw(struct intake *, struct input *, uint64_t length, struct error *);

/*
 * The format that raw input begins like: a block stream, compressed data or another image format, else
 * NULL. *length is the result of input_peek: 0 for no input at all, -1 with errno set.
 */
const struct container *intake_mistaken(struct input *, ssize_t *length);

/* Allocate one piece of this intake.  NULL with errno set. */
struct piece *piece_create(const struct intake *);
void piece_destroy(struct piece *);

bool intake_take(struct intake *, struct piece *);
void intake_work(struct intake *, struct piece *);

/*
 * Add the piece to the digest; at the end, compare digests and set whole.  False: the input
 * is broken, and piece->error says how.
 */
bool intake_give(struct intake *, struct piece *);

/*
 * Take, work on and give all pieces, one for each thread, as pool_run does.  False: error is filled,
 * by give if it stopped the run; a thread may then still be in take: the intake must live as long as
 * the process.
 */
bool intake_run(struct intake *, const struct pool_ops *, void *context, unsigned jobs, struct error *);

/* The place of a piece's record in the stream.  Any thread. */
struct place intake_place(const struct intake *, const struct piece *);

/* Bytes of the device that were given; of a delta, where the last range ended. */
uint64_t intake_position(const struct intake *);

#endif
