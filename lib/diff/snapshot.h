/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * snapshot: a classic dm-snapshot, as the kernel's tables know it.
 */
#ifndef SNAPSHOT_H
#define SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "device/source.h"
#include "diff/cow.h"
#include "diff/dm.h"

struct snapshot {
	const char *name;		/* the caller's; for messages */
	dev_t device, origin, cow;
	char origin_path[256], cow_path[256];
	uint64_t size;			/* of the origin */
	bool read_only;			/* it cannot be written to now */
	struct source store;		/* open once it was read */
};

/*
 * Find origin and store of the snapshot at path.  Refused, with what to do instead, is
 * what is no snapshot, or one that is invalid, overflowed, merging or transient.
 */
bool snapshot_open(struct snapshot *, const char *path, struct error *);

/* Still whole?  Sectors in use, and of them for the list. */
bool snapshot_check(const struct snapshot *, uint64_t *allocated, uint64_t *metadata,
    struct error *);

/*
 * Whether the source can show a later state of the origin: it has its size, and is no
 * snapshot of another origin, nor this one.
 */
bool snapshot_fits(const struct snapshot *, const struct source *, struct error *);

/*
 * Flush the origin, and every device that is stacked on it, for each has a cache of its
 * own; then read the store, past the page cache, until its list agrees with the kernel's
 * count: exactly, where the status stood still meanwhile, else between before and after.
 * The kernel counts what is still on its way to the list, so that takes more than one look
 * under load.  Refused is a source that is the older of two snapshots of the origin: one
 * that lists what this snapshot does not.  The snapshot must outlive the cow.
 */
bool snapshot_read(struct snapshot *, const struct source *, struct cow *, struct error *);

#endif
