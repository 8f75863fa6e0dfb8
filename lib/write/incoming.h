/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * incoming: decides whether the input on standard input may be written to the target.
 *
 * It reads the beginning of the input and checks the format, the id, the size, and other users of the
 * target; for a delta that can be read twice, also all old data that it expects on the target.  Then
 * a writer is ready to run.  Nothing is written here.  One thread; but any thread may ask for the
 * writer.
 */
#ifndef INCOMING_H
#define INCOMING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "device/target.h"
#include "pipe/input.h"
#include "stream/intake.h"
#include "write/patch.h"
#include "write/restore.h"
#include "write/writer.h"

struct incoming_options {
	bool raw, force;
	const char *id;			/* that the stream must have (id.h); NULL: any */
	const char *undo;		/* NULL, or the log to make of a delta */
	uint64_t length;		/* of raw bytes; UINT64_MAX: as many as come */
	struct restore_options restore;	/* its writer is a delta's, too */
};

struct incoming {
	const struct incoming_options *options;
	struct target *target;
	struct input input;
	struct intake intake;
	struct intake again;		/* of the second pass, over a delta from a file */
	struct restore restore;		/* of an image */
	struct patch patch;		/* of a delta or an undo log */
	_Atomic(struct writer *) writer;	/* of either; NULL until it is ready */
	uint64_t holds;			/* bytes of a file or device; UINT64_MAX of a pipe */
	off_t start;			/* -1 of a pipe */
	uint64_t started;		/* by identity_now */
	struct error forced;		/* set: what --force has given up */
};

/*
 * Look at standard input, and read nothing.  The incoming and what it is given must live as long
 * as the process.  started: the time when the target was about to be opened.
 */
void incoming_open(struct incoming *, const struct incoming_options *, struct target *,
    uint64_t started);

/* Whether a stream of this id is wanted.  False: error is filled. */
bool incoming_is_wanted(const struct incoming *, const unsigned char *id, struct error *);

/* The input was replaced by a pipe. */
void incoming_from_pipe(struct incoming *);

/* Check the beginning; then incoming->writer is ready to run.  False: error is filled. */
bool incoming_accept(struct incoming *, struct error *);

/* It is an image, not a delta or an undo log.  Once it was accepted. */
bool incoming_is_image(const struct incoming *);

#endif
