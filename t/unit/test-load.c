/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
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

/* Writes that never block, pieces that hardly shrink: compressing is what takes the time. */
static void
a_wire_that_never_blocks_is_given_stored_pieces(void)
{
	struct load *load = load_create(9, 2);
	struct load_mark mark;
	unsigned i;

	for (i = 0; i < 2000 && !load_stores(load); i++) {
		int level = load_level(load, 1);

		load_begins(load, &mark);
		usleep(500);
		load_worked(load, &mark);
		load_begins(load, &mark);
		load_waited_to_write(load, &mark);
		load_written(load, level, 256 << 10, 200 << 10);
	}
	CHECK(load_stores(load));
	free(load);
}

int
main(void)
{
	the_first_piece_is_deflated_at_level_1();
	without_a_load_the_level_is_the_fixed_one();
	a_wire_that_never_blocks_is_given_stored_pieces();
	return check_done();
}
