/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * io: whole reads and writes on file descriptors.
 *
 * EINTR is retried everywhere.  Lengths are bytes.  All functions set errno and
 * may be called from any thread.
 */
#ifndef IO_H
#define IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* The size that every pipe is widened to: the most that an ordinary process may ask for. */
#define IO_PIPE_SIZE	(1 << 20)

/* Like pread(2), but short only at end of file. */
ssize_t pread_full(int fd, void *data, size_t length, uint64_t offset);

/* A write that returns 0 is ENOSPC. Waits on a descriptor that is set to O_NONBLOCK. */
bool write_full(int fd, const void *data, size_t length);
bool pwrite_full(int fd, const void *data, size_t length, uint64_t offset);

/* Changes the vector. */
bool writev_full(int fd, struct iovec *vector, int count);

/* Widen fd if it is a pipe; not being allowed to is no error. */
void pipe_widen(int fd);

/*
 * Open /dev/null on each of 0, 1 and 2 that is closed, in a mode in which its use fails: a
 * file opened later must never become standard output.
 */
bool io_claim_standard(void);

/*
 * Before anything is printed: each line on standard output leaves when it is complete, in one
 * write(2), so that lines of several processes do not mix.  (A pipe takes 4096 bytes at once.)
 */
void io_print_lines(void);

/*
 * Flush the folder that contains path: only then is a new name on the medium.  False with
 * errno set.
 */
bool io_flush_folder(const char *path);

/*
 * Bytes from the offset of a regular file or a block device to its end.  UINT64_MAX of
 * anything else, or if there are none.
 */
uint64_t io_bytes_left(int fd);

/* Page-aligned memory.  NULL with errno set; free(3) ends it. */
void *buffer_create(size_t size);

/* True if all bytes are zero. */
bool bytes_are_zero(const void *data, size_t length);

/* Seconds on the monotonic clock. */
double clock_seconds(void);

#endif
