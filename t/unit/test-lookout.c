/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/confine.h"
#include "device/lookout.h"
#include "check.h"

static char path[] = "/tmp/test-lookout.XXXXXX";

struct holder {
	pid_t pid;
	int stop;		/* it ends when this is closed: a confined process cannot kill it */
};

/* A process that has the file open for writing; it says so by a byte. */
static struct holder
start_holder(void)
{
	int said[2], stop[2];
	struct holder holder;
	char byte;

	check_pipe(said);
	check_pipe(stop);
	holder.pid = fork();
	if (holder.pid == 0) {
		int fd = open(path, O_WRONLY);

		close(stop[1]);
		(void)!write(said[1], "x", fd != -1);
		(void)!read(stop[0], &byte, 1);
		_exit(0);
	}
	close(stop[0]);
	close(said[1]);
	CHECK(read(said[0], &byte, 1) == 1);
	close(said[0]);
	holder.stop = stop[1];
	return holder;
}

static void
end_holder(const struct holder *holder)
{
	close(holder->stop);
	CHECK(waitpid(holder->pid, NULL, 0) == holder->pid);
}

static void
look(const struct lookout *lookout, struct holders *found)
{
	struct stat status;

	CHECK(stat(path, &status) == 0);
	lookout_find(lookout, found, &status, 0, UINT64_MAX, HOLDERS_OF_TARGET);
}

/* What the parent itself has open is not counted, and the child has it open no more. */
static void
another_process_is_seen_by_a_confined_one_and_itself_is_not(void)
{
	int own = open(path, O_RDWR | O_CLOEXEC);
	struct lookout lookout;
	struct holders found;
	char name[32];
	struct holder holder;

	lookout_start(&lookout);
	CHECK(lookout.socket != -1);
	holder = start_holder();
	(void)confine_wholly();

	look(&lookout, &found);

	CHECK(found.held.set && !found.unseen.set);
	snprintf(name, sizeof(name), "(process %d)", (int)holder.pid);
	CHECK(strstr(found.held.text, name) != NULL);
	end_holder(&holder);
	look(&lookout, &found);
	CHECK(!found.held.set);
	close(lookout.socket);
	CHECK(wait(NULL) != -1);
	close(own);
}

static void
a_child_that_has_gone_is_said(void)
{
	struct lookout lookout;
	struct holders found;

	lookout_start(&lookout);
	CHECK(shutdown(lookout.socket, SHUT_RDWR) == 0 && wait(NULL) != -1);

	look(&lookout, &found);

	CHECK(!found.held.set);
	CHECK_TEXT(found.unseen.text, "the process that looks at the open files of others has ended");
	close(lookout.socket);
}

static void
without_a_child_it_looks_itself(void)
{
	struct lookout none = { .socket = -1 };
	struct holders found;
	struct holder holder = start_holder();

	look(&none, &found);

	CHECK(found.held.set);
	end_holder(&holder);
}

int
main(void)
{
	int fd = mkstemp(path);

	CHECK(fd != -1);
	close(fd);
	a_child_that_has_gone_is_said();
	without_a_child_it_looks_itself();
	if (fork() == 0) {
		another_process_is_seen_by_a_confined_one_and_itself_is_not();
		_exit(check_failures > 0);
	}
	wait(&fd);
	CHECK_NUMBER(fd, 0);
	unlink(path);
	return check_done();
}
