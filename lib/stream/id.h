/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * id: a stream's id, told to both ends out of band.
 *
 * It keeps strangers off a listening port, so it must not be read off the command
 * line that ps(1) shows: it comes from a file or from the environment.
 */
#ifndef ID_H
#define ID_H

#include <stdbool.h>

#include "base/error.h"
#include "stream/record.h"

/*
 * Read an id, 32 hexadecimal digits that blanks and newlines may follow, from "@FILE", or
 * from the environment variable NAME given as "env:NAME".  False: error is filled, but never
 * with the text that was read.
 */
bool id_load(const char *argument, unsigned char id[STREAM_ID_SIZE], struct error *);

#endif
