/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * zero: ranges that read as zeros without zeros being written to them.
 */
#ifndef ZERO_H
#define ZERO_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Make a range read as zeros: by punching a hole, zeroing the range or BLKZEROOUT,
 * whichever works first.  Never by a discard, after which anything may be read.  The
 * range of a device consists of whole sectors.
 *
 * method is 0 at first and remembers for one fd what works; any thread may call.
 * False: it must be written, and writing will show what is wrong if something is.
 */
bool zero_range(int fd, bool device, atomic_int *method, uint64_t at, uint64_t length);

#endif
