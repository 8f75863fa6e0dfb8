/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * make-stream: write one of the small streams of streams.h to standard output.
 *
 *	make-stream NAME		the stream
 *	make-stream -b NAME	the device before it (of a delta, an undo log)
 *	make-stream -a NAME	the device after it
 *	make-stream -l		their names
 */
#include <stdio.h>

#include "streams.h"

static void
list(void)
{
	for (size_t i = 0; i < sizeof(streams_plans) / sizeof(streams_plans[0]); i++)
		puts(streams_plans[i].name);
}

int
main(int argc, char **argv)
{
	static struct streams_made made;
	const struct streams_plan *plan;
	const unsigned char *data;
	size_t length;
	char what = argc > 1 && argv[1][0] == '-' ? argv[1][1] : 's';

	if (what == 'l') {
		list();
		return 0;
	}
	if (argc < 2 || (plan = streams_find(argv[argc - 1])) == NULL)
		errx(2, "usage: make-stream [-ab] NAME | -l");
	streams_make(&made, plan);
	data = what == 'a' ? made.after : what == 'b' ? made.before : made.bytes;
	length = what == 's' ? made.length : plan->size;
	if (!write_full(STDOUT_FILENO, data, length))
		err(2, "standard output");
	return 0;
}
