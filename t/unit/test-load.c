/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>

#include "check.h"
#include "zip/load.h"

static void
the_first_piece_is_deflated_at_level_1(void)
{
	struct load *load = load_create(9, 2);

	CHECK(!load_stores(load));
	CHECK_NUMBER(load_level(load, 6), 1);
	CHECK_NUMBER(load_level(load, 6), 1);
	free(load);
}

static void
without_a_load_the_level_is_the_fixed_one(void)
{
	struct load_mark mark;

	CHECK_NUMBER(load_level(NULL, 6), 6);
	CHECK(!load_stores(NULL));
	load_begins(NULL, &mark);
	load_waited_to_read(NULL, &mark);
	load_worked(NULL, &mark);
	load_waited_to_write(NULL, &mark);
	load_written(NULL, 6, 1, 1);
}

int
main(void)
{
	the_first_piece_is_deflated_at_level_1();
	without_a_load_the_level_is_the_fixed_one();
	return check_done();
}
