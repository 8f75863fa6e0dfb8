/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz-stream: a block stream, applied to memory by the project's reader and by the
 * oracle, which must agree.
 */
#include "../unit/both.h"
#include "mutator.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (both_read(data, size) == -1) {
		fprintf(stderr, "%s\n", both_wrong);
		abort();
	}
	return 0;
}
