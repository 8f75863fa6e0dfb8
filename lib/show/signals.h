/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * signals: a thread of its own for the signals that end the process or question it.
 *
 * INT, TERM and HUP end the process by that signal, as they would any filter, but first
 * what must not be left half done is finished, and a last message is written.  stderr may
 * take no bytes: a full pipe, a terminal stopped by Ctrl-S.  So this thread writes nothing
 * as long as it waits for signals, and once one has come, the message has SIGNALS_PATIENCE
 * seconds; then a timer ends the process by the signal, whatever its threads wait for.
 *
 * One a process.
 */
#ifndef SIGNALS_H
#define SIGNALS_H

#include <stdbool.h>

#define SIGNALS_PATIENCE	1

struct signals_ops {
	void (*asked)(void);		/* USR1 came.  Must not block. */
	void (*finish)(int signal);	/* may take the time that it needs, and writes nothing */
	void (*farewell)(void);		/* writes the last message; may be cut short */
};

/*
 * Block INT, TERM, HUP and USR1 in this thread and those made later, and start the thread
 * that receives them.  What was ignored before stays ignored, as under nohup(1).  Call it
 * before any other thread is made.  False with errno set.
 */
bool signals_start(const struct signals_ops *);

/* End the thread; the signals act as they did before.  On the thread that started it. */
void signals_stop(void);

#endif
