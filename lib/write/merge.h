/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * merge: the records of lanes that were gathered (lanes.h), in order into a pipe.
 *
 * A thread reads each lane, ahead of what is needed, and checks its record headers; one puts the
 * records out by their sequence numbers.
 */
#ifndef MERGE_H
#define MERGE_H

#include <stdbool.h>

#include "base/error.h"
#include "stream/lane.h"
#include "write/lanes.h"

/*
 * Read a lane's header, and make it that of the whole stream, before the threads are started.
 * False: in->error is filled.
 */
bool merge_read_header(struct lanes_in *in, struct stream_header *, struct lane *);

/*
 * Start the threads.  All lanes are there, and lanes->out is the pipe, which they close in the
 * end; then lanes->error says why it came too early, if it did.  False: error is filled.
 */
bool merge_start(struct lanes *, struct error *);

#endif
