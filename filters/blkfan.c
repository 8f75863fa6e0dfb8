/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * blkfan: deal the records of a block stream to several commands, each a connection.
 *
 * Success means that the stream was whole, that each command took its share to the end, and
 * that all of them ended with 0.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arguments.h"
#include "base/confine.h"
#include "base/error.h"
#include "base/io.h"
#include "base/size.h"
#include "fan/fan.h"
#include "help/help.h"
#include "show/warn.h"

#define LANES	4		/* without -n */

/* The status of ssh(1) when it failed; it has printed the reason, as filters do that end with 2. */
#define SSH_FAILED	255

extern char **environ;

struct options {
	unsigned lanes;
	bool verbose;
};

struct command {
	pid_t pid;
	bool running;
	int status;			/* of waitpid */
};

static void parse_options(struct options *, int, char **);
static int start(struct command *, unsigned, char **);
static void wait_for_all(struct fan *, struct command *, unsigned);
static int worst(struct command *, unsigned, const char *);
static void say_shares(const struct fan *);

int
main(int argc, char **argv)
{
	/* Static: threads may use them until the process has gone. */
	static struct fan fan;
	static struct input input;
	static struct command commands[LANE_MAX];
	struct options options = { .lanes = LANES };
	struct error error = { 0 };
	int fds[LANE_MAX], status, failed = -1;
	bool whole;
	unsigned i;

	if (!io_claim_standard())
		err(2, "/dev/null");
	parse_options(&options, argc, argv);
	argv += optind;
	if (isatty(STDIN_FILENO))
		errx(2, "standard input: a terminal, not a block stream");
	input_open(&input, STDIN_FILENO, -1, "standard input");
	if (!fan_open(&fan, &input, &error))
		errx(2, "%s", error.text);
	for (i = 0; i < options.lanes; i++)
		fds[i] = start(&commands[i], i + 1, argv);
	(void)confine_wholly();
	signal(SIGPIPE, SIG_IGN);	/* a command that ends is an error of its lane */
	if (!fan_start(&fan, fds, options.lanes, &error))
		errx(2, "%s", error.text);
	wait_for_all(&fan, commands, options.lanes);
	status = worst(commands, options.lanes, argv[0]);
	/* A thread that still waits for input is not waited for. */
	whole = fan_ended(&fan) && fan_finish(&fan, &failed, &error);
	if (error.set && failed == -1)
		errx(status > 2 ? status : 2, "%s", error.text);
	/* Else a command that failed has said why it takes no more. */
	if (!whole && status == 0)
		errx(2, "%s ended before the stream did", argv[0]);
	if (options.verbose)
		say_shares(&fan);
	return status;
}

static void
parse_options(struct options *options, int argc, char **argv)
{
	static const struct option names[] = {
		{ "lanes", required_argument, NULL, 'n' },
		{ "verbose", no_argument, NULL, 'v' },
		HELP_NAMES,
		{ NULL, 0, NULL, 0 }
	};
	struct error error = { 0 };
	int option;

	/* The options of the command are its own. */
	while ((option = getopt_long(argc, argv, "+n:v" HELP_LETTERS, names, NULL)) != -1)
		switch (option) {
		case 'n':
			if (!argument_jobs(optarg, &options->lanes, &error))
				errx(2, "-n %s: the number of lanes, 1 to %d", optarg, LANE_MAX);
			break;
		case 'v': options->verbose = true; break;
		default:
			exit(help_answer(&help_blkfan, option));
		}
	if (optind == argc)
		help_errx(&help_blkfan, "which command? name the one that takes a lane: ssh new blkwrite /dev/vg/web");
}

/* Start the command with a pipe as its standard input; returns the end to write to. */
static int
start(struct command *command, unsigned lane, char **argv)
{
	posix_spawn_file_actions_t actions;
	char number[16];
	int ends[2];

	snprintf(number, sizeof(number), "%u", lane);
	if (setenv("BLKFAN_LANE", number, 1) == -1)
		err(2, "environment");
	if (pipe2(ends, O_CLOEXEC) == -1)
		err(2, "pipe");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
	errno = posix_spawnp(&command->pid, argv[0], &actions, NULL, argv, environ);
	if (errno != 0)
		err(errno == ENOENT ? 127 : 126, "%s", argv[0]);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[0]);
	command->running = true;
	return ends[1];
}

/*
 * Once a command ends before the stream does the others get no more of it.  After END a
 * command's status is not the others' concern: they may still have some of their share.
 */
static void
wait_for_all(struct fan *fan, struct command *commands, unsigned count)
{
	unsigned left = count, i;
	int status;
	pid_t pid;

	while (left > 0) {
		pid = wait(&status);
		if (pid == -1 && errno != EINTR)
			err(2, "wait");
		for (i = 0; i < count; i++)
			if (commands[i].running && commands[i].pid == pid) {
				commands[i].running = false;
				commands[i].status = status;
				left--;
				if (!fan_complete(fan))
					fan_cut(fan);
			}
	}
}

/* The worst status; and a line about a command that cannot have said why it failed. */
static int
worst(struct command *commands, unsigned count, const char *name)
{
	bool said = false;
	int status, worst = 0;
	unsigned i;

	for (i = 0; i < count; i++) {
		bool killed = WIFSIGNALED(commands[i].status);

		bool silent;

		status = killed ? 2 : WEXITSTATUS(commands[i].status);
		silent = killed || (status != 0 && status != 2 && status != SSH_FAILED);
		if (killed && !said)
			warnx("lane %u of %u: %s was killed: %s", i + 1, count, name,
			    strsignal(WTERMSIG(commands[i].status)));
		else if (silent && !said)
			warnx("lane %u of %u: %s ended with status %d", i + 1, count, name, status);
		said = said || silent;
		worst = status > worst ? status : worst;
	}
	return worst;
}

static void
say_shares(const struct fan *fan)
{
	char bytes[16];
	unsigned i;

	for (i = 0; i < fan->count; i++) {
		size_format(bytes, sizeof(bytes), fan->lanes[i].bytes);
		warnx("lane %u of %u: %ju records, %s", i + 1, fan->count,
		    (uintmax_t)fan->lanes[i].records, bytes);
	}
}
