/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/confine.h"

/*
 * The kernel's interface (include/uapi/linux/landlock.h), which is younger than the headers of
 * some systems.  The numbers are the same on every architecture but alpha.
 */
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset	444
#define SYS_landlock_add_rule		445
#define SYS_landlock_restrict_self	446
#endif

#define RULESET_VERSION	1u		/* flag of create_ruleset: ask for the version */
#define PATH_BENEATH	1		/* type of a rule */

enum access {
	ACCESS_EXECUTE = 1 << 0, ACCESS_WRITE_FILE = 1 << 1, ACCESS_READ_FILE = 1 << 2,
	ACCESS_READ_DIR = 1 << 3, ACCESS_REMOVE_DIR = 1 << 4, ACCESS_REMOVE_FILE = 1 << 5,
	ACCESS_MAKE_CHAR = 1 << 6, ACCESS_MAKE_DIR = 1 << 7, ACCESS_MAKE_REG = 1 << 8,
	ACCESS_MAKE_SOCK = 1 << 9, ACCESS_MAKE_FIFO = 1 << 10, ACCESS_MAKE_BLOCK = 1 << 11,
	ACCESS_MAKE_SYM = 1 << 12,
	ACCESS_REFER = 1 << 13,		/* version 2 */
	ACCESS_TRUNCATE = 1 << 14,	/* version 3 */
	ACCESS_IOCTL_DEV = 1 << 15	/* version 5 */
};

/* Those that a rule for something other than a folder may have. */
#define ACCESS_OF_FILES	(ACCESS_EXECUTE | ACCESS_WRITE_FILE | ACCESS_READ_FILE | \
	ACCESS_TRUNCATE | ACCESS_IOCTL_DEV)

/* A longer struct than the kernel knows is taken if the rest is zero. */
struct ruleset {
	uint64_t files;			/* that no rule allows is refused */
	uint64_t net;			/* version 4: bind and connect by TCP */
	uint64_t scoped;		/* version 6: abstract sockets, signals */
};

struct path_beneath {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

/* All that this version of the interface can refuse. */
static struct ruleset
ruleset_for(long version)
{
	struct ruleset all = { .files = ACCESS_REFER - 1 };

	if (version >= 2)
		all.files |= ACCESS_REFER;
	if (version >= 3)
		all.files |= ACCESS_TRUNCATE;
	if (version >= 4)
		all.net = 3;
	if (version >= 5)
		all.files |= ACCESS_IOCTL_DEV;
	if (version >= 6)
		all.scoped = 3;
	return all;
}

static uint64_t
rights_for(unsigned may)
{
	uint64_t rights = 0;

	if (may & CONFINE_READ)
		rights |= ACCESS_READ_FILE | ACCESS_READ_DIR | ACCESS_IOCTL_DEV;
	if (may & CONFINE_WRITE)
		rights |= ACCESS_WRITE_FILE | ACCESS_TRUNCATE | ACCESS_IOCTL_DEV;
	if (may & CONFINE_CREATE)
		rights |= ACCESS_MAKE_REG | ACCESS_REMOVE_FILE | ACCESS_READ_FILE | ACCESS_READ_DIR |
		    ACCESS_WRITE_FILE | ACCESS_TRUNCATE;
	if (may & CONFINE_REMOVE)
		rights |= ACCESS_REMOVE_FILE;
	return rights;
}

/* Open what a rule stands for: the path, or its folder.  -1: there is nothing to allow. */
static int
rule_open(const struct confine_rule *rule, bool folder)
{
	char *copy;
	int fd;

	if (!folder)
		return open(rule->path, O_PATH | O_CLOEXEC);
	copy = strdup(rule->path);
	if (copy == NULL)
		return -1;
	fd = open(dirname(copy), O_PATH | O_DIRECTORY | O_CLOEXEC);
	free(copy);
	return fd;
}

static bool
rule_add(int ruleset, const struct confine_rule *rule, unsigned may, bool folder, uint64_t handled)
{
	struct path_beneath beneath = { .allowed = rights_for(may) & handled };
	struct stat status;
	bool added;

	if (may == 0 || rule->path == NULL)
		return true;
	beneath.fd = rule_open(rule, folder);
	if (beneath.fd == -1)
		return true;
	if (fstat(beneath.fd, &status) == 0 && !S_ISDIR(status.st_mode))
		beneath.allowed &= ACCESS_OF_FILES;
	added = beneath.allowed == 0 ||
	    syscall(SYS_landlock_add_rule, ruleset, PATH_BENEATH, &beneath, 0) == 0;
	close(beneath.fd);
	return added;
}

#ifdef UNCONFINED	/* built to read or write files of the compiler's: sanitizers, coverage */

bool
confine_paths(const struct confine_rule *rules, size_t count)
{
	(void)rules, (void)count, (void)ruleset_for, (void)rule_add;
	errno = ENOSYS;
	return false;
}

bool
confine_possible(void)
{
	return false;
}

#else

/* 0 or less: there is none. */
static long
kernel_version(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, RULESET_VERSION);
}

bool
confine_possible(void)
{
	return kernel_version() > 0;
}

/* If a rule cannot be added, keep all rights, so that nothing fails that worked before. */
bool
confine_paths(const struct confine_rule *rules, size_t count)
{
	const unsigned folders = CONFINE_CREATE | CONFINE_REMOVE;
	long version = kernel_version();
	struct ruleset all = ruleset_for(version);
	bool good = version > 0;
	int ruleset, number;
	size_t i;

	if (!good)
		return false;
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0);
	if (ruleset == -1)
		return false;
	for (i = 0; good && i < count; i++)
		good = rule_add(ruleset, &rules[i], rules[i].may & ~folders, false, all.files) &&
		    rule_add(ruleset, &rules[i], rules[i].may & folders, true, all.files);
	good = good && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	    syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
	number = errno;
	close(ruleset);
	errno = number;
	return good;
}

#endif

bool
confine_reading(void)
{
	static const struct confine_rule all = { "/", CONFINE_READ };

	return confine_paths(&all, 1);
}

bool
confine_wholly(void)
{
	return confine_paths(NULL, 0);
}
