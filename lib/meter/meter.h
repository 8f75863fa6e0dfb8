/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * meter: follows a flow of bytes that may be a block stream, and knows its position.
 *
 * It never holds a byte back and never changes one.  It must see the headers; payloads may
 * pass unseen, so that they can move from pipe to pipe inside the kernel.  Input that is no
 * block stream, or has an unknown version, kind or feature, is counted as plain bytes.
 *
 * One thread feeds it; the members marked so may be read from any other.
 */
#ifndef METER_H
#define METER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "stream/order.h"
#include "stream/record.h"

#define METER_UNKNOWN	UINT64_MAX

/* The most that meter_wants asks for. */
#define METER_WANTS_MAX	STREAM_HEADER_MAX

enum meter_state {
	METER_HEADER,		/* nothing is known yet */
	METER_RECORD, METER_PAYLOAD,
	METER_PLAIN,		/* bytes without a known meaning */
	METER_AFTER,		/* END or ABORT has passed */
};

/* Why the stream ended early, for scripts to tell apart; METER_SOUND until then. */
enum meter_fault { METER_SOUND, METER_BROKEN, METER_ABORTED, METER_CUT };

struct meter {
	/* From any thread. */
	atomic_uint_fast64_t wire;	/* bytes passed */
	atomic_uint_fast64_t position;	/* logical: bytes of the device that have passed */
	atomic_uint_fast64_t data;	/* bytes of DATA and MAP, uncompressed */
	atomic_uint_fast64_t zero;	/* bytes of ZERO */
	atomic_uint_fast64_t size;	/* of the device; METER_UNKNOWN where not known */
	atomic_uint_fast64_t data_total;	/* as the header estimates it; METER_UNKNOWN too */
	atomic_uint_fast64_t compared;	/* of a delta: bytes that were compared so far, */
	atomic_uint_fast64_t compared_total;	/* and in all; METER_UNKNOWN until a NOTE says it */
	uint64_t device;		/* of the device, where a fault would be */
	uint64_t marked[3];		/* position, data and zero at meter_mark */
	atomic_int kind;		/* enum stream_kind; 0 for plain bytes */
	atomic_int fault_kind;		/* enum meter_fault */

	/* Of the feeding thread. */
	enum meter_state state;
	struct error fault;		/* why the stream is bad; set once */
	struct error foreign;		/* why it cannot be understood, which is no fault */

	const char *name;		/* all below are meter's own */
	struct stream_header header;
	struct order order;
	struct record record;
	uint64_t at;			/* the stream's byte where header or record began */
	uint64_t data_before;		/* data without the record at hand */
	size_t have;			/* bytes of it, or of a payload, seen so far */
	uint64_t left;			/* bytes of the payload to come */
	unsigned char bytes[RECORD_NOTE_MAX];
};

/* Start. name is for messages, and stays the caller's; plain: do not look for a stream. */
void meter_open(struct meter *, const char *name, bool plain);

/* How many of the next bytes must be seen at most; 0 if they may pass unseen. */
size_t meter_wants(const struct meter *);

/* If meter_wants is 0: how many bytes may pass unseen; UINT64_MAX for no limit. */
uint64_t meter_passes(const struct meter *);

/* Bytes have passed: seen, at most meter_wants; unseen, at most meter_passes. */
void meter_see(struct meter *, const void *data, size_t length);
void meter_pass(struct meter *, uint64_t length);

/*
 * Bytes that are seen before they are passed on may never be.  Call meter_mark before
 * meter_see; then meter_untake, of the bytes that stayed behind, takes back what they
 * counted.  Nothing may be seen or passed afterwards.
 */
void meter_mark(struct meter *);
void meter_untake(struct meter *, uint64_t length);

/* End of file.  If that is too early, fault is set. */
void meter_end(struct meter *);

#endif
