/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hash64: XXH3-64, which every header, payload and range of a block stream is checked with.
 */
#ifndef HASH64_H
#define HASH64_H

#include <stddef.h>
#include <stdint.h>

uint64_t hash64(const void *data, size_t length);

/* The same, seeded: record headers of one stream are no headers of another. */
uint64_t hash64_seeded(const void *data, size_t length, uint64_t seed);

#endif
