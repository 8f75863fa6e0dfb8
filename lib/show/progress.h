/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * progress: what a long transfer shows, and the signals that end or question it.
 *
 * One a process.  One thread draws, another waits for signals; the counters are atomic
 * and may be moved from any thread.  Several filters of one pipeline share a terminal: the
 * one that holds the lock on it (fcntl(2), byte 0 of the terminal's node) draws, the others
 * stay silent until it is free.  Nothing is drawn from the background.  Where stderr takes
 * no bytes a line is left out: the transfer never waits for its display, and never dies
 * with it.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROGRESS_UNKNOWN	UINT64_MAX

/* Bytes that any line fits in, with its final 0. */
#define PROGRESS_LINE		8192

struct progress_options {
	const char *program;	/* "blkwrite", before every line */
	bool lines;		/* where stderr is no terminal, print a line each interval */
	bool redraw;		/* redraw one line, even where stderr is no terminal */
	bool plain;		/* print a line each interval, even where it is one */
	bool quiet;		/* show nothing but what USR1 asks for */
	bool claim;		/* take the terminal before others do, not only to draw */
	double delay;		/* seconds before anything is shown: 2 */
	double interval;	/* seconds between redraws: 1 */

	/*
	 * Render the line in place of progress itself, which then needs no phases: at
	 * most width columns, 0 for no limit.  Called on the thread of progress, and by
	 * progress_show, never twice at once.
	 */
	void (*render)(void *context, char *out, size_t size, unsigned width);

	/*
	 * Called before the process dies by the signal, which waits for it: finish what must
	 * not be left half done.  It writes nothing to stderr.  True: print text, "program: "
	 * before it, or the line as it stands where text was left empty.
	 */
	bool (*on_signal)(void *context, int signal, char *text, size_t size);

	void *context;		/* passed to both; either may be NULL */
};

/*
 * Take INT, TERM, HUP and USR1 (signals.h), and start the thread that draws.  Call it
 * before any other thread is made.  USR1 prints a line.  INT, TERM and HUP call on_signal,
 * end the line that is drawn, print what on_signal wants, and end the process by the
 * signal: at most SIGNALS_PATIENCE seconds later, also where stderr takes no bytes.
 * False with errno set.
 */
bool progress_start(const struct progress_options *);

/* A new phase: what is done ("writing", "verifying"), how many bytes of it there are. */
void progress_phase(const char *what, uint64_t total);

/* The total, where it becomes known later. */
void progress_total(uint64_t total);

/* That many bytes more are done. */
void progress_add(uint64_t bytes);

/* Bytes done in this phase. */
uint64_t progress_done(void);

/* Print "program: text" like warnx(3), on a line of its own whatever is drawn. */
void progress_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Print the line as it stands now, on a line of its own: what USR1 does, but it waits up
 * to a second for a stderr that takes no bytes.
 */
void progress_show(void);

/*
 * Around output to what may be the same terminal: the line is taken away, and none is
 * drawn or printed before progress_resume but what is asked for.
 */
void progress_pause(void);
void progress_resume(void);

/*
 * Take the line away, leave the terminal to others and stop the thread; nothing is
 * drawn afterwards, and the signals act as they did before progress_start.  On the
 * thread that called progress_start; may be called twice.
 */
void progress_stop(void);

/*
 * What stands on one line.  Pure: used by progress itself and by blkmeter.
 */
struct progress_view {
	const char *name;	/* "writing", or what the user called it; NULL for none */
	uint64_t done, total;	/* logical bytes; total may be PROGRESS_UNKNOWN */
	uint64_t wire;		/* bytes on the pipe; PROGRESS_UNKNOWN where the same or not known */
	double elapsed;		/* seconds */
	double eta;		/* seconds; less than 0 where not known */
	double rate;		/* bytes a second, now; less than 0 where not known yet */
	double wire_rate;
};

/*
 * The line, at most width columns and without a newline, in out.  Percent, bar, ETA
 * and the like give way one by one where the line is narrow; width 0 is a line for a
 * log: no limit, and no bar.  Returns out.
 */
char *progress_render(char *out, size_t size, unsigned width, const struct progress_view *);

/* "1:02:03", "12d 03:04"; "--:--" where not known (negative).  16 bytes are enough. */
char *progress_time(char *out, size_t size, double seconds);

/* "2.9:1": logical to wire bytes.  16 bytes are enough. */
char *progress_ratio(char *out, size_t size, uint64_t done, uint64_t wire);

/* Whole percent that are done, rounded down; total must be known. */
unsigned progress_percent(uint64_t done, uint64_t total);

/* Columns that a line of UTF-8 takes. */
unsigned progress_columns(const char *text);

/* Columns of the terminal at fd; what COLUMNS says, or 80, where it does not say. */
unsigned progress_width(int fd);

#endif
