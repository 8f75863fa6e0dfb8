/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * holders: finds other users of a disk, under any of its names.
 *
 * The kernel refuses a block device that is claimed, and QEMU locks its images.  Neither sees a
 * QEMU that opened another node of the device, as each QEMU of libvirt does, nor a program that
 * claims and locks nothing.  So this looks at the open files of every process, in one pass over
 * /proc, for the disk's device number or inode and for those of its layers (layers.h); at the tables
 * of mounted file systems and swap; and at the disks of Xen's domains.
 *
 * A process that only reads is no holder, unless it is a QEMU and the disk is to be written.  One
 * that has opened it for writing is asked for again for a second or more, so that a program that
 * only passes by is none.  A process that serves the device (nbd) is none either, nor is one that
 * started us, and waits: a shell that keeps the target open while it calls us.
 */
#ifndef HOLDERS_H
#define HOLDERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/error.h"

enum holders_purpose {
	HOLDERS_OF_TARGET,	/* to be written: all users that would damage it, or be damaged */
	HOLDERS_OF_WRITTEN,	/* the same, when all but the first MiB was written */
	HOLDERS_OF_SOURCE	/* to be read: all processes that may write meanwhile */
};

struct holders {
	/* The holder: "qemu-system-x86_64 (process 7) holds it open for writing". */
	struct error held;

	/*
	 * Not all could be looked at, and why; set only where that matters: of a block device, and
	 * of a target file that belongs to somebody else.
	 */
	struct error unseen;
};

/*
 * Look at the bytes from start to end (UINT64_MAX: up to its end) of the file or block device of
 * that status.  Takes a second, or four for HOLDERS_OF_WRITTEN, where a process is found, else
 * milliseconds.  An error of memory is
 * said as unseen.
 */
void holders_find(struct holders *, const struct stat *, uint64_t start, uint64_t end,
    enum holders_purpose);

/* The same; own is the process that is not counted: the caller's parent, say. */
void holders_find_for(pid_t own, struct holders *, const struct stat *, uint64_t start, uint64_t end,
    enum holders_purpose);

/* The caller's number in /proc; 0: that is not the kernel's. */
pid_t holders_own(void);

#endif
