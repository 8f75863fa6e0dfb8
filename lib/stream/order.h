/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * order: the rules from record to record of a block stream (blkstream(5)): sequence numbers
 * without a gap, ranges that ascend and stay within the device, an image that covers it, an
 * END whose counts agree.
 */
#ifndef ORDER_H
#define ORDER_H

#include "base/error.h"
#include "stream/record.h"

struct order {
	const struct stream_header *header;
	uint64_t sequence;		/* of the next record */
	uint64_t offset;		/* where the last range ended */
	uint64_t bad_end;		/* of BAD ranges not yet inside a range (images), or 0 */
	uint64_t data, zero, bad;	/* bytes so far */
	bool ended;			/* END or ABORT was seen */
};

void order_start(struct order *, const struct stream_header *);

/*
 * Check a record against those before it, and count it.  END's payload is for
 * order_check_end.
 */
bool order_check(struct order *, const struct record *, struct error *);

/* Check END's payload, whose sum held, against the counts. */
bool order_check_end(const struct order *, const struct end_summary *, struct error *);

/* The summary that a producer sends: sizes and counts, no digests. */
void order_summary(const struct order *, struct end_summary *);

#endif
