/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * compare: compares the contents of a source with its earlier contents, into a report.
 *
 * The report was opened, and knows the source and the part of it (report_source).  All that is
 * given must live as long as the process, as for report_send; and the results are as its:
 * false: error is set; or report_errno gives why; or neither, where the first difference has
 * ended the search.  One thread.
 */
#ifndef COMPARE_H
#define COMPARE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/extents.h"
#include "diff/cow.h"
#include "diff/report.h"
#include "stream/map.h"

/*
 * With another device, of which at most limit bytes are compared; ranges must be empty.  digest
 * gets the digest of the device made, unless it is NULL; valid if error is not set.  Another
 * length is a difference, as for cmp(1).
 */
bool compare_devices(struct report *, struct source *old, uint64_t limit, struct extents *ranges,
    unsigned char *digest, struct error *);

/* With the map of another device, which was opened; digest as above. */
bool compare_map(struct report *, struct map_reader *, unsigned char digest[BLK128_SIZE],
    struct error *);

/*
 * With the exceptions of a store for an origin of size bytes; pristine: the store holds the old data
 * of the origin, so only real differences are reported.
 */
bool compare_store(struct report *, const struct cow *, uint64_t size, bool pristine,
    struct extents *ranges, struct error *);

#endif
