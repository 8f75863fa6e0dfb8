/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dm: the kernel's device-mapper tables, read through its ioctl (linux/dm-ioctl.h).
 *
 * Devices are known by major:minor; no name is taken apart.  Nothing is changed.
 */
#ifndef DM_H
#define DM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "device/source.h"

/* The device that each query opens, for reading and writing. */
#define DM_CONTROL	"/dev/mapper/control"

#define DM_PARAMS_MAX	1024
#define DM_SECTOR	512u

/* The only target of a device, as its table or its status shows it. */
struct dm_target {
	char type[16];			/* "snapshot", "snapshot-origin", "era", … */
	char params[DM_PARAMS_MAX];
	uint64_t sectors;		/* of 512 bytes */
	unsigned targets;		/* in the whole table; type and params are the first's */
	bool read_only;
};

/*
 * The table of a device, or with status its status.  False: error is filled; its number
 * is ENXIO where the device is none of device-mapper's.
 */
bool dm_query(dev_t, bool status, struct dm_target *, struct error *);

#define DM_HOLDERS_MAX	256

/*
 * The devices that stand on top of a block device and keep it open, as the kernel lists
 * them: those of device-mapper, md and their like.  At most DM_HOLDERS_MAX; more are an
 * error.
 */
bool dm_holders(dev_t, dev_t holders[DM_HOLDERS_MAX], size_t *count, struct error *);

/*
 * If a device is one piece of another one, byte for byte, as a volume in one segment is, and the
 * origin of snapshots: that one, where the piece begins there, and its length, in bytes.  False: it
 * is not, or the table cannot be read.
 */
bool dm_below(dev_t, dev_t *below, uint64_t *begins, uint64_t *length);

/* The same, and whether it is a piece of this one. */
bool dm_piece(dev_t, dev_t below, uint64_t *begins, uint64_t *length);

/*
 * Whether a device never writes to the one below it: a snapshot to its origin, a thin volume to
 * its external origin.  False where the table cannot be read.
 */
bool dm_only_reads(dev_t, dev_t below);

/* "253:1" at the beginning of text; *rest is behind it.  False if it is none. */
bool dm_parse_device(const char *text, dev_t *, const char **rest);

/* The result of dm_below, from the table. */
bool dm_parse_piece(const struct dm_target *table, dev_t *below, uint64_t *begins);

/* Bytes of a block of a dm-era device, by its table; 0 for any other device. */
uint64_t dm_parse_era(const struct dm_target *table);
uint64_t dm_era_block(dev_t);

#endif
