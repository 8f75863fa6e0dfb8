/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * signals: a thread for the signals that end the process or ask for its state.
 *
 * INT, TERM and HUP end the process by that signal, as they end any filter.  Before that,
 * finish completes whatever must not be left half done, and farewell writes a last message.
 * stderr may take no bytes: a full pipe, or a terminal stopped by Ctrl-S. So this thread
 * writes nothing while it waits for signals; and once one has come, the message gets
 * SIGNALS_PATIENCE seconds.  Then a timer ends the process by the signal, even if its
 * threads are blocked.
 *
 * One per process.
 */
#ifndef SIGNALS_H
#define SIGNALS_H

#include <stdbool.h>

#define SIGNALS_PATIENCE	1

struct signals_ops {
	void (*asked)(void);		/* USR1 came.  Must not block. */
	void (*finish)(int signal);	/* may take its time; must not write to stderr */
	void (*farewell)(void);		/* writes the last message; may be cut short */
};

/*
 * Block INT, TERM, HUP and USR1 in this thread and those created later, and start the
 * thread that receives them.  A signal that was ignored stays ignored, as under nohup(1).
 * Call it before any other thread is created.  False with errno set.
 */
bool signals_start(const struct signals_ops *);

/* A thread that writes to stderr calls this first: a broken stderr must not end the process. */
void signals_block_pipe(void);

/*
 * When the reader of our output is gone: end as a write to it would have ended us.  Returns
 * only where our parent had SIGPIPE ignored.
 */
void signals_raise_pipe(void);

/* End the thread; the signals act as they did before.  On the thread that started it. */
void signals_stop(void);

#endif
