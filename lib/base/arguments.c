/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/arguments.h"
#include "base/size.h"

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

bool
argument_seconds(const char *option, const char *value, double most, double *seconds,
    struct error *error)
{
	char *end;

	/* strtod also takes signs, exponents, infinity and hexadecimal. */
	*seconds = strtod(value, &end);
	if (end == value || value[strspn(value, "0123456789.")] != '\0' || *end != '\0' ||
	    !(*seconds >= 0.1 && *seconds <= most))
		return error_set(error, "%s %s: not a number of seconds from 0.1 to %.0f", option,
		    value, most);
	return true;
}
