/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * line: composes the one line that shows a transfer.  Pure, for progress and for blkmeter.
 */
#ifndef LINE_H
#define LINE_H

#include <stddef.h>
#include <stdint.h>

#define LINE_UNKNOWN	UINT64_MAX

/* Any line fits in so many bytes, with its final 0. */
#define LINE_SIZE	8192

struct line_view {
	const char *name;	/* "writing", or the name that the user gave; NULL for none */
	uint64_t done, total;	/* logical bytes; total may be LINE_UNKNOWN */
	uint64_t wire;		/* bytes on the pipe; LINE_UNKNOWN if the same or not known */
	uint64_t data, zero;	/* bytes of a stream that are data, and holes; both 0 if not known */
	double elapsed;		/* seconds */
	double eta;		/* seconds; below 0 if not known */
	double rate;		/* bytes a second, now; below 0 if not known yet */
	double wire_rate;
};

/*
 * Put the line in out, at most width columns and without a newline.  On a narrow line
 * percent, bar, ETA and so on are left out one by one; width 0 is a line for a log: no
 * limit, and no bar.  Returns out.
 */
char *line_render(char *out, size_t size, unsigned width, const struct line_view *);

/* "1:02:03", "12d 03:04"; "--:--" if not known (negative).  16 bytes are enough. */
char *line_time(char *out, size_t size, double seconds);

/* "30% holes", of data and zeros; empty if none were seen.  16 bytes are enough. */
char *line_holes(char *out, size_t size, uint64_t data, uint64_t zero);

/*
 * "2.1:1 compressed": bytes of data to those in the pipe; empty if they are about the same, or
 * not known.  32 bytes are enough.
 */
char *line_packed(char *out, size_t size, uint64_t data, uint64_t wire);

/* Percent done, rounded down; total must be known. */
unsigned line_percent(uint64_t done, uint64_t total);

/* Columns that a line of UTF-8 takes. */
unsigned line_columns(const char *text);

/* Columns of the terminal at fd; if it does not say, of COLUMNS, or 80. */
unsigned line_width(int fd);

#endif
