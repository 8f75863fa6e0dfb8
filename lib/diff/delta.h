/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * delta: changed ranges of a source leave as a stream of kind delta, or are only found.
 *
 * Ranges are read on several threads and put in order.  Where the old bytes are at
 * hand, only the 4 KiB pages that really differ are sent, each record with the checksum of
 * the data that it replaces.
 */
#ifndef DELTA_H
#define DELTA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/extents.h"
#include "device/source.h"
#include "diff/cow.h"
#include "stream/stream.h"

#define DELTA_PAGE	4096u
#define DELTA_CHUNK	(256u << 10)

struct delta {
	struct source *source;
	uint64_t offset, length;	/* the part of the source that the delta is of */
	const struct extents *ranges;	/* of the source, settled, inside that part */
	unsigned jobs;			/* threads */

	/* The old contents of the ranges: a device, or a store that lists them; or neither. */
	struct source *old_source;
	const struct cow *old_store;
	uint64_t old_end;		/* there are no old bytes from here on */

	struct blk128 *digest;		/* of what the ranges hold now; NULL: not wanted */

	/* Called in order with each range that is sent; false stops.  May be NULL. */
	bool (*found)(void *context, uint64_t offset, uint64_t length);
	void *found_context;

	bool sending;			/* delta_begin was called: there is a stream */
	double noted;			/* when it was last noted how far that has come, on clock_seconds */
	uint64_t total;			/* bytes to look at, for these notes */
	struct stream_writer stream;
	int write_errno;		/* where writing it failed */
};

/*
 * Begin the stream on fd; the header's range is that of the delta.  Without it ranges are
 * only found.  False: write_errno is set.
 */
bool delta_begin(struct delta *, int fd, struct stream_header *);

/*
 * Read the ranges and send them.  False: error is set; or write_errno is; or neither,
 * where found returned false.  After a failure the struct delta and what it points to
 * must live as long as the process: a thread may still look at them.
 */
bool delta_run(struct delta *, struct error *);

/*
 * Send one range with its data, or NULL for zeros.  Ranges must ascend; one thread at a
 * time.  False: write_errno is set, or found returned false.
 */
bool delta_put(struct delta *, uint64_t offset, uint64_t length, const unsigned char *data,
    unsigned old_flag, uint64_t old);

/*
 * So many bytes of delta.total were looked at, and perhaps nothing differs: a NOTE, a few times a
 * second, tells it a meter, and keeps a reader awake who would take long silence for a peer that has
 * gone.  False: write_errno is set.
 */
bool delta_pass(struct delta *, uint64_t looked);

/*
 * End the stream, if there is one: with the digests of the device made and of the base
 * where they are known, else NULL; or with why it is not whole.  False: write_errno is set.
 */
bool delta_end(struct delta *, const unsigned char *digest, const unsigned char *base_digest);
void delta_abort(struct delta *, const char *why);

#endif
