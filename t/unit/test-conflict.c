/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "device/conflict.h"
#include "device/lock.h"
#include "disk.h"

/* Tests with loop devices are in t/filters/both-ends.bats. */

#define MIB	(1u << 20)

static int
new_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd == -1)
		err(2, "%s", path);
	return fd;
}

/* Two descriptors of one file, by two names, and one of another file. */
static int disk, same, other;

static void
a_disk_is_known_by_any_name(void)
{
	struct identity a, b, c;
	int ends[2];

	identity_find(&a, disk, 5);
	identity_find(&b, same, 5);
	identity_find(&c, other, 5);
	CHECK(a.known && b.known && c.known);
	CHECK(memcmp(&a, &b, sizeof(a)) == 0 || a.began != b.began);
	CHECK(identity_same_disk(&a, &b) && !identity_same_disk(&a, &c));
	CHECK(a.offset == 5 && a.began != 0 && a.began <= identity_now());
	if (pipe(ends) == -1)
		err(2, "pipe");
	identity_find(&a, ends[0], 0);
	CHECK(!a.known && !identity_same_disk(&a, &a));
}

/* Each row: two ranges of one disk, and whether they share bytes. */
static void
ranges_of_one_disk_overlap_or_not(void)
{
	static const struct { uint64_t a, a_length, b, b_length; bool overlap; } rows[] = {
		{ 0, 1, 0, 1, true }, { 0, 1, 1, 1, false }, { 1, 1, 0, 1, false },
		{ 0, UINT64_MAX, 1u << 30, 1, true }, { 1, UINT64_MAX, 0, 1, false },
		{ 100, 50, 149, 1, true }, { 149, 1, 100, 50, true }, { 150, 1, 100, 50, false },
		{ UINT64_MAX, UINT64_MAX, 0, 4096, false }, { UINT64_MAX - 1, 9, UINT64_MAX, 1, true },
		{ 7, 0, 7, 0, false },
	};
	struct identity a, b;

	identity_find(&a, disk, 0);
	identity_find(&b, same, 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		a.offset = rows[i].a;
		b.offset = rows[i].b;
		CHECK_NUMBER(identity_overlaps(&a, rows[i].a_length, &b, rows[i].b_length), rows[i].overlap);
	}
	identity_find(&b, other, 0);
	a.offset = 0;
	CHECK(!identity_overlaps(&a, MIB, &b, MIB));
}

/* A process of its own holds the lock: those of whoever started us are no conflict. */
static pid_t
hold(int operation)
{
	int ends[2], fd;
	pid_t child;
	char byte;

	if (pipe(ends) == -1 || (child = fork()) == -1)
		err(2, "child");
	if (child == 0) {
		fd = open(name, O_RDWR | O_CLOEXEC);
		flock(fd, operation);
		close(disk), close(same);
		(void)!write(ends[1], "", 1);
		pause();
		_exit(0);
	}
	if (read(ends[0], &byte, 1) != 1)
		errx(2, "no lock");
	close(ends[0]);
	close(ends[1]);
	return child;
}

static void
let_go(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

/*
 * Each row: where the stream comes from, by file (d, o for another, - for not known) and
 * offset; who has locked the target (r, w or -); and what becomes of it: "" it is written, or
 * a part of the message.
 */
static void
the_disk_that_is_read_is_not_written(void)
{
	static const struct {
		const char *what;
		char from, lock;
		uint64_t offset, age;
		bool file, patch;
		const char *refusal;
	} rows[] = {
		{ "live", 'd', '-', 0, 0, false, false, "read from this very disk" },
		{ "live, locked", 'd', 'r', 0, 0, false, false, "read from this very disk" },
		{ "live, delta", 'd', 'r', 0, 0, false, true, "read from this very disk" },
		{ "started a while later", 'd', '-', 0, CONFLICT_AGE, false, false, "read from this very" },
		{ "begun long ago", 'd', '-', 0, CONFLICT_AGE + 1, false, false, "" },
		{ "begun long ago, locked", 'd', 'r', 0, CONFLICT_AGE + 1, false, false, "another program reads" },
		{ "in a file", 'd', '-', 0, 0, true, false, "" },
		{ "in a file, still read", 'd', 'r', 0, 0, true, false, "another program reads" },
		{ "another range", 'd', 'r', MIB, 0, false, false, "" },
		{ "another range, written", 'd', 'w', MIB, 0, false, false, "" },
		{ "overlapping by a byte", 'd', 'r', MIB - 1, 0, false, false, "read from this very disk" },
		{ "another disk", 'o', '-', 0, 0, false, false, "" },
		{ "another disk, locked", 'o', 'r', 0, 0, false, false, "another program reads" },
		{ "another disk's delta, locked", 'o', 'r', 0, 0, false, true, "" },
		{ "another disk's delta, written", 'o', 'w', 0, 0, false, true, "locked it for writing" },
		{ "raw", '-', '-', 0, 0, false, false, "" },
		{ "raw, locked", '-', 'r', 0, 0, false, false, "another program reads" },
		{ "raw, written", '-', 'w', 0, 0, false, false, "locked it for writing" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fd = open(name, O_RDWR | O_CLOEXEC);
		struct origin origin = { .length = MIB, .file = rows[i].file, .patch = rows[i].patch };
		struct error remark = { 0 }, forced = { 0 };
		bool good = rows[i].refusal[0] == '\0';
		pid_t child;

		check_case = rows[i].what;
		target = (struct target){ .name = name, .medium = { .fd = fd } };
		error = (struct error){ 0 };
		if (rows[i].from != '-')
			identity_find(&origin.identity, rows[i].from == 'd' ? disk : other, rows[i].offset);
		origin.started = origin.identity.began + rows[i].age;
		child = rows[i].lock == '-' ? 0 : hold(rows[i].lock == 'r' ? LOCK_SH : LOCK_EX);
		CHECK_NUMBER(conflict_free(&target, &origin, false, &remark, &error), good);
		CHECK(!remark.set && error.set == !good && strstr(error.text, rows[i].refusal) != NULL);
		CHECK(conflict_free(&target, &origin, true, &forced, &remark) && !remark.set);
		CHECK_NUMBER(forced.set, !good);
		if (child != 0)
			let_go(child);
		close(fd);
	}
	check_case = "";
}

static void
readers_share_and_a_writer_does_not(void)
{
	int a = open(name, O_RDONLY | O_CLOEXEC), b = open(name, O_RDONLY | O_CLOEXEC);
	pid_t child;

	CHECK_NUMBER(lock_for_reading(a), LOCK_OURS);
	CHECK_NUMBER(lock_for_reading(b), LOCK_OURS);
	CHECK_NUMBER(lock_for_writing(disk), LOCK_READER);
	close(a);
	close(b);
	CHECK_NUMBER(lock_for_writing(disk), LOCK_OURS);
	CHECK_NUMBER(lock_for_reading(same), LOCK_OURS);
	flock(disk, LOCK_UN);
	flock(same, LOCK_UN);
	child = hold(LOCK_EX);
	CHECK_NUMBER(lock_for_reading(same), LOCK_WRITER);
	CHECK_NUMBER(lock_for_writing(same), LOCK_WRITER);
	let_go(child);
	CHECK_NUMBER(lock_for_writing(same), LOCK_OURS);
	flock(same, LOCK_UN);
}

static void
a_file_still_to_be_made_conflicts_with_nothing(void)
{
	struct origin origin = { .length = MIB };
	struct error remark = { 0 };

	target = (struct target){ .name = name, .medium = { .fd = -1 } };
	identity_find(&origin.identity, disk, 0);
	error = (struct error){ 0 };
	CHECK(conflict_free(&target, &origin, false, &remark, &error));
}

int
main(void)
{
	char link_name[sizeof(name) + 8];

	disk_folder();
	snprintf(link_name, sizeof(link_name), "%s-2", name);
	disk = new_file(name);
	if (link(name, link_name) == -1)
		err(2, "%s", link_name);
	same = open(link_name, O_RDWR | O_CLOEXEC);
	unlink(link_name);
	other = new_file(link_name);
	a_disk_is_known_by_any_name();
	ranges_of_one_disk_overlap_or_not();
	the_disk_that_is_read_is_not_written();
	readers_share_and_a_writer_does_not();
	a_file_still_to_be_made_conflicts_with_nothing();
	unlink(link_name);
	return disk_done();
}
