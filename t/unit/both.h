/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * both: a block stream given to the project's reader and to the oracle, each with a
 * device of its own.  They must agree on whether it is good, and on every byte of the
 * device whether it is good or not.
 */
#ifndef BOTH_H
#define BOTH_H

#include <stdio.h>

#include "consume.h"
#include "oracle.h"

#define BOTH_GUARD	4096

/* A device, with guards beside it. */
struct both_medium {
	unsigned char below[BOTH_GUARD], device[STREAMS_DEVICE], above[BOTH_GUARD];
	unsigned char hashes[STREAMS_DEVICE / 4096 * 32], behind[BOTH_GUARD];
};

static struct both_medium both_ours, both_theirs;

/* The message of the project's reader; and what is wrong if the two disagree. */
static struct error both_error;
static char both_wrong[2048];

/* Devices as a delta expects them. */
static inline void
both_prepare(void)
{
	static struct both_medium fresh;

	if (fresh.below[0] == 0) {
		memset(&fresh, 0xee, sizeof(fresh));
		streams_fill(fresh.device, sizeof(fresh.device), 'A');
	}
	memcpy(&both_ours, &fresh, sizeof(fresh));
	memcpy(&both_theirs, &fresh, sizeof(fresh));
}

static inline bool
both_guards_hold(void)
{
	static unsigned char guard[BOTH_GUARD];

	memset(guard, 0xee, sizeof(guard));
	return memcmp(both_ours.below, guard, BOTH_GUARD) == 0 &&
	    memcmp(both_ours.above, guard, BOTH_GUARD) == 0 &&
	    memcmp(both_ours.behind, guard, BOTH_GUARD) == 0;
}

static inline bool
both_consume(const unsigned char *bytes, size_t length)
{
	static struct consumer consumer = {
		.device = both_ours.device, .capacity = STREAMS_DEVICE, .hashes = both_ours.hashes,
	};
	static int fd = -1;
	bool ok;

	if (fd == -1)
		fd = memfd_create("stream", MFD_CLOEXEC);
	if (ftruncate(fd, 0) != 0 || !pwrite_full(fd, bytes, length, 0) || lseek(fd, 0, SEEK_SET) != 0)
		err(2, "memfd");
	ok = consume(&consumer, fd);
	both_error = consumer.error;
	return ok;
}

/* 1 good, 0 refused, -1 with both_wrong set. */
static inline int
both_read(const unsigned char *bytes, size_t length)
{
	struct oracle oracle = {
		.device = both_theirs.device, .capacity = STREAMS_DEVICE, .hashes = both_theirs.hashes,
	};
	const char *wrong = "";
	bool ok, expected;

	both_prepare();
	ok = both_consume(bytes, length);
	expected = oracle_read(&oracle, bytes, length);
	if (ok != expected)
		wrong = ok ? "accepted, though the oracle refuses it" : "refused, though the oracle accepts it";
	else if (ok == both_error.set)
		wrong = "an error does not go with the result";
	else if (strpbrk(both_error.text, "\n\r\033") != NULL)
		wrong = "the message is no plain line";
	else if (!both_guards_hold())
		wrong = "bytes beside the device were written";
	else if (memcmp(&both_ours, &both_theirs, sizeof(both_ours)) != 0)
		wrong = "the devices differ";
	snprintf(both_wrong, sizeof(both_wrong), "%s (\"%s\", %s)", wrong, both_error.text, oracle.why);
	return *wrong != '\0' ? -1 : ok;
}

#endif
