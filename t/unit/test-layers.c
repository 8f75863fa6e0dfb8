/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "check.h"
#include "device/layers.h"
#include "device/mounts.h"

/*
 * A folder like /sys: the disk sda (8:0, 100 MiB) with sda1 (1 to 11 MiB) and sda2 (11 to 91 MiB),
 * sdb (8:16) with sdb1, the array md0 (9:0) of sda2 and sdb1 with a partition (259:0), and over
 * the file "disk" loop0 (7:0, all of it), loop1 (7:1, 1 to 3 MiB) and loop2 (7:2, from 3 MiB on),
 * of which loop0 has a mapped device (254:0) above it.
 */
static char sys[] = "/tmp/layers.XXXXXX";
static char file[64];

static void
put(const char *path, const char *text)
{
	char command[512];

	snprintf(command, sizeof(command), "mkdir -p \"$(dirname %s/%s)\" && printf '%s\\n' >%s/%s", sys,
	    path, text, sys, path);
	if (system(command) != 0)
		err(2, "%s", path);
}

/* A device: its place, its number, where it begins if it is a partition, and its size in MiB. */
static void
put_device(const char *place, const char *number, unsigned start, unsigned size)
{
	char path[128], text[128];

	snprintf(path, sizeof(path), "devices/%s/dev", place);
	put(path, number);
	snprintf(path, sizeof(path), "devices/%s/size", place);
	snprintf(text, sizeof(text), "%u", size * 2048);
	put(path, text);
	if (start != 0) {
		snprintf(path, sizeof(path), "devices/%s/start", place);
		snprintf(text, sizeof(text), "%u", start * 2048);
		put(path, text);
		snprintf(path, sizeof(path), "devices/%s/partition", place);
		put(path, "1");
	}
	snprintf(path, sizeof(path), "%s/dev/block", sys);
	if (mkdir(path, 0700) == -1 && access(path, F_OK) == -1)
		err(2, "%s", path);
	snprintf(path, sizeof(path), "%s/dev/block/%s", sys, number);
	snprintf(text, sizeof(text), "../../devices/%s", place);
	if (symlink(text, path) == -1)
		err(2, "%s", path);
}

static void
put_loop(const char *name, const char *number, const char *offset, const char *limit)
{
	char path[128];

	put_device(name, number, 0, 2);
	snprintf(path, sizeof(path), "block/%s/dev", name);
	put(path, number);
	snprintf(path, sizeof(path), "block/%s/loop/backing_file", name);
	put(path, file);
	snprintf(path, sizeof(path), "block/%s/loop/offset", name);
	put(path, offset);
	snprintf(path, sizeof(path), "block/%s/loop/sizelimit", name);
	put(path, limit);
}

static void
make_sys(void)
{
	if (mkdtemp(sys) == NULL)
		err(2, "%s", sys);
	snprintf(file, sizeof(file), "%s/disk", sys);
	put("dev/x", "");
	put("disk", "");
	put_device("sda", "8:0", 0, 100);
	put_device("sda/sda1", "8:1", 1, 10);
	put_device("sda/sda2", "8:2", 11, 80);
	put_device("sdb", "8:16", 0, 100);
	put_device("sdb/sdb1", "8:17", 1, 80);
	put_device("md0", "9:0", 0, 80);
	put_device("md0/md0p1", "259:0", 1, 70);
	put("devices/sda/sda2/holders/md0/dev", "9:0");
	put("devices/sdb/sdb1/holders/md0/dev", "9:0");
	put("devices/md0/slaves/sda2/dev", "8:2");
	put("devices/md0/slaves/sdb1/dev", "8:17");
	put_loop("loop0", "7:0", "0", "0");
	put_loop("loop1", "7:1", "1048576", "2097152");
	put_loop("loop2", "7:2", "3145728", "0");
	put_device("dm-0", "254:0", 0, 5);
	put("devices/loop0/holders/dm-0/dev", "254:0");
	put("devices/dm-0/slaves/loop0/dev", "7:0");
	put("devices/dm-0/dm/name", "vg-web");
}

static void
find(struct layers *layers, unsigned high, unsigned low, uint64_t start, uint64_t end)
{
	struct stat status = { .st_mode = S_IFBLK, .st_rdev = makedev(high, low) };

	if (high == 0 && stat(file, &status) == -1)
		err(2, "%s", file);
	CHECK(layers_find(layers, sys, &status, start << 20, end == UINT64_MAX ? end : end << 20));
}

/* Each row: a device, 0:0 for the file, a range of it in MiB, and all that shares its bytes. */
static void
what_shares_bytes_is_found(void)
{
	static const struct { unsigned high, low; uint64_t start, end; const char *want; } cases[] = {
		{ 8, 1, 0, UINT64_MAX, "8:1 8:0" },
		{ 8, 0, 0, UINT64_MAX, "8:0 8:1 8:2 9:0 259:0" },
		{ 8, 0, 0, 11, "8:0 8:1" },
		{ 8, 0, 11, 12, "8:0 8:2 9:0 259:0" },
		{ 8, 0, 92, 93, "8:0" },
		{ 8, 2, 0, UINT64_MAX, "8:2 8:0 9:0 259:0" },
		{ 259, 0, 0, UINT64_MAX, "259:0 9:0 8:2 8:17 8:0 8:16" },
		{ 9, 0, 0, UINT64_MAX, "9:0 259:0 8:2 8:17 8:0 8:16" },
		{ 9, 0, 0, 1, "9:0 8:2 8:17 8:0 8:16" },
		{ 0, 0, 0, UINT64_MAX, "file 7:0 254:0 7:1 7:2" },
		{ 0, 0, 0, 1, "file 7:0 254:0" },
		{ 0, 0, 2, 3, "file 7:0 254:0 7:1" },
		{ 7, 1, 0, UINT64_MAX, "7:1 file 7:0" },
		{ 7, 2, 0, UINT64_MAX, "7:2 file 7:0" },
		{ 7, 0, 0, 1, "7:0 file 254:0" },
		{ 254, 0, 0, UINT64_MAX, "254:0 7:0 file" },
		{ 99, 9, 0, UINT64_MAX, "99:9" },
	};
	char have[256], name[32];
	struct layers layers;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		size_t wanted = 1, used = 0;

		find(&layers, cases[i].high, cases[i].low, cases[i].start, cases[i].end);
		for (size_t j = 0; j < layers.count; j++) {
			const struct layer *layer = &layers.list[j];

			snprintf(name, sizeof(name), layer->inode != 0 ? "file" : "%u:%u",
			    major(layer->device), minor(layer->device));
			used += (size_t)snprintf(have + used, sizeof(have) - used, " %s", name);
			CHECK(strstr(cases[i].want, name) != NULL);
		}
		check_case = have;
		for (const char *space = cases[i].want; (space = strchr(space, ' ')) != NULL; space++)
			wanted++;
		CHECK_NUMBER(layers.count, wanted);
		check_case = "";
		layers_free(&layers);
	}
}

static void
ranges_move_with_the_layers(void)
{
	const struct layer *layer;
	struct layers layers;
	char name[64];

	find(&layers, 7, 1, 1, 2);
	layer = layers_device(&layers, makedev(7, 0));
	CHECK(layer != NULL && layer->exact && layer->start == 2 << 20 && layer->end == 3 << 20);
	CHECK_TEXT(layers_name(&layers, layer, name, sizeof(name)), "/dev/loop0");
	CHECK_TEXT(layers_name(&layers, &layers.list[1], name, sizeof(name)), "the file behind it");
	layers_free(&layers);
	find(&layers, 7, 0, 0, UINT64_MAX);
	layer = layers_device(&layers, makedev(254, 0));
	CHECK(layer != NULL && !layer->exact && !layer->below);
	CHECK_TEXT(layers_name(&layers, layer, name, sizeof(name)), "/dev/mapper/vg-web");
	CHECK(layers.list[1].below && layers_device(&layers, makedev(1, 1)) == NULL);
	layers_free(&layers);
	find(&layers, 0, 0, 0, UINT64_MAX);
	CHECK(layers_device(&layers, makedev(7, 1))->loop && !layers.list[0].loop);
	layers_free(&layers);
}

/* Each row: a line of mountinfo, and where it is mounted: at all, and read-write. */
static void
mounts_of_the_layers_are_found(void)
{
	static const struct { const char *line; bool mounted, writable; } cases[] = {
		{ "36 35 8:1 / /a rw,noatime shared:1 - ext4 /dev/sda1 rw,errors=continue", true, true },
		{ "36 35 8:1 / /a rw - ext4 /dev/sda1 rw", true, true },
		{ "36 35 8:1 / /a ro,noatime master:2 shared:3 - ext4 /dev/sda1 rw", true, true },
		{ "36 35 8:1 / /a rw - ext4 /dev/sda1 ro,rwx=1", true, false },
		{ "36 35 8:0 / /a rw - iso9660 /dev/sda ro,norock,rw", true, true },
		{ "36 35 8:2 / /a rw - ext4 /dev/sda2 rw", false, false },
		{ "36 35 0:5 / /a rw - tmpfs tmpfs rw", false, false },
		{ "36 35 0:5 / /a rw - btrfs /dev/none rw", false, false },
		{ "36 35 8:1 / /a rw shared:1", false, false }, { "36 35 8:1 / /a", false, false },
		{ "36 35 8:1 / /a rw - ext4 /dev/sda1", false, false }, { "", false, false },
	};
	struct mounts_found found;
	struct layers layers;

	find(&layers, 8, 1, 0, UINT64_MAX);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char table[64];

		check_case = cases[i].line;
		put("table", cases[i].line);
		snprintf(table, sizeof(table), "%s/table", sys);
		CHECK(mounts_find(table, &layers, false, &found) == cases[i].mounted);
		CHECK(!cases[i].mounted || strcmp(found.where, "/a") == 0);
		CHECK(mounts_find(table, &layers, true, &found) == cases[i].writable);
	}
	check_case = "";
	CHECK(!mounts_find("/nonexistent", &layers, false, &found));
	layers_free(&layers);
}

static void
swap_files_and_disks_of_xen_are_found(void)
{
	char table[64], line[160];
	struct mounts_found found;
	struct layers layers;

	find(&layers, 0, 0, 0, UINT64_MAX);
	snprintf(table, sizeof(table), "%s/table", sys);
	put("table", "Filename Type Size Used Priority\\n/none\\040there file 1 0 -2");
	CHECK(!mounts_find_swap(table, &layers, &found));
	snprintf(line, sizeof(line), "Filename Type Size Used Priority\\n%s file 1 0 -2", file);
	put("table", line);
	CHECK(mounts_find_swap(table, &layers, &found) && strcmp(found.where, file) == 0);
	layers_free(&layers);

	find(&layers, 8, 16, 0, UINT64_MAX);
	CHECK(!mounts_find_xen(&layers, false, &found));
	put("bus/xen-backend/devices/vbd-3-51712/physical_device", "8:1");
	put("bus/xen-backend/devices/vbd-12-51712/physical_device", "8:10");
	put("bus/xen-backend/devices/vbd-12-51712/mode", "r");
	CHECK(mounts_find_xen(&layers, false, &found) && strcmp(found.where, "12") == 0);
	CHECK(!mounts_find_xen(&layers, true, &found));
	put("bus/xen-backend/devices/vbd-12-51712/mode", "w");
	CHECK(mounts_find_xen(&layers, true, &found) && found.layer == &layers.list[0]);
	layers_free(&layers);
}

int
main(void)
{
	char command[64];

	make_sys();
	what_shares_bytes_is_found();
	ranges_move_with_the_layers();
	mounts_of_the_layers_are_found();
	swap_files_and_disks_of_xen_are_found();
	snprintf(command, sizeof(command), "rm -r %s", sys);
	if (system(command) != 0)
		err(2, "%s", sys);
	return check_done();
}
