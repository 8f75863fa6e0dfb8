/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fault: the messages about a stream that is broken, or that cannot be read.
 *
 * All readers of streams name the place in the same way: the input, the byte of the stream
 * and, after the header, the byte of the device.  Each function fills error and returns
 * false.  Any thread.
 */
#ifndef FAULT_H
#define FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* A place in a stream: the name of its input, and bytes. */
struct place {
	const char *name;
	uint64_t at;		/* of the stream */
	uint64_t device;	/* of the device; PLACE_HEADER: no range has come yet */
};

#define PLACE_HEADER	UINT64_MAX

/* "standard input: stream byte 4096, device byte 0: REASON". */
bool fault_set(struct error *, struct place, const char *reason);

/* The same with errno's reason. */
bool fault_errno(struct error *, struct place);

/* The stream ended before its END record; at is its length. */
bool fault_cut(struct error *, struct place);

/* ABORT came, with this text, which is escaped. */
bool fault_aborted(struct error *, struct place, const unsigned char *text, size_t length);

#endif
