/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "snapshot.h"

#define SECTOR		512
#define READ_TRIES	5

static bool
refuse(const char *name, const char *reason, const char *instead, struct error *error)
{
	return error_set(error, "%s: %s (%s)", name, reason, instead);
}

bool
snapshot_open(struct snapshot *snapshot, const char *path, struct error *error)
{
	struct dm_target table;
	struct stat status;
	const char *rest;
	uint64_t allocated, metadata;

	memset(snapshot, 0, sizeof(*snapshot));
	snapshot->name = path;
	if (stat(path, &status) == -1)
		return error_errno(error, "%s", path);
	if (!S_ISBLK(status.st_mode))
		return refuse(path, "not a block device", "a store in a file is read by --store", error);
	snapshot->device = status.st_rdev;
	if (!dm_query(snapshot->device, false, &table, error))
		return false;
	if (strcmp(table.type, "snapshot-merge") == 0 || strcmp(table.type, "error") == 0)
		return refuse(path, "the snapshot is being merged into its origin",
		    "wait for the merge, then use --map", error);
	if (table.targets != 1 || strcmp(table.type, "snapshot") != 0)
		return error_set(error, "%s: no classic snapshot, its target is %s (thin volumes: thin_delta and "
		    "--changes)", path, table.type);
	if (!dm_parse_device(table.params, &snapshot->origin, &rest) ||
	    !dm_parse_device(rest, &snapshot->cow, &rest))
		return error_set(error, "%s: table not understood: %s", path, table.params);
	if (rest[0] != 'P')
		return refuse(path, "the snapshot is transient, its list is only in memory",
		    "make a persistent one, or use --map", error);
	snapshot->size = table.sectors * SECTOR;
	snapshot->read_only = table.read_only;
	return dm_device_path(snapshot->origin, snapshot->origin_path,
	    sizeof(snapshot->origin_path), error) &&
	    dm_device_path(snapshot->cow, snapshot->cow_path, sizeof(snapshot->cow_path), error) &&
	    snapshot_check(snapshot, &allocated, &metadata, error);
}

bool
snapshot_check(const struct snapshot *snapshot, uint64_t *allocated, uint64_t *metadata,
    struct error *error)
{
	struct dm_target status;
	uintmax_t used, total, list;

	if (!dm_query(snapshot->device, true, &status, error))
		return false;
	if (strcmp(status.type, "snapshot") != 0)
		return refuse(snapshot->name, "the snapshot is being merged into its origin",
		    "wait for the merge, then use --map", error);
	if (strcmp(status.params, "Invalid") == 0 || strcmp(status.params, "Overflow") == 0)
		return refuse(snapshot->name, "the snapshot overflowed, its list is not whole",
		    "use --map", error);
	if (sscanf(status.params, "%ju/%ju %ju", &used, &total, &list) != 3 || list > used ||
	    used > total)
		return error_set(error, "%s: status not understood: %s", snapshot->name, status.params);
	*allocated = used;
	*metadata = list;
	return true;
}

struct flush {
	const struct snapshot *snapshot;
	struct error *error;
	bool failed;
};

static bool
flush_device(dev_t device, struct error *error)
{
	char path[256];
	int fd;

	if (!dm_device_path(device, path, sizeof(path), error))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return error_errno(error, "%s", path);
	if (fsync(fd) == -1) {
		error_errno(error, "%s: flush", path);
		close(fd);
		return false;
	}
	close(fd);
	return true;
}

/* A device that shows the same origin to others has a page cache of its own. */
static bool
flush_if_origin(void *context, dev_t device)
{
	struct flush *flush = context;
	struct error gone = { 0 };
	struct dm_target table;
	const char *rest;
	dev_t origin;

	if (!dm_query(device, false, &table, &gone) ||
	    strcmp(table.type, "snapshot-origin") != 0 ||
	    !dm_parse_device(table.params, &origin, &rest) || origin != flush->snapshot->origin)
		return true;
	flush->failed = !flush_device(device, flush->error);
	return !flush->failed;
}

bool
snapshot_flush_origin(const struct snapshot *snapshot, struct error *error)
{
	struct flush flush = { .snapshot = snapshot, .error = error };

	return dm_each(flush_if_origin, &flush, error) && !flush.failed &&
	    flush_device(snapshot->origin, error);
}

bool
snapshot_read(const struct snapshot *snapshot, struct source *store, struct cow *cow,
    struct error *error)
{
	uint64_t before, before_list, after, after_list, count, low = 0, high = 0;
	int try;

	for (try = 0; try < READ_TRIES; try++) {
		if (!snapshot_check(snapshot, &before, &before_list, error) ||
		    !cow_read(cow, store, snapshot->size, error))
			return false;
		if (!snapshot_check(snapshot, &after, &after_list, error)) {
			cow_free(cow);
			return false;
		}
		low = (before - before_list) * SECTOR / cow->chunk;
		high = (after - after_list) * SECTOR / cow->chunk;
		count = cow->count;
		if (count >= low && count <= high)
			return true;
		cow_free(cow);
	}
	return error_set(error, "%s: the store lists %ju chunks, the kernel counts %ju to %ju",
	    snapshot->name, (uintmax_t)count, (uintmax_t)low, (uintmax_t)high);
}
