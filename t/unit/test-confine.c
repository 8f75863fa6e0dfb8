/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/confine.h"
#include "check.h"

/* The version of Landlock that this kernel has, or -1; -1 as well if it is built out. */
static long version;

/* What is tried in a child: nothing gives back what was given up. */
static void
in_child(void (*test)(void))
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		check_failures = 0;
		test();
		_exit(check_failures > 0);
	}
	CHECK(child > 0 && waitpid(child, &status, 0) == child);
	CHECK_NUMBER(status, 0);
}

/* errno of an open, or 0. */
static int
opens(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd == -1)
		return errno;
	close(fd);
	return 0;
}

static void
make(const char *path)
{
	CHECK_NUMBER(opens(path, O_WRONLY | O_CREAT), 0);
}

/* EACCES where the kernel can refuse. */
static int
refused(void)
{
	return version > 0 ? EACCES : 0;
}

static void
nothing_is_opened_or_made_or_removed_or_run(void)
{
	char *const no_arguments[] = { (char *)"true", NULL };
	int before = open("file", O_RDWR | O_CLOEXEC);

	CHECK(confine_wholly() == (version > 0));

	CHECK_NUMBER(opens("file", O_RDONLY), refused());
	CHECK_NUMBER(opens("file", O_WRONLY), refused());
	CHECK_NUMBER(opens("new", O_WRONLY | O_CREAT), refused());
	CHECK_NUMBER(opens(".", O_RDONLY | O_DIRECTORY), refused());
	CHECK_NUMBER(opens("/proc/self/maps", O_RDONLY), refused());
	if (version > 0) {
		CHECK(unlink("file") == -1 && errno == EACCES);
		CHECK(mkdir("folder", 0700) == -1 && errno == EACCES);
		CHECK(execv("/bin/true", no_arguments) == -1 && errno == EACCES);
		CHECK_NUMBER(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
	}
	/* What is open is not touched. */
	CHECK_NUMBER(write(before, "abc", 3), 3);
	CHECK_NUMBER(ftruncate(before, 1), 0);
}

static void
all_is_read_and_nothing_written(void)
{
	CHECK(confine_reading() == (version > 0));

	CHECK_NUMBER(opens("file", O_RDONLY), 0);
	CHECK_NUMBER(opens(".", O_RDONLY | O_DIRECTORY), 0);
	CHECK_NUMBER(opens("/proc/self/maps", O_RDONLY), 0);
	CHECK_NUMBER(opens("file", O_RDWR), refused());
	CHECK_NUMBER(opens("new", O_WRONLY | O_CREAT), refused());
}

static void
what_a_rule_names_is_allowed_and_its_neighbour_is_not(void)
{
	const struct confine_rule rules[] = {
		{ "link", CONFINE_READ | CONFINE_WRITE }, { "sub/made", CONFINE_CREATE },
		{ "other/made", CONFINE_REMOVE }, { "not-there", CONFINE_WRITE }, { NULL, CONFINE_READ },
		{ "/proc", CONFINE_READ },
	};

	CHECK(confine_paths(rules, sizeof(rules) / sizeof(*rules)) == (version > 0));

	CHECK_NUMBER(opens("file", O_RDWR), 0);
	CHECK_NUMBER(opens("link", O_RDONLY), 0);
	CHECK_NUMBER(opens("/proc/self/maps", O_RDONLY), 0);
	CHECK_NUMBER(opens("sub/made", O_RDWR | O_CREAT | O_EXCL), 0);
	CHECK_NUMBER(opens("sub", O_RDONLY | O_DIRECTORY), 0);
	CHECK_NUMBER(opens("sub/made", O_RDONLY), 0);
	CHECK_NUMBER(unlink("sub/made"), 0);
	CHECK_NUMBER(opens("second", O_RDONLY), refused());
	CHECK_NUMBER(opens("new", O_RDWR | O_CREAT), refused());
	CHECK_NUMBER(opens("other/new", O_RDWR | O_CREAT), refused());
	CHECK_NUMBER(opens("other/made", O_RDONLY), refused());
	CHECK_NUMBER(unlink("other/made"), 0);
}

/* The second set of rules cannot give back what the first gave up. */
static void
both_of_two_sets_hold(void)
{
	const struct confine_rule rule = { "file", CONFINE_READ | CONFINE_WRITE };

	confine_reading();
	confine_paths(&rule, 1);

	CHECK_NUMBER(opens("file", O_RDONLY), 0);
	CHECK_NUMBER(opens("file", O_RDWR), refused());
	CHECK_NUMBER(opens("second", O_RDONLY), refused());
}

static void *
open_file(void *unused)
{
	(void)unused;
	return (void *)(intptr_t)opens("file", O_RDONLY);
}

static void
threads_that_come_later_are_confined_too(void)
{
	pthread_t thread;
	void *number = NULL;

	confine_wholly();

	CHECK(pthread_create(&thread, NULL, open_file, NULL) == 0 && pthread_join(thread, &number) == 0);
	CHECK_NUMBER((intptr_t)number, refused());
}

static void
no_other_process_is_looked_into(void)
{
	char path[64], name[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/2", (int)getppid());
	CHECK(readlink(path, name, sizeof(name)) > 0);
	confine_reading();

	CHECK((readlink(path, name, sizeof(name)) == -1 ? errno : 0) == refused());
	CHECK(readlink("/proc/self/fd/2", name, sizeof(name)) > 0);
}

int
main(void)
{
	char folder[] = "/tmp/test-confine.XXXXXX";
	int status;

	version = syscall(444, NULL, 0, 1);
#ifdef UNCONFINED
	version = -1;
#endif
	CHECK(mkdtemp(folder) != NULL && chdir(folder) == 0);
	CHECK(mkdir("sub", 0700) == 0 && mkdir("other", 0700) == 0);
	make("file");
	make("second");
	make("other/made");
	CHECK(symlink("file", "link") == 0);

	in_child(nothing_is_opened_or_made_or_removed_or_run);
	in_child(all_is_read_and_nothing_written);
	in_child(what_a_rule_names_is_allowed_and_its_neighbour_is_not);
	in_child(both_of_two_sets_hold);
	in_child(threads_that_come_later_are_confined_too);
	in_child(no_other_process_is_looked_into);
	/* It held in the children alone. */
	CHECK_NUMBER(opens("second", O_RDWR), 0);

	if (fork() == 0) {
		execlp("rm", "rm", "-rf", folder, NULL);
		_exit(1);
	}
	wait(&status);
	return check_done();
}
