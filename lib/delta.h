/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * delta: changed ranges of a source leave as a stream of kind delta.
 *
 * Ranges are read on several threads and put in order.  Where the old bytes are at
 * hand, only the 4 KiB pages that truly differ are sent, each record with the sum of
 * what it replaces.
 */
#ifndef DELTA_H
#define DELTA_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "extents.h"
#include "mapdiff.h"
#include "source.h"
#include "stream.h"

#define DELTA_PAGE	4096u
#define DELTA_CHUNK	(256u << 10)

struct delta {
	struct source *source;
	uint64_t offset, length;	/* the part of the source that the delta is of */
	const struct extents *ranges;	/* of the source, settled, inside that part */
	unsigned jobs;

	/*
	 * What the range held before; data as for source_read, with SOURCE_ALIGN bytes to
	 * spare.  NULL where it is not known.  Any thread.
	 */
	bool (*old)(void *context, uint64_t offset, unsigned char *data, size_t length,
	    struct error *);
	void *old_context;
	uint64_t old_end;		/* there are no old bytes from here on */
	struct source *old_source;	/* NULL, or where both have holes nothing differs */

	/* Called in order with each range that is sent; false stops.  May be NULL. */
	bool (*found)(void *context, uint64_t offset, uint64_t length);
	void *found_context;

	struct stream_writer *writer;	/* begun; NULL: nothing is written */
	int write_errno;		/* where the writer failed */
};

/* False: error is set; or, where found returned false, it is not. */
bool delta_run(struct delta *, struct error *);

/* Write one range with its data, or NULL for zeros.  As give of a pool, in order. */
bool delta_put(struct delta *, uint64_t offset, uint64_t length, const unsigned char *data,
    unsigned old_flag, uint64_t old);

#endif
