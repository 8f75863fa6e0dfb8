/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * report: what has changed leaves as a delta, as a list of ranges, or only as a yes or no.
 *
 * It is between those who know which ranges have changed and standard output, of which it
 * takes what stdio has for a list, and the descriptor for a delta.
 */
#ifndef REPORT_H
#define REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/extents.h"
#include "diff/delta.h"
#include "diff/listing.h"

enum report_form {
	REPORT_DELTA,
	REPORT_LIST,
	REPORT_STATUS		/* the first difference ends the search */
};

struct report {
	enum report_form form;
	const unsigned char *id;	/* of the delta's stream; NULL: a random one */
	struct extents ranges;		/* of the source, where something may have changed */
	struct delta delta;		/* its source, the part of it, what was there before */
	struct listing listing;

	bool differs;			/* something has changed */
};

/*
 * Everything is known but the records, which delta_put gives.  The id is put into the
 * header.  False: delta.write_errno is set.
 */
bool report_begin(struct report *, struct stream_header *);

/*
 * Send what the ranges hold now, or tell of them.  base_size goes into the header.  False:
 * error is set; or delta.write_errno is; or neither, where a yes is all that is wanted.
 */
bool report_send(struct report *, uint64_t base_size, struct error *);

/*
 * End the delta, with the digests of the device made and of the base where they are known,
 * else NULL; or the list.  False: delta.write_errno is set, if not before.
 */
bool report_end(struct report *, const unsigned char *digest, const unsigned char *base_digest);

#endif
