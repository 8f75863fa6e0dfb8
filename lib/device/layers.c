/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/size.h"
#include "device/dm.h"
#include "device/layers.h"
#include "device/sysfs.h"

#define SECTOR	DM_SECTOR

/* A loop device that is attached, and what it shows: limit bytes from offset on. */
struct layers_loop {
	dev_t device;
	dev_t backing;		/* as of a layer */
	ino_t inode;
	uint64_t offset, limit;
};

/* One of the folders in which sysfs lists a device's neighbours. */
typedef bool neighbour(struct layers *, const struct layer *, const char *folder,
    const char *entry);

static uint64_t
add_up(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* The file or device behind a loop device; ask the kernel if the path leads nowhere. */
static bool
loop_backing(const char *name, const char *path, struct layers_loop *loop)
{
	struct loop_info64 info;
	struct stat status;
	char node[64];
	int fd;
	bool known;

	if (stat(path, &status) == 0) {
		loop->backing = S_ISBLK(status.st_mode) ? status.st_rdev : status.st_dev;
		loop->inode = S_ISBLK(status.st_mode) ? 0 : status.st_ino;
		return true;
	}
	snprintf(node, sizeof(node), "/dev/%.32s", name);
	fd = open(node, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1)
		return false;
	known = fstat(fd, &status) == 0 && status.st_rdev == loop->device &&
	    ioctl(fd, LOOP_GET_STATUS64, &info) == 0;
	close(fd);
	if (known) {
		loop->backing = info.lo_rdevice != 0 ? info.lo_rdevice : info.lo_device;
		loop->inode = info.lo_rdevice != 0 ? 0 : info.lo_inode;
	}
	return known;
}

static bool
loops_load(struct layers *layers)
{
	char pattern[PATH_MAX], folder[64], path[PATH_MAX];
	glob_t found;
	size_t i;

	snprintf(pattern, sizeof(pattern), "%s/block/loop*/loop/backing_file", layers->sys);
	if (glob(pattern, GLOB_NOSORT, NULL, &found) != 0)
		return true;
	layers->loops = calloc(found.gl_pathc, sizeof(*layers->loops));
	for (i = 0; layers->loops != NULL && i < found.gl_pathc; i++) {
		struct layers_loop *loop = &layers->loops[layers->loop_count];
		const char *name = found.gl_pathv[i] + strlen(layers->sys) + strlen("/block/");

		snprintf(folder, sizeof(folder), "block/%.*s", (int)strcspn(name, "/"), name);
		if (!sysfs_device(layers->sys, folder, &loop->device) ||
		    !sysfs_line(layers->sys, path, sizeof(path), "%s/loop/backing_file", folder) ||
		    !loop_backing(folder + strlen("block/"), path, loop))
			continue;
		if (!sysfs_number(layers->sys, folder, "loop/offset", &loop->offset))
			loop->offset = 0;
		if (!sysfs_number(layers->sys, folder, "loop/sizelimit", &loop->limit) || loop->limit == 0)
			loop->limit = UINT64_MAX;
		layers->loop_count++;
	}
	globfree(&found);
	return layers->loops != NULL;
}

const struct layer *
layers_file(const struct layers *layers, dev_t device, ino_t inode)
{
	size_t i;

	for (i = 0; i < layers->count; i++)
		if (layers->list[i].device == device && layers->list[i].inode == inode)
			return &layers->list[i];
	return NULL;
}

const struct layer *
layers_device(const struct layers *layers, dev_t device)
{
	return layers_file(layers, device, 0);
}

static bool
layers_add(struct layers *layers, const struct layer *layer)
{
	struct layer *more;

	if (layer->start >= layer->end || layers_file(layers, layer->device, layer->inode) != NULL)
		return true;
	more = realloc(layers->list, (layers->count + 1) * sizeof(*more));
	if (more == NULL)
		return false;
	layers->list = more;
	more[layers->count++] = *layer;
	return true;
}

/* A layer below: the range moves up by where this one begins there, if that is known. */
static bool
add_below(struct layers *layers, const struct layer *layer, dev_t device, ino_t inode,
    bool known, uint64_t begins)
{
	struct layer below = {
		.device = device, .inode = inode, .below = true, .down = true, .end = UINT64_MAX
	};

	if (layer->exact && known) {
		below.exact = below.up = true;
		below.start = add_up(layer->start, begins);
		below.end = add_up(layer->end, begins);
	}
	return layers_add(layers, &below);
}

/* Whether the range is all of the layer. */
static bool
is_whole(const struct layers *layers, const struct layer *layer)
{
	char folder[SYSFS_FOLDER];
	uint64_t sectors;

	sysfs_folder(layer->device, folder);
	return layer->exact && layer->start == 0 && sysfs_number(layers->sys, folder, "size", &sectors) &&
	    layer->end >= sectors * SECTOR;
}

/* A layer above, which shows length bytes of this one from begins on, if that is known. */
static bool
add_above(struct layers *layers, const struct layer *layer, dev_t device, bool known,
    uint64_t begins, uint64_t length, bool loop)
{
	struct layer above = {
		.device = device, .below = layer->below && !is_whole(layers, layer), .up = true,
		.end = UINT64_MAX, .loop = loop && !layer->below
	};
	uint64_t start = layer->start, end = add_up(begins, length);

	if (layer->exact && known) {
		start = start > begins ? start : begins;
		end = end < layer->end ? end : layer->end;
		above.exact = true;
		above.start = start - begins;
		above.end = end <= start ? above.start : end == UINT64_MAX ? end : end - begins;
	}
	return layers_add(layers, &above);
}

static bool
add_slave(struct layers *layers, const struct layer *layer, const char *folder,
    const char *entry)
{
	char path[512];
	uint64_t begins = 0, length;
	dev_t device;
	bool known;

	snprintf(path, sizeof(path), "%s/slaves/%s", folder, entry);
	if (!sysfs_device(layers->sys, path, &device))
		return true;
	/* Not within the call: C does not say which argument it evaluates first. */
	known = dm_piece(layer->device, device, &begins, &length);
	return add_below(layers, layer, device, 0, known, begins);
}

/*
 * Where it is not known which part a device above shows, it counts if all of this layer is the
 * disk's; on the way back up from what lies below, the disk may be another part.
 */
static bool
add_holder(struct layers *layers, const struct layer *layer, const char *folder,
    const char *entry)
{
	char path[512];
	uint64_t begins = 0, length = UINT64_MAX;
	dev_t device;
	bool known;

	snprintf(path, sizeof(path), "%s/holders/%s", folder, entry);
	if (!sysfs_device(layers->sys, path, &device) || dm_only_reads(device, layer->device))
		return true;
	known = dm_piece(device, layer->device, &begins, &length);
	if (!known && layer->below && !is_whole(layers, layer))
		return true;
	return add_above(layers, layer, device, known, begins, length, false);
}

static bool
add_partition(struct layers *layers, const struct layer *layer, const char *folder,
    const char *entry)
{
	char path[512];
	uint64_t begins, length;
	dev_t device;

	snprintf(path, sizeof(path), "%s/%s", folder, entry);
	if (!sysfs_number(layers->sys, path, "partition", &begins) ||
	    !sysfs_number(layers->sys, path, "start", &begins) ||
	    !sysfs_number(layers->sys, path, "size", &length) || !sysfs_device(layers->sys, path, &device))
		return true;
	return add_above(layers, layer, device, true, begins * SECTOR, length * SECTOR, false);
}

static bool
each_neighbour(struct layers *layers, const struct layer *layer, const char *folder,
    const char *list, neighbour *add)
{
	char path[PATH_MAX];
	struct dirent *entry;
	bool done = true;
	DIR *entries;

	snprintf(path, sizeof(path), "%s/%s%s", layers->sys, folder, list);
	entries = opendir(path);
	if (entries == NULL)
		return true;
	while (done && (entry = readdir(entries)) != NULL)
		if (entry->d_name[0] != '.')
			done = add(layers, layer, folder, entry->d_name);
	closedir(entries);
	return done;
}

/* Walk down from the layer: to a disk, a loop device's file or device, the parts of a volume. */
static bool
go_down(struct layers *layers, const struct layer *layer, const char *folder)
{
	char path[128];
	uint64_t begins;
	dev_t disk;
	size_t i;

	if (sysfs_number(layers->sys, folder, "partition", &begins)) {
		snprintf(path, sizeof(path), "%s/..", folder);
		return !sysfs_number(layers->sys, folder, "start", &begins) || !sysfs_device(layers->sys, path, &disk) ||
		    add_below(layers, layer, disk, 0, true, begins * SECTOR);
	}
	for (i = 0; i < layers->loop_count; i++)
		if (layers->loops[i].device == layer->device)
			return add_below(layers, layer, layers->loops[i].backing, layers->loops[i].inode, true,
			    layers->loops[i].offset);
	return each_neighbour(layers, layer, folder, "/slaves", add_slave);
}

/* Walk up from the layer. */
static bool
go_up(struct layers *layers, const struct layer *layer, const char *folder)
{
	size_t i;

	for (i = 0; i < layers->loop_count; i++) {
		const struct layers_loop *loop = &layers->loops[i];

		if (loop->backing == layer->device && loop->inode == layer->inode &&
		    !add_above(layers, layer, loop->device, true, loop->offset, loop->limit, true))
			return false;
	}
	return layer->inode != 0 ||
	    (each_neighbour(layers, layer, folder, "", add_partition) &&
	    each_neighbour(layers, layer, folder, "/holders", add_holder));
}

bool
layers_find(struct layers *layers, const char *sys, const struct stat *status, uint64_t start,
    uint64_t end)
{
	bool device = S_ISBLK(status->st_mode);
	struct layer layer = {
		.device = device ? status->st_rdev : status->st_dev,
		.inode = device ? 0 : status->st_ino,
		.exact = true, .up = true, .down = true, .start = start, .end = end
	};
	char folder[SYSFS_FOLDER];
	uint64_t sectors;
	size_t i;

	memset(layers, 0, sizeof(*layers));
	layers->sys = sys;
	sysfs_folder(layer.device, folder);
	if (device && end == UINT64_MAX && sysfs_number(sys, folder, "size", &sectors))
		layer.end = sectors * SECTOR;
	if (!loops_load(layers) || !layers_add(layers, &layer))
		return false;
	for (i = 0; i < layers->count; i++) {
		layer = layers->list[i];	/* a copy, since the list grows */
		sysfs_folder(layer.device, folder);
		if ((layer.down && layer.inode == 0 && !go_down(layers, &layer, folder)) ||
		    (layer.up && !go_up(layers, &layer, folder)))
			return false;
	}
	return true;
}

void
layers_free(struct layers *layers)
{
	free(layers->list);
	free(layers->loops);
	memset(layers, 0, sizeof(*layers));
}

char *
layers_name(const struct layers *layers, const struct layer *layer, char *out, size_t size)
{
	char folder[SYSFS_FOLDER], name[256], path[PATH_MAX];
	ssize_t length;

	sysfs_folder(layer->device, folder);
	snprintf(path, sizeof(path), "%s/%s", layers->sys, folder);
	length = readlink(path, name, sizeof(name) - 1);
	if (layer->inode != 0)
		snprintf(out, size, "the file behind it");
	else if (sysfs_line(layers->sys, name, sizeof(name), "%s/dm/name", folder))
		snprintf(out, size, "/dev/mapper/%s", name);
	else if (length == -1)
		snprintf(out, size, "%u:%u", major(layer->device), minor(layer->device));
	else {
		char *last;

		name[length] = '\0';
		last = strrchr(name, '/');
		snprintf(out, size, "/dev/%s", last != NULL ? last + 1 : name);
	}
	return out;
}
