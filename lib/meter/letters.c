/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stddef.h>
#include <string.h>

#include "meter/letters.h"

const char *
letters_instead(int letter)
{
	static const struct { const char *letters, *instead; } table[] = {
		{ "F", "the line has no format; --json has all of the numbers" },
		{ "d", "blkmeter watches its own pipe alone; progress(1) tells of other processes" },
		{ "R", "a running blkmeter takes no options; -L @file reads its rate again and again" },
		{ "l0", "blkmeter counts bytes, not lines" },
		{ "E", "blkread --skip-bad reads past bad sectors" },
		{ "S", "blkread -l, or head -c, ends after a number of bytes" },
		{ "I", "the time that is left is shown; --json has it in seconds" },
		{ "P", "the shell has the pid: $!" },
		{ "AHKTUX", "pv's option of that name has no counterpart here" },
	};
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (letter > 0 && letter < 256 && strchr(table[i].letters, letter) != NULL)
			return table[i].instead;
	return NULL;
}
