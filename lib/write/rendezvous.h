/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rendezvous: how processes that got the lanes of one stream find each other.
 *
 * On a unix socket (SOCK_SEQPACKET) that is named by the stream's id, in a folder that belongs
 * to the user and nobody else can enter (mode 0700): /run/blk-lanes for root, else one in
 * /run/user/UID or in /tmp.  Peers of another user are turned away (SO_PEERCRED).  One message
 * goes to the listener: the descriptor that a lane comes from, and the bytes that were read
 * from it already.
 */
#ifndef RENDEZVOUS_H
#define RENDEZVOUS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "pipe/input.h"
#include "stream/record.h"

/* Listen; path, of size bytes, is the socket's.  -1: error is filled. */
int rendezvous_listen(const unsigned char id[STREAM_ID_SIZE], char *path, size_t size,
    struct error *);

/*
 * Wait until a lane is handed over, at most until end (clock_seconds): it can be read from
 * input, with fd.  Returns the socket to the process that had it; -1: none came.
 */
int rendezvous_accept(int listener, double end, int *fd, struct input *);

/*
 * Wait for the listener, at most until end, and hand input over.  Returns the socket; -1:
 * error is filled.
 */
int rendezvous_connect(const unsigned char id[STREAM_ID_SIZE], double end, const struct input *,
    struct error *);

#endif
