/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * arguments: option values that several filters take.
 *
 * Each returns false and fills the error, which names the option and the value.
 */
#ifndef ARGUMENTS_H
#define ARGUMENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* A byte count as size_parse reads it. */
bool argument_size(const char *option, const char *value, uint64_t *bytes, struct error *);

/* -j: 1 to 64 threads. */
bool argument_jobs(const char *value, unsigned *jobs, struct error *);

/* "10", "0.5": seconds, from a tenth of one to most. */
bool argument_seconds(const char *option, const char *value, double most, double *seconds,
    struct error *);

#endif
