/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <sys/socket.h>

#include "device/claim.h"
#include "disk.h"

/* Tests with mounted or attached devices are in t/filters/blkwrite.bats. */

static struct stat status;

static int
claim(const char *path)
{
	error = (struct error){ 0 };
	return claim_open(path, &status, &error);
}

static int
new_file(void)
{
	int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd == -1)
		err(2, "%s", name);
	return fd;
}

static void
only_files_and_block_devices_are_opened(void)
{
	int fd;

	CHECK_NUMBER(claim(name), -1);
	CHECK_NUMBER(error.number, ENOENT);
	CHECK_NUMBER(claim(folder), -1);
	CHECK_NUMBER(error.number, EISDIR);
	CHECK_NUMBER(claim("/dev/zero"), -1);
	CHECK_TEXT(error.text, "/dev/zero: neither a block device nor a regular file");
	if (mkfifo(name, 0600) != 0)
		err(2, "%s", name);
	CHECK_NUMBER(claim(name), -1);
	CHECK(strstr(error.text, ": neither a block device nor a regular file") != NULL);
	unlink(name);

	close(new_file());
	fd = claim(name);
	CHECK(fd != -1 && !error.set && S_ISREG(status.st_mode));
	CHECK(write(fd, "x", 1) == 1 && lseek(fd, 0, SEEK_SET) == 0);
	CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	close(fd);
}

/* Each row: a lock that another process holds, and whether we get ours. */
static void
a_lock_of_qemu_is_noticed(void)
{
	static const struct { short type; off_t start, length; bool given; } cases[] = {
		{ F_RDLCK, 101, 1, false }, { F_RDLCK, 201, 1, false }, { F_WRLCK, 100, 200, false },
		{ F_RDLCK, 299, 1, false }, { F_WRLCK, 0, 0, false }, { F_WRLCK, 0, 100, true },
		{ F_WRLCK, 300, 0, true }, { F_UNLCK, 0, 0, true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int ours = new_file(), theirs = new_file();
		struct flock lock = {
			.l_type = cases[i].type, .l_whence = SEEK_SET, .l_start = cases[i].start,
			.l_len = cases[i].length
		};

		error = (struct error){ 0 };
		CHECK(fcntl(theirs, F_OFD_SETLK, &lock) == 0);
		CHECK(claim_image_lock(ours, "disk", &error) == cases[i].given);
		CHECK_TEXT(error.text, cases[i].given ? "" :
		    "disk: in use: a running QEMU or another blkwrite holds its image lock");
		close(theirs);
		close(ours);
	}
}

static void
the_lock_is_held_until_the_file_is_closed(void)
{
	int first = new_file(), second = new_file();

	error = (struct error){ 0 };
	CHECK(claim_image_lock(first, "disk", &error));
	CHECK(!claim_image_lock(second, "disk", &error));
	close(first);
	error = (struct error){ 0 };
	CHECK(claim_image_lock(second, "disk", &error));
	close(second);
}

static void
a_descriptor_without_locks_is_let_pass(void)
{
	int ends[2];

	error = (struct error){ 0 };
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
		err(2, "socketpair");
	CHECK(claim_image_lock(ends[0], "disk", &error) && !error.set);
	close(ends[0]);
	close(ends[1]);
}

static void
the_file_on_standard_input_is_refused(void)
{
	int fd = new_file(), ends[2];
	char other[80];

	error = (struct error){ 0 };
	CHECK(fstat(fd, &status) == 0 && dup2(fd, STDIN_FILENO) == STDIN_FILENO);
	CHECK(!claim_not_input(&status, "disk", &error));
	CHECK_TEXT(error.text, "disk: standard input reads from it");
	snprintf(other, sizeof(other), "%s/link", folder);
	CHECK(link(name, other) == 0 && stat(other, &status) == 0);
	error = (struct error){ 0 };
	CHECK(!claim_not_input(&status, other, &error));

	check_pipe(ends);
	CHECK(dup2(ends[0], STDIN_FILENO) == STDIN_FILENO);
	error = (struct error){ 0 };
	CHECK(claim_not_input(&status, "disk", &error));
	close(ends[0]);
	close(ends[1]);
	unlink(name);
	close(fd);
	fd = new_file();
	CHECK(dup2(fd, STDIN_FILENO) == STDIN_FILENO);
	CHECK(claim_not_input(&status, "disk", &error));
	close(fd);
	unlink(other);
}

static void
a_file_that_no_loop_device_shows_is_let_pass(void)
{
	int fd = new_file();

	error = (struct error){ 0 };
	CHECK(fstat(fd, &status) == 0 && claim_unattached(&status, "disk", &error));
	CHECK(!error.set);
	close(fd);
}

int
main(void)
{
	disk_folder();
	only_files_and_block_devices_are_opened();
	a_lock_of_qemu_is_noticed();
	the_lock_is_held_until_the_file_is_closed();
	a_descriptor_without_locks_is_let_pass();
	the_file_on_standard_input_is_refused();
	a_file_that_no_loop_device_shows_is_let_pass();
	return disk_done();
}
