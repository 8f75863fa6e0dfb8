/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * xxh: xxHash, where the library has them by the widest instructions that this processor
 * has: three times as fast as those that every x86-64 has.
 */
#ifndef XXH_H
#define XXH_H

#ifdef XXH_DISPATCH
#include <xxh_x86dispatch.h>
#else
#include <xxhash.h>
#endif

#endif
