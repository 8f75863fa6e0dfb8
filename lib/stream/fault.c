/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "stream/fault.h"
#include "stream/record.h"

bool
fault_set(struct error *error, struct place place, const char *reason)
{
	if (place.device == PLACE_HEADER)
		return error_set(error, "%s: stream byte %ju: %s", place.name, (uintmax_t)place.at,
		    reason);
	return error_set(error, "%s: stream byte %ju, device byte %ju: %s", place.name,
	    (uintmax_t)place.at, (uintmax_t)place.device, reason);
}

bool
fault_errno(struct error *error, struct place place)
{
	int number = errno;
	bool first = !error->set;

	fault_set(error, place, strerror(number));
	if (first)
		error->number = number;
	return false;
}

bool
fault_cut(struct error *error, struct place place)
{
	return fault_set(error, place, "the stream was cut: end of file before its END record");
}

bool
fault_aborted(struct error *error, struct place place, const unsigned char *text, size_t length)
{
	char escaped[RECORD_NOTE_MAX + 1], reason[sizeof(escaped) + 32];

	text_escape(escaped, sizeof(escaped), text, length);
	snprintf(reason, sizeof(reason), "the sending side gave up: %s", escaped);
	return fault_set(error, place, reason);
}
