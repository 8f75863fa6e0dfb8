/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "device/stack.h"
#include "diff/snapshot.h"

#define SECTOR		512
#define STACK_MAX	16	/* devices on top of each other */
#define SETTLE_SECONDS	5	/* for the kernel's count and the store's to agree */

static bool
refuse(const char *name, const char *reason, const char *instead, struct error *error)
{
	return error_set(error, "%s: %s (%s)", name, reason, instead);
}

bool
snapshot_table(struct snapshot *snapshot, const struct dm_target *table, struct error *error)
{
	const char *name = snapshot->name, *rest;

	if (strcmp(table->type, "snapshot-merge") == 0 || strcmp(table->type, "error") == 0)
		return refuse(name, "the snapshot is being merged into its origin",
		    "wait for the merge, then use --map", error);
	if (table->targets != 1 || strcmp(table->type, "snapshot") != 0)
		return error_set(error, "%s: no classic snapshot, its target is %s (thin volumes: "
		    "thin_delta and --changes)", name, table->type);
	if (!dm_parse_device(table->params, &snapshot->origin, &rest) ||
	    !dm_parse_device(rest, &snapshot->cow, &rest))
		return error_set(error, "%s: table not understood: %s", name, table->params);
	if (rest[0] != 'P')
		return refuse(name, "the snapshot is transient, its list is only in memory",
		    "make a persistent one, or use --map", error);
	snapshot->size = table->sectors * SECTOR;
	snapshot->read_only = table->read_only;
	return true;
}

bool
snapshot_open(struct snapshot *snapshot, const char *path, struct error *error)
{
	struct dm_target table;
	struct stat status;
	uint64_t allocated, metadata;

	memset(snapshot, 0, sizeof(*snapshot));
	snapshot->name = path;
	if (stat(path, &status) == -1)
		return error_errno(error, "%s", path);
	if (!S_ISBLK(status.st_mode))
		return refuse(path, "not a block device", "a store in a file is read by --store", error);
	snapshot->device = status.st_rdev;
	if (!dm_query(snapshot->device, false, &table, error)) {
		if (error->number != ENXIO)
			return false;
		*error = (struct error){ 0 };
		return refuse(path, "no device-mapper device, so no snapshot",
		    "an exception store is read by --store", error);
	}
	return snapshot_table(snapshot, &table, error) && stack_path(snapshot->origin, snapshot->origin_path,
	    sizeof(snapshot->origin_path), error) &&
	    stack_path(snapshot->cow, snapshot->cow_path, sizeof(snapshot->cow_path), error) &&
	    snapshot_check(snapshot, &allocated, &metadata, error);
}

bool
snapshot_check(const struct snapshot *snapshot, uint64_t *allocated, uint64_t *metadata,
    struct error *error)
{
	struct dm_target status;

	return dm_query(snapshot->device, true, &status, error) &&
	    snapshot_status(snapshot, &status, allocated, metadata, error);
}

bool
snapshot_status(const struct snapshot *snapshot, const struct dm_target *status,
    uint64_t *allocated, uint64_t *metadata, struct error *error)
{
	uintmax_t used, total, list;

	if (strcmp(status->type, "snapshot") != 0)
		return refuse(snapshot->name, "the snapshot is being merged into its origin",
		    "wait for the merge, then use --map", error);
	if (strcmp(status->params, "Invalid") == 0 || strcmp(status->params, "Overflow") == 0)
		return refuse(snapshot->name, "the snapshot overflowed, its list is not whole",
		    "use --map", error);
	if (sscanf(status->params, "%ju/%ju %ju", &used, &total, &list) != 3 || list > used ||
	    used > total)
		return error_set(error, "%s: status not understood: %s", snapshot->name,
		    status->params);
	*allocated = used;
	*metadata = list;
	return true;
}

bool
snapshot_fits(const struct snapshot *snapshot, const struct source *source, struct error *error)
{
	struct error ignored = { 0 };
	struct dm_target table;
	struct stat status;
	const char *rest;
	dev_t origin;

	if (source->size != snapshot->size)
		return error_set(error, "%s: it has %ju bytes, but the origin of %s has %ju", source->name,
		    (uintmax_t)source->size, snapshot->name, (uintmax_t)snapshot->size);
	if (!source->device)
		return true;
	if (fstat(source->fd, &status) == -1)
		return error_errno(error, "%s", source->name);
	if (status.st_rdev == snapshot->device)
		return error_set(error, "%s: this is the snapshot itself, which shows the old data",
		    source->name);
	if (!dm_query(status.st_rdev, false, &table, &ignored) ||
	    (strcmp(table.type, "snapshot") != 0 && strcmp(table.type, "snapshot-origin") != 0) ||
	    !dm_parse_device(table.params, &origin, &rest) || origin == snapshot->origin)
		return true;
	return error_set(error, "%s: it belongs to another origin than %s", source->name,
	    snapshot->name);
}

static bool
flush_device(dev_t device, struct error *error)
{
	char path[256];
	int fd;

	if (!stack_path(device, path, sizeof(path), error))
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

/* The devices on top first: their caches go into the one below. */
static bool
flush_stack(dev_t device, unsigned depth, struct error *error)
{
	dev_t holders[DM_HOLDERS_MAX];
	size_t count, i;

	if (depth == STACK_MAX)
		return error_set(error, "%u:%u: devices stacked too deeply", major(device), minor(device));
	if (!dm_holders(device, holders, &count, error))
		return false;
	for (i = 0; i < count; i++)
		if (!flush_stack(holders[i], depth + 1, error))
			return false;
	return flush_device(device, error);
}

/*
 * If the source is itself a snapshot, read its list, before that of the older one is read.
 * An empty list if it is anything else, or a snapshot that also lists writes to itself.
 */
static bool
list_source(const struct snapshot *snapshot, const struct source *source, struct cow *list,
    struct error *error)
{
	struct error ignored = { 0 };
	struct snapshot newer;
	bool done;

	memset(list, 0, sizeof(*list));
	if (!source->device || !snapshot_open(&newer, source->name, &ignored) ||
	    newer.origin != snapshot->origin || !newer.read_only)
		return true;
	if (!source_open(&newer.store, newer.cow_path, SOURCE_DIRECT_ALWAYS, false, error))
		return false;
	done = cow_read(list, &newer.store, newer.size, error);
	source_close(&newer.store);
	return done;
}

/* True if each chunk of part touches one of all; the chunk sizes may differ. */
static bool
touches(const struct cow *part, const struct cow *all)
{
	size_t i, j = 0;

	for (i = 0; i < part->count; i++) {
		uint64_t start = part->list[i].old_chunk * part->chunk;

		while (j < all->count && (all->list[j].old_chunk + 1) * all->chunk <= start)
			j++;
		if (j == all->count || all->list[j].old_chunk * all->chunk >= start + part->chunk)
			return false;
	}
	return true;
}

/* True if count, of a list read between two looks at the kernel's count, agrees with both. */
static bool
counts_agree(size_t count, uint64_t first, uint64_t before, uint64_t after)
{
	return count >= first && count <= after && (before != after || count == after);
}

static bool
read_list(struct snapshot *snapshot, struct cow *cow, struct error *error)
{
	double until = clock_seconds() + SETTLE_SECONDS;
	uint64_t allocated, metadata, first = UINT64_MAX, before, after;

	if (!snapshot_check(snapshot, &allocated, &metadata, error))
		return false;
	for (;;) {
		if (!cow_read(cow, &snapshot->store, snapshot->size, error))
			return false;
		before = (allocated - metadata) * SECTOR / cow->chunk;
		if (first == UINT64_MAX)
			first = before;
		if (!snapshot_check(snapshot, &allocated, &metadata, error)) {
			cow_free(cow);
			return false;
		}
		after = (allocated - metadata) * SECTOR / cow->chunk;
		if (counts_agree(cow->count, first, before, after))
			return true;
		if (clock_seconds() >= until)
			error_set(error, "%s: the store lists %zu chunks, the kernel counts %ju to %ju",
			    snapshot->name, cow->count, (uintmax_t)first, (uintmax_t)after);
		cow_free(cow);
		if (error->set)
			return false;
		nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	}
}

bool
snapshot_read(struct snapshot *snapshot, const struct source *source, struct cow *cow,
    struct error *error)
{
	struct cow newer;
	bool done;

	if (!list_source(snapshot, source, &newer, error))
		return false;
	done = flush_stack(snapshot->origin, 0, error) &&
	    source_open(&snapshot->store, snapshot->cow_path, SOURCE_DIRECT_ALWAYS, false, error) &&
	    read_list(snapshot, cow, error);
	if (done && !touches(&newer, cow)) {
		done = error_set(error, "%s: it lists changes that %s does not: it is the older snapshot "
		    "(list from the older one, read from the newer one)", source->name, snapshot->name);
		cow_free(cow);
	}
	cow_free(&newer);
	return done;
}
