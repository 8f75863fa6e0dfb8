/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "device/mounts.h"
#include "device/sysfs.h"

#define XEN_DISKS	"bus/xen-backend/devices/vbd-*/physical_device"

/* "a\040b" is how the kernel writes "a b".  In place. */
static void
unescape(char *text)
{
	const char *from = text;

	while (*from != '\0') {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' && from[2] <= '7' &&
		    from[3] >= '0' && from[3] <= '7') {
			*text++ = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else
			*text++ = *from++;
	}
	*text = '\0';
}

static const struct layer *
layer_of_path(const struct layers *layers, const char *path)
{
	struct stat status;

	if (stat(path, &status) == -1)
		return NULL;
	return S_ISBLK(status.st_mode) ? layers_device(layers, status.st_rdev) :
	    S_ISREG(status.st_mode) ? layers_file(layers, status.st_dev, status.st_ino) : NULL;
}

/* Whether a list of options, "rw,relatime", begins with rw or has it. */
static bool
is_writable(const char *options)
{
	for (; options != NULL; options = strchr(options, ',')) {
		options += *options == ',';
		if (strncmp(options, "rw", 2) == 0 && (options[2] == ',' || options[2] == '\0'))
			return true;
	}
	return false;
}

/*
 * "36 35 8:1 / /mnt rw,noatime shared:1 - ext4 /dev/sda1 rw,errors=continue".  The last options
 * are the file system's: a read-only bind mount of a writable one does not count.  A file system
 * on several devices, such as btrfs, has a number of its own, and only names one of them.
 */
static const struct layer *
mount_layer(const struct layers *layers, char *line, bool writable, char **where)
{
	char *words[6], *rest = line, *source, *options;
	const struct layer *layer;
	unsigned major_number, minor_number;
	size_t i;

	for (i = 0; i < 6; i++)
		if ((words[i] = strsep(&rest, " ")) == NULL)
			return NULL;
	if (rest != NULL && strncmp(rest, "- ", 2) != 0 && (rest = strstr(rest, " - ")) != NULL)
		rest++;
	if (rest == NULL || sscanf(words[2], "%u:%u", &major_number, &minor_number) != 2 ||
	    (source = strchr(rest + 2, ' ')) == NULL)
		return NULL;
	source++;
	options = strchr(source, ' ');
	if (options == NULL)
		return NULL;
	*options++ = '\0';
	if (writable && !is_writable(options))
		return NULL;
	unescape(source);
	unescape(words[4]);
	*where = words[4];
	layer = layers_device(layers, makedev(major_number, minor_number));
	if (layer == NULL && major_number == 0 && strncmp(source, "/dev/", 5) == 0)
		layer = layer_of_path(layers, source);
	return layer;
}

bool
mounts_find(const char *table, const struct layers *layers, bool writable,
    struct mounts_found *found)
{
	FILE *file = fopen(table, "re");
	char *line = NULL, *where;
	size_t room = 0;

	found->layer = NULL;
	while (file != NULL && found->layer == NULL && getline(&line, &room, file) != -1) {
		line[strcspn(line, "\n")] = '\0';
		found->layer = mount_layer(layers, line, writable, &where);
		if (found->layer != NULL)
			snprintf(found->where, sizeof(found->where), "%s", where);
	}
	free(line);
	if (file != NULL)
		fclose(file);
	return found->layer != NULL;
}

/* After a line of titles: "/dev/sda2  partition  8388604  0  -2". */
bool
mounts_find_swap(const char *table, const struct layers *layers, struct mounts_found *found)
{
	FILE *file = fopen(table, "re");
	char *line = NULL;
	size_t room = 0;

	found->layer = NULL;
	while (file != NULL && found->layer == NULL && getline(&line, &room, file) != -1) {
		line[strcspn(line, " \t\n")] = '\0';
		unescape(line);
		if (line[0] == '/')
			found->layer = layer_of_path(layers, line);
		snprintf(found->where, sizeof(found->where), "%s", line);
	}
	free(line);
	if (file != NULL)
		fclose(file);
	return found->layer != NULL;
}

/* "vbd-3-51712" is a disk of domain 3, its file physical_device a number like "fd:1f". */
bool
mounts_find_xen(const struct layers *layers, bool writable, struct mounts_found *found)
{
	char pattern[PATH_MAX], line[64], *folder;
	unsigned major_number, minor_number;
	glob_t disks;
	size_t i;

	found->layer = NULL;
	snprintf(pattern, sizeof(pattern), "%s/%s", layers->sys, XEN_DISKS);
	if (glob(pattern, GLOB_NOSORT, NULL, &disks) != 0)
		return false;
	for (i = 0; i < disks.gl_pathc && found->layer == NULL; i++) {
		folder = disks.gl_pathv[i] + strlen(layers->sys) + 1;
		if (!sysfs_line(layers->sys, line, sizeof(line), "%s", folder) ||
		    sscanf(line, "%x:%x", &major_number, &minor_number) != 2)
			continue;
		*strrchr(folder, '/') = '\0';
		if (writable && sysfs_line(layers->sys, line, sizeof(line), "%s/mode", folder) &&
		    strchr(line, 'w') == NULL)
			continue;
		found->layer = layers_device(layers, makedev(major_number, minor_number));
		folder = strrchr(folder, '/') + strlen("/vbd-");
		snprintf(found->where, sizeof(found->where), "%.*s", (int)strcspn(folder, "-"), folder);
	}
	globfree(&disks);
	return found->layer != NULL;
}
