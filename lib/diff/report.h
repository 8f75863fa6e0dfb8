/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * report: changed ranges leave as a delta, as a list of ranges, or only as a yes or no.
 *
 * It stands between the modules that know which ranges have changed and standard output.
 * There a list goes through stdio, and a delta to the descriptor.  One thread at a time.
 */
#ifndef REPORT_H
#define REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/extents.h"
#include "device/identity.h"
#include "diff/delta.h"
#include "diff/listing.h"

enum report_form {
	REPORT_DELTA,
	REPORT_LIST,
	REPORT_STATUS		/* the first difference ends the search */
};

struct report_options {
	enum report_form form;
	bool json;			/* a list is JSON */
	const unsigned char *id;	/* of the delta's stream; NULL: a random one */
	unsigned jobs;			/* threads */
};

struct report {
	struct report_options options;
	struct delta delta;
	struct listing listing;
	struct identity identity;	/* of the source */
	bool differs;			/* something has changed */
	uint64_t looked;		/* bytes that were looked at */
	uint64_t listed;		/* of them, in a list */
};

/* Start.  The report, and all that it is given below, must live as long as the process. */
void report_open(struct report *, const struct report_options *);

/* The device or file that the changed bytes are read from, and the part of it, in bytes. */
void report_source(struct report *, struct source *, uint64_t offset, uint64_t length);

/*
 * The bytes before the change are at hand up to end: in another device, or in a store that
 * lists them.  Then only pages that truly differ are reported.
 */
void report_compare(struct report *, struct source *old, uint64_t end);
void report_compare_store(struct report *, const struct cow *, uint64_t end);

/*
 * Report what these ranges of the source hold now.  They are clipped to its part, and stay
 * the caller's.  base_size goes into the header; STREAM_UNKNOWN where it is not known.
 * False: error is set; or report_errno gives why; or neither, where the first difference
 * has ended the search.
 */
bool report_send(struct report *, struct extents *ranges, uint64_t base_size, struct error *);

/*
 * The same piece by piece, as a comparison finds them: begin with the header, into which
 * the id is put; then the ranges in ascending order, with their data, or NULL for zeros;
 * and how far the comparison has come.  False: report_errno gives why, or 0 where the
 * first difference has ended the search.
 */
bool report_begin(struct report *, struct stream_header *);
bool report_put(struct report *, uint64_t offset, uint64_t length, const unsigned char *data,
    unsigned old_flag, uint64_t old);
bool report_pass(struct report *, uint64_t looked);

/*
 * End the delta, with the digests of the device made and of the base where they are known,
 * else NULL; or end the list.  False: report_errno gives why.
 */
bool report_end(struct report *, const unsigned char *digest, const unsigned char *base_digest);

/* Tell the reader of a delta why it is not whole. */
void report_abort(struct report *, const char *why);

/* The line of -v, with the digest of the device made where it is known, else NULL. */
void report_line(const struct report *, const unsigned char *digest, double seconds, char *line,
    size_t size);

/* The errno with which standard output failed; 0: it did not. */
int report_errno(const struct report *);

#endif
