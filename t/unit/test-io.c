/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/io.h"
#include "check.h"

static void
reads_end_only_at_the_end_of_the_file(void)
{
	int fd = check_file("0123456789", 10);
	char data[16];

	CHECK_NUMBER(pread_full(fd, data, 4, 3), 4);
	CHECK(memcmp(data, "3456", 4) == 0);
	CHECK_NUMBER(pread_full(fd, data, sizeof(data), 8), 2);
	CHECK_NUMBER(pread_full(fd, data, 1, 10), 0);
	CHECK(pread_full(-1, data, 1, 0) == -1 && errno == EBADF);
	close(fd);
}

static void
positioned_writes_touch_only_their_range(void)
{
	int fd = check_file("..........", 10);
	char data[10];

	CHECK(pwrite_full(fd, "abc", 3, 4));

	CHECK_NUMBER(pread_full(fd, data, 10, 0), 10);
	CHECK(memcmp(data, "....abc...", 10) == 0);
	CHECK(!pwrite_full(-1, "abc", 3, 4) && errno == EBADF);
	close(fd);
}

static void
a_full_device_is_an_error(void)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	CHECK(fd != -1);
	errno = 0;
	CHECK(!write_full(fd, "abc", 3) && errno == ENOSPC);
	errno = 0;
	CHECK(!pwrite_full(fd, "abc", 3, 0) && errno == ENOSPC);
	close(fd);
}

/* Read a pipe to its end in small odd pieces, later than it is written. */
static void *
drain(void *argument)
{
	int fd = *(int *)argument;
	unsigned char data[777];
	size_t done = 0;
	ssize_t n;

	usleep(20000);
	while ((n = read(fd, data, sizeof(data))) > 0)
		for (ssize_t i = 0; i < n; i++, done++)
			CHECK(data[i] == done % 251);
	CHECK_NUMBER(done, 1 << 20);
	return NULL;
}

static void
a_vector_is_written_completely_to_a_nonblocking_pipe(void)
{
	static unsigned char data[1 << 20];
	struct iovec vector[] = {
		{ data, 0 }, { data, 100000 }, { NULL, 0 }, { data + 100000, 1 },
		{ data + 100001, sizeof(data) - 100001 }, { NULL, 0 },
	};
	pthread_t thread;
	int ends[2];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i % 251);
	check_pipe(ends);
	fcntl(ends[1], F_SETFL, O_NONBLOCK);
	pthread_create(&thread, NULL, drain, &ends[0]);

	CHECK(writev_full(ends[1], vector, 6));

	close(ends[1]);
	pthread_join(thread, NULL);
	close(ends[0]);
}

static void
pipes_are_widened_and_files_left_alone(void)
{
	int ends[2], fd = check_file("", 0);

	check_pipe(ends);
	errno = 0;
	pipe_widen(ends[0]);
	pipe_widen(fd);
	pipe_widen(-1);

	CHECK(fcntl(ends[0], F_GETPIPE_SZ) >= IO_PIPE_SIZE);
	close(ends[0]);
	close(ends[1]);
	close(fd);
}

/* Runs in a child without standard descriptors; its exit status is the result. */
static int
claim_closed_descriptors(void)
{
	char byte;

	close(0);
	close(1);
	close(2);
	if (!io_claim_standard())
		return 1;
	if (read(0, &byte, 1) != -1 || errno != EBADF)
		return 2;
	if (write(1, "x", 1) != -1 || errno != EBADF)
		return 3;
	if (write(2, "x", 1) != -1 || errno != EBADF)
		return 4;
	return open("/dev/null", O_RDONLY) > 2 ? 0 : 5;
}

static void
closed_standard_descriptors_fail_when_used(void)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0)
		_exit(claim_closed_descriptors());
	waitpid(child, &status, 0);

	CHECK_NUMBER(status, 0);
	CHECK(io_claim_standard());
}

static void
any_byte_that_is_not_zero_is_found(void)
{
	unsigned char data[300];

	memset(data, 0, sizeof(data));
	for (size_t length = 0; length <= 200; length++) {
		for (size_t i = 0; i < length; i++) {
			data[i + 1] = 0x80;
			CHECK(!bytes_are_zero(data + 1, length));
			data[i + 1] = 0;
		}
		data[0] = data[length + 1] = 1;
		CHECK(bytes_are_zero(data + 1, length));
		data[0] = data[length + 1] = 0;
	}
}

static void
buffers_are_page_aligned(void)
{
	void *data = buffer_create(1), *empty = buffer_create(0);

	CHECK(data != NULL && (uintptr_t)data % 4096 == 0);
	CHECK(empty != NULL);
	free(data);
	free(empty);
}

static void
bytes_left_are_counted_if_there_is_an_end(void)
{
	int fd = check_file("0123456789", 10), ends[2];

	CHECK_NUMBER(io_bytes_left(fd), 10);
	CHECK(lseek(fd, 4, SEEK_SET) == 4);
	CHECK_NUMBER(io_bytes_left(fd), 6);
	CHECK_NUMBER(lseek(fd, 0, SEEK_CUR), 4);
	CHECK(lseek(fd, 10, SEEK_SET) == 10);
	CHECK_NUMBER(io_bytes_left(fd), UINT64_MAX);
	close(fd);
	check_pipe(ends);
	CHECK_NUMBER(io_bytes_left(ends[0]), UINT64_MAX);
	close(ends[0]);
	close(ends[1]);
}

static void
the_folder_of_a_path_is_flushed(void)
{
	CHECK(io_flush_folder("/tmp/any") && io_flush_folder("any") && io_flush_folder("/any"));
	errno = 0;
	CHECK(!io_flush_folder("/tmp/not-there/any"));
	CHECK_NUMBER(errno, ENOENT);
}

int
main(void)
{
	reads_end_only_at_the_end_of_the_file();
	positioned_writes_touch_only_their_range();
	a_full_device_is_an_error();
	a_vector_is_written_completely_to_a_nonblocking_pipe();
	pipes_are_widened_and_files_left_alone();
	closed_standard_descriptors_fail_when_used();
	any_byte_that_is_not_zero_is_found();
	buffers_are_page_aligned();
	bytes_left_are_counted_if_there_is_an_end();
	the_folder_of_a_path_is_flushed();
	return check_done();
}
