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
#include "device/dm.h"
#include "device/source.h"
#include "diff/cow.h"

struct snapshot {
	const char *name;		/* the caller's; for messages */
	dev_t device, origin, cow;
	char origin_path[256], cow_path[256];
	uint64_t size;			/* of the origin */
	bool read_only;			/* it cannot be written to now */
	struct source store;		/* open once it was read */
};

/*
 * Find origin and store of the snapshot at path.  A device that is no snapshot, or one that
 * is invalid, overflowed, merging or transient, is refused with what to do instead.
 */
bool snapshot_open(struct snapshot *, const char *path, struct error *);

/*
 * The parts of it that ask nobody: take devices, size and read_only from a table; take
 * sectors in use, and those of them that hold the list, from a status.
 */
bool snapshot_table(struct snapshot *, const struct dm_target *table, struct error *);
bool snapshot_status(const struct snapshot *, const struct dm_target *status,
    uint64_t *allocated, uint64_t *metadata, struct error *);

/* Ask the kernel for the status: is the snapshot still whole? */
bool snapshot_check(const struct snapshot *, uint64_t *allocated, uint64_t *metadata,
    struct error *);

/*
 * True if the source can show a later state of the origin: it has its size, and is no
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
