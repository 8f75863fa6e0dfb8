/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lookout: a process that looks for holders (holders.h) on behalf of one that is confined.
 *
 * A confined process (base/confine.h) cannot see what others have open.  So blkwrite starts this
 * child before that.  The child has nothing open but a socket, gets from it only what a disk is
 * and which bytes of it are meant, and answers who holds them.  It ends when the socket is closed,
 * that is when its parent ends.  One thread at a time may ask.
 */
#ifndef LOOKOUT_H
#define LOOKOUT_H

#include <stdbool.h>

#include "device/holders.h"

struct lookout {
	int socket;		/* -1: there is no child, lookout_find looks itself */
};

/* Start the child, before there are threads.  If it cannot be started, socket is -1. */
void lookout_start(struct lookout *);

/* The same as holders_find.  If the child has died, or does not answer, unseen says so. */
void lookout_find(const struct lookout *, struct holders *, const struct stat *, uint64_t start,
    uint64_t end, enum holders_purpose);

#endif
