/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * progress: the display of a long transfer, and the signals that end it or ask for its
 * state.
 *
 * One per process.  One thread draws, another waits for signals; the counters are atomic and
 * may be changed by any thread.  Several filters of one pipeline share a terminal: the one
 * that holds the lock on it (fcntl(2), byte 0 of the terminal's node) draws, the others
 * stay silent until it is free.  What other programs print begins on a line of its own, below the
 * drawn one.  Nothing is drawn from the background.  If stderr takes no
 * bytes, a line is left out: the transfer never waits for its display, and never dies with
 * it.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROGRESS_UNKNOWN	UINT64_MAX

struct progress_options {
	const char *program;	/* "blkwrite", before every line */
	bool lines;		/* if stderr is no terminal, print a line each interval */
	bool redraw;		/* redraw one line, even if stderr is no terminal */
	bool plain;		/* print a line each interval, even if it is one */
	bool quiet;		/* show only the lines that USR1 asks for */
	bool claim;		/* take the terminal before others do, not only to draw */
	double delay;		/* seconds before anything is shown: 2 */
	double interval;	/* seconds between redraws: 1 */
	unsigned width;		/* of the terminal, if it is not to be asked; or 0 */

	/*
	 * Render the line instead of progress, which then needs no phases: at most width
	 * columns; 0 is no limit.  Called by any thread of progress, and by progress_show,
	 * but never by two at once.
	 */
	void (*render)(void *context, char *out, size_t size, unsigned width);

	/*
	 * Called before the process dies by the signal, which waits for it: finish whatever
	 * must not be left half done.  It must not write to stderr.  True: print "program: "
	 * and text, or the current line if text was left empty.
	 */
	bool (*on_signal)(void *context, int signal, char *text, size_t size);

	/*
	 * Called, before a line is rendered, with the seconds for which the process did not run: it was
	 * stopped, or so late that nothing else explains it.  Rates and times leave them out.
	 */
	void (*stopped)(void *context, double seconds);

	void *context;		/* passed to all; each may be NULL */
};

/*
 * Take INT, TERM, HUP and USR1 (signals.h), and start the thread that draws.  Call it before
 * any other thread is created.  USR1 prints a line.  INT, TERM and HUP call on_signal, end
 * the drawn line, print the message of on_signal, and end the process by the signal, at
 * most SIGNALS_PATIENCE seconds after on_signal returned, even if stderr takes no bytes.
 * False with errno set.
 */
bool progress_start(const struct progress_options *);

/* Begin a new phase: its name ("writing", "verifying"), and its total of bytes. */
void progress_phase(const char *what, uint64_t total);

/* Set the total, if it becomes known later. */
void progress_total(uint64_t total);

/* Count bytes as done. */
void progress_add(uint64_t bytes);

/* Bytes done in this phase. */
uint64_t progress_done(void);

/* Print "program: text" like warnx(3), on a line of its own even if a line is drawn. */
void progress_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Print the current line, on a line of its own, as USR1 does; but wait up to a second for a
 * stderr that takes no bytes.
 */
void progress_show(void);

/*
 * Call these around output that may go to the same terminal: the line is taken away, and
 * until progress_resume only USR1 and progress_show print one.
 */
void progress_pause(void);
void progress_resume(void);

/*
 * Take the line away, leave the terminal to others and stop both threads; nothing is drawn
 * afterwards, and the signals act as they did before progress_start.  On the thread that
 * called progress_start; may be called twice.
 */
void progress_stop(void);

#endif
