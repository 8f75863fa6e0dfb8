/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mutator: of block streams, for libFuzzer: fields and records are changed and the sums
 * computed anew, so that a corpus is made of streams as they stand, which the filters can
 * be given too.
 */
#ifndef MUTATOR_H
#define MUTATOR_H

#include "../unit/mutate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t capacity);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed);

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

#endif
