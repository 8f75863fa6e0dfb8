/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/evidence.h"

void
evidence_add(struct evidence *evidence, const char *name, enum fresh fresh, int lost)
{
	if (fresh != FRESH_MEDIUM && evidence->cached++ == 0) {
		evidence->cached_name = strdup(name);
		evidence->fresh = fresh;
	}
	if (lost != 0 && evidence->lost++ == 0) {
		evidence->lost_name = strdup(name);
		evidence->number = lost;
	}
}

/* "NAME" or "NAME and 3 other files", and the name is freed. */
static int
put_names(char **name, uint64_t *files, char *line, size_t size)
{
	uint64_t others = *files - 1;
	const char *first = *name != NULL ? *name : "a file";
	int length = others == 0 ? snprintf(line, size, "%s", first) :
	    snprintf(line, size, "%s and %ju other file%s", first, (uintmax_t)others,
	    others == 1 ? "" : "s");

	free(*name);
	*name = NULL;
	*files = 0;
	return length < (int)size ? length : (int)size;
}

bool
evidence_next(struct evidence *evidence, char *line, size_t size)
{
	int used;

	if (evidence->cached > 0) {
		used = put_names(&evidence->cached_name, &evidence->cached, line, size);
		snprintf(line + used, size - (size_t)used, ": %s",
		    fresh_words(evidence->fresh));
		return true;
	}
	if (evidence->lost > 0) {
		used = put_names(&evidence->lost_name, &evidence->lost, line, size);
		snprintf(line + used, size - (size_t)used,
		    ": an earlier write was lost (%s); the result is that of the medium",
		    strerror(evidence->number));
		return true;
	}
	return false;
}

void
evidence_clear(struct evidence *evidence)
{
	free(evidence->cached_name);
	free(evidence->lost_name);
	*evidence = (struct evidence){ 0 };
}
