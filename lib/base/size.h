/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * size: byte counts as people write and read them.
 */
#ifndef SIZE_H
#define SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The largest size and offset anywhere: the maximum of off_t. */
#define SIZE_LIMIT	((uint64_t)INT64_MAX)

/*
 * Parse "4096", "64K", "1.5G", "20GiB", "10MB", "8s".  K, M, G, T, P, E and KiB …
 * are powers of 1024, KB … powers of 1000, s is a sector of 512 bytes, B a byte.
 * The whole text must be used and the result be a whole number of bytes, at most
 * SIZE_LIMIT.  Returns false with errno EINVAL or ERANGE.
 */
bool size_parse(const char *text, uint64_t *bytes);

/* "20.0 GiB", "512 B".  Fits in 16 bytes; returns out. */
char *size_format(char *out, size_t size, uint64_t bytes);

/* Convert a number of bytes: rounded down, and clamped to 0 and UINT64_MAX; NaN is 0. */
uint64_t size_from_double(double bytes);

/* "20.0 MiB": bytes per second; a time shorter than a millisecond counts as one. */
char *size_format_rate(char *out, size_t size, uint64_t bytes, double seconds);

/* A decimal number from low to high and nothing else.  False with errno set. */
bool number_parse(const char *text, uint64_t low, uint64_t high, uint64_t *number);

#endif
