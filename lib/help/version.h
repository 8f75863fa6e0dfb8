/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * version: the program's version, and the libraries it was built with.
 *
 * make passes the version, which only the head of the Makefile states, and the commit.
 */
#ifndef VERSION_H
#define VERSION_H

#include <stddef.h>

#define VERSION_SIZE	1024

/* Put the lines of --version in out; VERSION_SIZE bytes are enough.  Returns out. */
char *version_text(char *out, size_t size);

#endif
