/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * progress: what a long transfer shows, and the signals that end or question it.
 *
 * One a process.  A thread waits for the signals and for the next redraw; the
 * counters are atomic and may be moved from any thread.  Several filters of one
 * pipeline share a terminal: the one that holds the lock on it (fcntl(2), byte 0
 * of the terminal's node) draws, the others stay silent until it is free.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROGRESS_UNKNOWN	UINT64_MAX

struct progress_options {
	const char *program;	/* "blkwrite", before every line */
	bool lines;		/* where stderr is no terminal, print a line each interval */
	double delay;		/* seconds before anything is shown: 2 */
	double interval;	/* seconds between redraws: 1 */
};

/*
 * Block INT, TERM, HUP and USR1 in this thread and those made later, and start the
 * thread that receives them.  Call it before any other thread is made.  USR1 prints a
 * line.  INT, TERM and HUP end the line that is drawn, call on_signal (NULL for none)
 * on that thread, then the process dies by the signal.  False with errno set.
 */
bool progress_start(const struct progress_options *, void (*on_signal)(int));

/* A new phase: what is done ("writing", "verifying"), how many bytes of it there are. */
void progress_phase(const char *what, uint64_t total);

/* The total, where it becomes known later. */
void progress_total(uint64_t total);

/* That many bytes more are done. */
void progress_add(uint64_t bytes);

/* Bytes done in this phase. */
uint64_t progress_done(void);

/* Take the line away and stop the thread; nothing is drawn afterwards.  May be called twice. */
void progress_stop(void);

/*
 * What stands on one line.  Pure: used by progress itself and by blkmeter.
 */
struct progress_view {
	const char *name;	/* "writing", or what the user called it */
	uint64_t done, total;	/* logical bytes; total may be PROGRESS_UNKNOWN */
	uint64_t wire;		/* bytes on the pipe; PROGRESS_UNKNOWN where the same or not known */
	double elapsed;		/* seconds */
	double rate;		/* bytes a second, now; less than 0 where not known yet */
	double wire_rate;
};

/*
 * The line, at most width columns and without a newline, in out.  Percent, bar, ETA
 * and the like give way one by one where the line is narrow.  Returns out.
 */
char *progress_render(char *out, size_t size, unsigned width, const struct progress_view *);

/* "1:02:03", or "--:--" where not known (negative). */
char *progress_time(char *out, size_t size, double seconds);

/* Columns of the terminal at fd; 80 where it does not say. */
unsigned progress_width(int fd);

#endif
