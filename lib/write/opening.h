/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * opening: classifies the input by its first bytes, and words the error if they are unexpected.
 *
 * Each function looks ahead and consumes nothing.  False: error is filled, with the cure where there is one.
 */
#ifndef OPENING_H
#define OPENING_H

#include <stdbool.h>

#include "base/error.h"
#include "pipe/input.h"
#include "stream/container.h"

/* Milliseconds that a network peer that holds the stream's id may be silent. */
#define OPENING_SILENCE	60000

/* A block stream is expected.  True also if too little came to tell: its reader says so. */
bool opening_suits_stream(struct input *, struct error *);

/*
 * The plain bytes of a disk are expected; some must come unless empty.  remark is set if they are an
 * image of another format, which may be what is wanted.  With force nothing is refused.
 */
bool opening_suits_raw(struct input *, bool empty, bool force, struct error *remark, struct error *error);

/* Whether a stream's id is that of wanted (id.h), or any will do: NULL. */
bool opening_has_id(const char *wanted, const unsigned char *theirs, struct error *error);

#endif
