/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/size.h"
#include "device/dm.h"
#include "device/sysfs.h"

void
sysfs_folder(dev_t device, char folder[SYSFS_FOLDER])
{
	snprintf(folder, SYSFS_FOLDER, "dev/block/%u:%u", major(device), minor(device));
}

bool
sysfs_line(const char *sys, char *line, int size, const char *format, ...)
{
	char path[PATH_MAX];
	va_list arguments;
	FILE *file;
	bool got;
	int used = snprintf(path, sizeof(path), "%s/", sys);

	va_start(arguments, format);
	vsnprintf(path + used, sizeof(path) - (size_t)used, format, arguments);
	va_end(arguments);
	file = fopen(path, "re");
	got = file != NULL && fgets(line, size, file) != NULL;
	if (file != NULL)
		fclose(file);
	if (got)
		line[strcspn(line, "\n")] = '\0';
	return got;
}

bool
sysfs_number(const char *sys, const char *folder, const char *name, uint64_t *number)
{
	char line[32];

	return sysfs_line(sys, line, sizeof(line), "%s/%s", folder, name) &&
	    number_parse(line, 0, SIZE_LIMIT, number);
}

bool
sysfs_device(const char *sys, const char *folder, dev_t *device)
{
	char line[32];
	const char *rest;

	return sysfs_line(sys, line, sizeof(line), "%s/dev", folder) &&
	    dm_parse_device(line, device, &rest);
}
