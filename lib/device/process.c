/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "device/process.h"
#include "device/sysfs.h"

/* No process tree of a working host is as high. */
#define GENERATIONS_MAX	1000

/* The link to a program may be dangling, "/usr/bin/qemu (deleted)". */
void
process_name(pid_t pid, char *name, size_t size)
{
	char path[64], link[PATH_MAX], *last;
	ssize_t length;

	snprintf(name, size, "a program");
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	length = readlink(path, link, sizeof(link) - 1);
	link[length == -1 ? 0 : length] = '\0';
	if (length == -1 && !sysfs_line("/proc", link, sizeof(link), "%d/comm", (int)pid))
		return;
	if ((last = strstr(link, " (deleted)")) != NULL)
		*last = '\0';
	last = strrchr(link, '/');
	snprintf(name, size, "%.63s", last != NULL ? last + 1 : link);
}

/* The name in the second field may hold anything, so the fields behind its last bracket count. */
pid_t
process_parent(pid_t pid)
{
	char line[512], *end;
	int parent;

	if (!sysfs_line("/proc", line, sizeof(line), "%d/stat", (int)pid))
		return 0;
	end = strrchr(line, ')');
	return end != NULL && sscanf(end, ") %*c %d", &parent) == 1 ? parent : 0;
}

bool
process_is_ancestor(pid_t ancestor, pid_t pid)
{
	int i;

	for (i = 0; i < GENERATIONS_MAX && pid > 1; i++) {
		pid = process_parent(pid);
		if (pid == ancestor)
			return true;
	}
	return false;
}
