/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * stream: block streams on pipes (blkstream(5)), read and written.
 *
 * A reader and a writer are each used by one thread at a time.  The payloads of
 * DATA and MAP are left to codec_unpack, which any thread may call, so that the sums
 * of many records are computed at once.
 */
#ifndef STREAM_H
#define STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "pipe/input.h"
#include "stream/fault.h"
#include "stream/order.h"
#include "stream/record.h"

struct stream_reader {
	struct input *input;
	struct stream_header header;
	struct order order;
	uint64_t record_at;		/* the stream's byte where the last record began */
	bool cut;			/* the last failure: end of file came too early */
};

/*
 * Set *stream if the input begins with the magic of a block stream; consumes nothing.
 * False, with errno's reason: reading failed, so it is not known.
 */
bool stream_detect(struct input *, bool *stream, struct error *);

/*
 * Read and check the header; refuse one that announces a codec this program lacks.  The
 * input must outlive the reader.  False: error names the input and the byte.
 */
bool stream_open(struct stream_reader *, struct input *, struct error *);

/*
 * Read the next record and its payload into payload, which holds the larger of
 * header.payload_max and RECORD_NOTE_MAX.  Order, bounds and header sums are checked;
 * of DATA and MAP payloads nothing is.  A plain end of file is an error: the last
 * record is END or ABORT, and there must be no call after it.
 */
bool stream_next(struct stream_reader *, struct record *, unsigned char *payload, struct error *);

/* The same in two steps; the payload may be taken from the input in another way. */
bool stream_next_header(struct stream_reader *, struct record *, struct error *);
bool stream_next_payload(struct stream_reader *, const struct record *, unsigned char *payload,
    struct error *);

/*
 * After END: wait at most a second for end of file.  Bytes that come are an error,
 * a silent peer is not.  Checks END's counts, and gives what it says.
 */
bool stream_finish(struct stream_reader *, const struct record *, const unsigned char *payload,
    struct end_summary *, struct error *);

/* The place of the reader's last record; NULL: of one whose header does not hold. */
struct place stream_place(const struct stream_reader *, const struct record *);

struct stream_writer {
	int fd;
	struct stream_header header;
	struct order order;		/* of what was written: sequence and counts */
};

/* Write the header, which must have been encoded or decoded.  False with errno set. */
bool stream_begin(struct stream_writer *, int fd, const struct stream_header *);

/*
 * Write a record with its payload.  Sequence number, and of END, NOTE and ABORT the
 * offset, are filled in; sums must be set (record_seal).  False with errno set.
 */
bool stream_put(struct stream_writer *, struct record *, const void *payload);

/*
 * Only count and encode a record.  The caller writes the bytes, and then the payload.
 * False with errno set.
 */
bool stream_put_header(struct stream_writer *, struct record *,
    unsigned char header[RECORD_SIZE]);

/* Records without a range, complete.  Text is cut at RECORD_NOTE_MAX. */
bool stream_put_note(struct stream_writer *, const char *text);
bool stream_put_abort(struct stream_writer *, const char *text);
bool stream_put_end(struct stream_writer *, const struct end_summary *);

/* A ZERO or BAD record. */
bool stream_put_range(struct stream_writer *, enum record_type, uint64_t offset, uint64_t length);

#endif
