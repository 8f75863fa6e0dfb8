/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/size.h"
#include "device/dm.h"
#include "device/sysfs.h"

#define ROOM_MAX	(16u << 20)

/*
 * One request; the answer must be freed.  NULL with errno set.  The kernel says when
 * the room was too small.
 */
static struct dm_ioctl *
dm_request(int fd, unsigned long request, dev_t device, uint32_t flags)
{
	size_t room = 16384;
	struct dm_ioctl *answer;

	for (;; room *= 2) {
		answer = calloc(1, room);
		if (answer == NULL)
			return NULL;
		/* 4.0 is what every kernel of this interface answers to. */
		answer->version[0] = DM_VERSION_MAJOR;
		answer->data_size = (uint32_t)room;
		answer->data_start = sizeof(*answer);
		answer->flags = flags;
		/* The kernel's own packing of major and minor. */
		answer->dev = device == 0 ? 0 : (minor(device) & 0xff) | (major(device) << 8) |
		    ((uint64_t)(minor(device) & ~0xffu) << 12);
		if (ioctl(fd, request, answer) == -1) {
			free(answer);
			return NULL;
		}
		if ((answer->flags & DM_BUFFER_FULL_FLAG) == 0)
			return answer;
		free(answer);
		if (room >= ROOM_MAX) {
			errno = EOVERFLOW;
			return NULL;
		}
	}
}

static int
dm_open(struct error *error)
{
	int fd = open(DM_CONTROL, O_RDWR | O_CLOEXEC);

	if (fd == -1)
		error_errno(error, "%s", DM_CONTROL);
	return fd;
}

bool
dm_query(dev_t device, bool status, struct dm_target *target, struct error *error)
{
	struct dm_ioctl *answer;
	const struct dm_target_spec *spec;
	const char *params;
	int fd = dm_open(error);

	if (fd == -1)
		return false;
	answer = dm_request(fd, DM_TABLE_STATUS, device, status ? 0 : DM_STATUS_TABLE_FLAG);
	close(fd);
	if (answer == NULL)
		return error_errno(error, "%u:%u: device-mapper %s", major(device), minor(device),
		    status ? "status" : "table");
	memset(target, 0, sizeof(*target));
	target->read_only = (answer->flags & DM_READONLY_FLAG) != 0;
	target->targets = answer->target_count;
	if (answer->target_count > 0) {
		spec = (const void *)((const char *)answer + answer->data_start);
		params = (const char *)(spec + 1);
		memcpy(target->type, spec->target_type, sizeof(target->type) - 1);
		target->sectors = spec->length;
		snprintf(target->params, sizeof(target->params), "%s", params);
	}
	free(answer);
	return true;
}

/* The number that the file dev of a holder's folder says: "253:4" and a newline. */
static bool
holder_device(const char *folder, const char *name, dev_t *device, struct error *error)
{
	char path[512], text[32] = "";
	const char *rest;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s/dev", folder, name);
	file = fopen(path, "re");
	if (file == NULL)
		return error_errno(error, "%s", path);
	if (fgets(text, sizeof(text), file) != NULL)
		text[strcspn(text, "\n")] = '\0';
	fclose(file);
	return dm_parse_device(text, device, &rest) || error_set(error, "%s: not understood", path);
}

bool
dm_holders(dev_t device, dev_t holders[DM_HOLDERS_MAX], size_t *count, struct error *error)
{
	char folder[64];
	struct dirent *entry;
	bool done = true;
	DIR *list;

	*count = 0;
	snprintf(folder, sizeof(folder), "/sys/dev/block/%u:%u/holders", major(device), minor(device));
	list = opendir(folder);
	if (list == NULL)
		return error_errno(error, "%s", folder);
	while (done && (entry = readdir(list)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		if (*count == DM_HOLDERS_MAX)
			done = error_set(error, "%s: too many", folder);
		else
			done = holder_device(folder, entry->d_name, &holders[(*count)++], error);
	}
	closedir(list);
	return done;
}

bool
dm_parse_device(const char *text, dev_t *device, const char **rest)
{
	unsigned long number[2];
	char *end;
	int i;

	for (i = 0; i < 2; i++) {
		if (*text < '0' || *text > '9')
			return false;
		errno = 0;
		number[i] = strtoul(text, &end, 10);
		if (errno != 0 || number[i] > 0xfffff || (i == 0 && *end != ':'))
			return false;
		text = i == 0 ? end + 1 : end;
	}
	if (*text != ' ' && *text != '\0')
		return false;
	*device = makedev((unsigned)number[0], (unsigned)number[1]);
	*rest = *text == ' ' ? text + 1 : text;
	return true;
}

/* Opening the control node would load the module where there are no such devices. */
static bool
is_mapped(dev_t device)
{
	char folder[SYSFS_FOLDER], name[256];

	sysfs_folder(device, folder);
	return sysfs_line(SYSFS, name, sizeof(name), "%s/dm/name", folder);
}

bool
dm_parse_piece(const struct dm_target *table, dev_t *below, uint64_t *begins)
{
	const char *rest;

	if (table->targets != 1 || !dm_parse_device(table->params, below, &rest))
		return false;
	*begins = 0;
	if (strcmp(table->type, "snapshot-origin") == 0)
		return *rest == '\0';
	if (strcmp(table->type, "linear") != 0 || !number_parse(rest, 0, SIZE_LIMIT / DM_SECTOR, begins))
		return false;
	*begins *= DM_SECTOR;
	return true;
}

bool
dm_below(dev_t device, dev_t *below, uint64_t *begins, uint64_t *length)
{
	struct error ignored = { 0 };
	struct dm_target table;

	if (!is_mapped(device) || !dm_query(device, false, &table, &ignored) ||
	    !dm_parse_piece(&table, below, begins))
		return false;
	*length = table.sectors * DM_SECTOR;
	return true;
}

bool
dm_piece(dev_t device, dev_t below, uint64_t *begins, uint64_t *length)
{
	dev_t other;

	return dm_below(device, &other, begins, length) && other == below;
}

bool
dm_only_reads(dev_t device, dev_t below)
{
	struct error ignored = { 0 };
	struct dm_target table;
	const char *rest;
	dev_t first;

	if (!dm_query(device, false, &table, &ignored) || table.targets != 1 ||
	    !dm_parse_device(table.params, &first, &rest))
		return false;
	return (strcmp(table.type, "snapshot") == 0 && first == below) ||
	    (strcmp(table.type, "thin") == 0 && first != below);
}

/* The table: metadata device, origin, sectors of a block. */
uint64_t
dm_parse_era(const struct dm_target *table)
{
	const char *rest;
	uint64_t sectors;
	dev_t other;

	if (strcmp(table->type, "era") != 0 || !dm_parse_device(table->params, &other, &rest) ||
	    !dm_parse_device(rest, &other, &rest) || !number_parse(rest, 1, UINT32_MAX, &sectors))
		return 0;
	return sectors * 512;
}

uint64_t
dm_era_block(dev_t device)
{
	struct error ignored = { 0 };
	struct dm_target table;

	return dm_query(device, false, &table, &ignored) ? dm_parse_era(&table) : 0;
}
