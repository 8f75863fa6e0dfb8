/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * process: what /proc says of another process.  Any thread.
 */
#ifndef PROCESS_H
#define PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * The name of its program, without the folder, at most size bytes; "a program" where that
 * cannot be known.
 */
void process_name(pid_t, char *name, size_t size);

/* The process that started it; 0: there is none, or it cannot be known. */
pid_t process_parent(pid_t);

/* Whether a process started the other, or started one that did, and so on. */
bool process_is_ancestor(pid_t ancestor, pid_t);

#endif
