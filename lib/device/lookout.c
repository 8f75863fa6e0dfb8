/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "device/lookout.h"

#ifndef SYS_close_range
#define SYS_close_range	436
#endif

struct question {
	struct stat status;
	uint64_t start, end;
	enum holders_purpose purpose;
};

/* The parent's target would be held by the child, too, and its pipes would not end. */
static void
close_from(int first)
{
	long last = sysconf(_SC_OPEN_MAX);

	if (syscall(SYS_close_range, first, ~0u, 0) == 0)
		return;
	for (; first < last; first++)
		(void)close(first);
}

static void
serve(pid_t parent)
{
	struct question question;
	struct holders answer;

	while (recv(STDIN_FILENO, &question, sizeof(question), 0) == sizeof(question)) {
		holders_find_for(parent, &answer, &question.status, question.start, question.end,
		    question.purpose);
		if (send(STDIN_FILENO, &answer, sizeof(answer), MSG_NOSIGNAL) == -1)
			return;
	}
}

/* Signals are sent to a whole pipeline; the child lives as long as its parent. */
static void
child(int socket, pid_t parent)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	if (dup2(socket, STDIN_FILENO) == STDIN_FILENO && chdir("/") == 0) {
		close_from(STDIN_FILENO + 1);
		if (send(STDIN_FILENO, "", 1, MSG_NOSIGNAL) == 1)
			serve(parent);
	}
	_exit(0);
}

void
lookout_start(struct lookout *lookout)
{
	pid_t own = holders_own();
	int ends[2];
	char byte;

	lookout->socket = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == -1)
		return;
	switch (fork()) {
	case -1:
		close(ends[0]);
		break;
	case 0:
		child(ends[1], own);
		break;
	default:
		lookout->socket = ends[0];
	}
	close(ends[1]);
	/* Until the child has closed the target, the next program would find it locked. */
	while (lookout->socket != -1 && recv(lookout->socket, &byte, 1, 0) == -1 && errno == EINTR)
		;
}

void
lookout_find(const struct lookout *lookout, struct holders *found, const struct stat *status,
    uint64_t start, uint64_t end, enum holders_purpose purpose)
{
	struct question question;
	ssize_t got;

	if (lookout->socket == -1) {
		holders_find(found, status, start, end, purpose);
		return;
	}
	memset(&question, 0, sizeof(question));
	question.status = *status;
	question.start = start;
	question.end = end;
	question.purpose = purpose;
	if (send(lookout->socket, &question, sizeof(question), MSG_NOSIGNAL) == -1)
		got = -1;
	else
		do
			got = recv(lookout->socket, found, sizeof(*found), 0);
		while (got == -1 && errno == EINTR);
	if (got == sizeof(*found))
		return;
	memset(found, 0, sizeof(*found));
	error_set(&found->unseen, "the process that looks at the open files of others has ended");
}
