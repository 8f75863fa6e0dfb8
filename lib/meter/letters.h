/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * letters: options of pv(1) that blkmeter does not have, and what serves instead.
 */
#ifndef LETTERS_H
#define LETTERS_H

/* For getopt_long(3); with ":" behind those that take a value. */
#define LETTERS_OF_PV	"0AEIKTUXlF:H:P:R:S:d:"

/* The replacement to suggest; NULL if it is none of these letters. */
const char *letters_instead(int letter);

#endif
