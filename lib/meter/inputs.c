/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "meter/inputs.h"

static bool
inputs_add(struct inputs *inputs, const char *name, struct error *error)
{
	bool standard = strcmp(name, "-") == 0;
	int fd = standard ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat status;
	uint64_t left;

	if (fd == -1)
		return error_errno(error, "%s", name);
	left = io_bytes_left(fd);
	/* An empty file; or one of /proc, which says nothing of what it holds. */
	if (left == UINT64_MAX && fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
		left = 0;
	inputs->size = inputs->size == UINT64_MAX || left == UINT64_MAX ? UINT64_MAX : inputs->size + left;
	inputs->names[inputs->count] = standard ? "standard input" : name;
	inputs->fds[inputs->count++] = fd;
	return true;
}

bool
inputs_open(struct inputs *inputs, char **names, unsigned count, struct error *error)
{
	unsigned i;

	memset(inputs, 0, sizeof(*inputs));
	inputs->names = calloc(count + 1, sizeof(*inputs->names));
	inputs->fds = calloc(count + 1, sizeof(*inputs->fds));
	if (inputs->names == NULL || inputs->fds == NULL)
		return error_errno(error, "memory");
	if (count == 0 && !inputs_add(inputs, "-", error))
		return false;
	for (i = 0; i < count; i++)
		if (!inputs_add(inputs, names[i], error))
			return false;
	if (inputs->size == 0)
		inputs->size = UINT64_MAX;
	return true;
}
