/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>

#include "arguments.h"
#include "size.h"

bool
argument_size(const char *option, const char *value, uint64_t *bytes, struct error *error)
{
	if (size_parse(value, bytes))
		return true;
	if (errno == ERANGE)
		return error_set(error, "%s %s: more bytes than any device has", option, value);
	return error_set(error, "%s %s: not a size (4096, 64K, 20G, 8s)", option, value);
}

bool
argument_jobs(const char *value, unsigned *jobs, struct error *error)
{
	uint64_t number;

	if (!number_parse(value, 1, 64, &number))
		return error_set(error, "-j %s: not a number of threads from 1 to 64", value);
	*jobs = (unsigned)number;
	return true;
}
