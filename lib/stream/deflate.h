/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * deflate: bytes in memory, deflated and inflated (RFC 1951, without a wrapper).
 *
 * Level 1 is ISA-L's where the program was built with it: three to four times as fast as
 * libdeflate's, for output that is 2 % larger.  Then level 2 is libdeflate's first.  All other
 * levels are libdeflate's, and so is all inflating, which is as fast as ISA-L's and stricter.
 * A struct deflate is one thread's.
 */
#ifndef DEFLATE_H
#define DEFLATE_H

#include <stdbool.h>
#include <stddef.h>

#define DEFLATE_LEVEL_MAX	9

struct deflate;

/* NULL with errno set. */
struct deflate *deflate_create(void);
void deflate_destroy(struct deflate *);

/*
 * Deflate at a level from 1 to 9 into at most capacity bytes.  Returns the bytes written;
 * 0 if they would not fit, or with errno ENOMEM.
 */
size_t deflate_pack(struct deflate *, int level, const void *data, size_t length, void *out,
    size_t capacity);

/* Inflate; true only if exactly stored bytes were used and exactly length came out. */
bool deflate_unpack(struct deflate *, const void *data, size_t stored, void *out, size_t length);

#endif
