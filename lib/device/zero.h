/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * zero: makes ranges read as zeros without writing zeros.
 */
#ifndef ZERO_H
#define ZERO_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* In the order in which they are tried.  The first gives space back to the file system. */
enum zero_method { ZERO_PUNCH, ZERO_KEEP, ZERO_OUT, ZERO_NONE };

/*
 * Make a range read as zeros: by punching a hole, by fallocate's zero range, or by
 * BLKZEROOUT, whichever works first.  Never by a discard, after which the content is
 * undefined.  On a device the range consists of whole sectors.
 *
 * *method is ZERO_PUNCH at first, or ZERO_KEEP where what is allocated has to stay so, and remembers
 * which methods fd does not support; any thread may call.  False: the caller must write zeros, and that reports any error of the device.
 */
bool zero_range(int fd, bool device, atomic_int *method, uint64_t at, uint64_t length);

#endif
