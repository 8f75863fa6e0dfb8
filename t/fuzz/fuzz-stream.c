/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz-stream: a block stream, applied to memory by the project's reader and by the
 * oracle, which must agree.
 *
 * The mutator changes fields and records and computes the sums anew, so that the
 * corpus is made of streams as they stand, which blkwrite can be given too.
 */
#include "../unit/both.h"
#include "../unit/mutate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t capacity);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (both_read(data, size) == -1) {
		fprintf(stderr, "%s\n", both_wrong);
		abort();
	}
	return 0;
}

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed)
{
	struct mutation m = { .random = seed, .p = data, .length = size, .capacity = capacity };

	if (size < STREAM_HEADER_MIN || mutate_random(&m, 8) == 0)
		return LLVMFuzzerMutate(data, size, capacity);
	if (mutate_random(&m, 4) == 0) {
		m.length = LLVMFuzzerMutate(data, size, capacity);
		mutate_repair(&m, MUTATE_EVERYTHING);
	} else
		mutate(&m);
	return m.length;
}
