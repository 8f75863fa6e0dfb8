/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/io.h"
#include "check.h"
#include "pipe/input.h"

static unsigned char bytes[100000];
static struct input input;

/* Write bytes into a pipe in pieces of odd sizes, then close it. */
static void *
trickle(void *argument)
{
	int fd = *(int *)argument;
	size_t done = 0, piece = 1;

	while (done < sizeof(bytes)) {
		size_t n = piece < sizeof(bytes) - done ? piece : sizeof(bytes) - done;

		if (!write_full(fd, bytes + done, n))
			err(2, "pipe");
		done += n;
		piece = piece * 3 % 5003 + 1;
	}
	close(fd);
	return NULL;
}

static void
looking_ahead_and_reading_give_every_byte_once(void)
{
	static unsigned char data[9000];
	const unsigned char *seen;
	pthread_t thread;
	size_t done = 0, step = 1;
	ssize_t n;
	int ends[2];

	check_pipe(ends);
	pthread_create(&thread, NULL, trickle, &ends[1]);
	input_open(&input, ends[0], -1, "pipe");
	do {
		size_t ahead = step % (INPUT_AHEAD + 1), left = sizeof(bytes) - done;

		n = input_peek(&input, ahead, &seen);
		CHECK_NUMBER(n, ahead < left ? ahead : left);
		CHECK(memcmp(seen, bytes + done, (size_t)n) == 0);
		CHECK_NUMBER(input.position, done);
		n = input_read(&input, data, step);
		CHECK_NUMBER(n, step < left ? step : left);
		CHECK(memcmp(data, bytes + done, (size_t)n) == 0);
		done += (size_t)n;
		CHECK_NUMBER(input.position, done);
		step = step * 5 % 8999 + 1;
	} while (done < sizeof(bytes));

	CHECK_NUMBER(input_read(&input, data, 10), 0);
	CHECK_NUMBER(input_peek(&input, 10, &seen), 0);
	CHECK(input.eof);
	pthread_join(thread, NULL);
	close(ends[0]);
}

static void
no_more_than_the_buffer_is_looked_at(void)
{
	const unsigned char *seen;
	int fd = check_file(bytes, sizeof(bytes));

	input_open(&input, fd, -1, "file");

	CHECK_NUMBER(input_peek(&input, INPUT_AHEAD + 1, &seen), INPUT_AHEAD);
	CHECK(memcmp(seen, bytes, INPUT_AHEAD) == 0);
	CHECK_NUMBER(input.position, 0);
	close(fd);
}

static void
a_read_of_nothing_takes_nothing(void)
{
	const unsigned char *seen;
	int fd = check_file("abc", 3);

	input_open(&input, fd, -1, "file");

	CHECK_NUMBER(input_read(&input, &(char){ 0 }, 0), 0);
	CHECK_NUMBER(input_peek(&input, 0, &seen), 0);
	CHECK_NUMBER(input_peek(&input, 3, &seen), 3);
	close(fd);
}

static void
a_failing_read_is_an_error(void)
{
	const unsigned char *seen;
	char byte;
	int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	input_open(&input, fd, -1, "directory");
	errno = 0;
	CHECK(input_read(&input, &byte, 1) == -1 && errno == EISDIR);
	errno = 0;
	CHECK(input_peek(&input, 1, &seen) == -1 && errno == EISDIR);
	errno = 0;
	CHECK(input_finish(&input, 1000) == -1 && errno == EISDIR);
	close(fd);
}

static void
silence_times_out(void)
{
	char byte;
	int ends[2];

	check_pipe(ends);
	input_open(&input, ends[0], -1, "pipe");
	input.timeout = 10;
	errno = 0;
	CHECK(input_read(&input, &byte, 1) == -1 && errno == ETIMEDOUT);

	CHECK(write(ends[1], "x", 1) == 1);
	CHECK_NUMBER(input_read(&input, &byte, 1), 1);
	CHECK(byte == 'x');
	close(ends[0]);
	close(ends[1]);
}

/* Write a byte into a pipe a little later. */
static void *
later(void *argument)
{
	usleep(20000);
	CHECK(write(*(int *)argument, "x", 1) == 1);
	return NULL;
}

static void
a_descriptor_that_does_not_block_is_waited_for(void)
{
	pthread_t thread;
	char byte = 0;
	int ends[2];

	check_pipe(ends);
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	input_open(&input, ends[0], -1, "pipe");
	pthread_create(&thread, NULL, later, &ends[1]);

	CHECK_NUMBER(input_read(&input, &byte, 1), 1);
	CHECK(byte == 'x');
	pthread_join(thread, NULL);
	close(ends[0]);
	close(ends[1]);
}

/* When the watched reader is gone, a wait ends; bytes that have arrived are still given. */
static void
nobody_is_worked_for(int watch, int gone)
{
	char byte = 0;
	int ends[2];

	check_pipe(ends);
	input_open(&input, ends[0], watch, "pipe");
	CHECK(write(ends[1], "x", 1) == 1);
	close(gone);

	CHECK_NUMBER(input_read(&input, &byte, 1), 1);
	CHECK(byte == 'x');
	errno = 0;
	CHECK(input_read(&input, &byte, 1) == -1 && errno == EPIPE);
	close(ends[0]);
	close(ends[1]);
	close(watch);
}

static void
a_wait_ends_when_the_reader_of_the_results_goes(void)
{
	int ends[2];

	check_pipe(ends);
	check_case = "pipe";
	nobody_is_worked_for(ends[1], ends[0]);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
		err(2, "socketpair");
	check_case = "socket";
	nobody_is_worked_for(ends[1], ends[0]);
	check_case = "";
}

static void
watching_a_file_or_a_closed_descriptor_does_no_harm(void)
{
	int fd = check_file("", 0), watches[] = { fd, 999 };

	for (size_t i = 0; i < 2; i++) {
		pthread_t thread;
		char byte = 0;
		int ends[2];

		check_pipe(ends);
		input_open(&input, ends[0], watches[i], "pipe");
		pthread_create(&thread, NULL, later, &ends[1]);
		CHECK_NUMBER(input_read(&input, &byte, 1), 1);
		pthread_join(thread, NULL);
		close(ends[0]);
		close(ends[1]);
	}
	close(fd);
}

static void
the_end_differs_from_silence_and_from_more_bytes(void)
{
	char data[4];
	int ends[2];

	check_pipe(ends);
	input_open(&input, ends[0], -1, "pipe");
	CHECK(write(ends[1], "abcd", 4) == 4);
	CHECK_NUMBER(input_read(&input, data, 3), 3);
	CHECK_NUMBER(input_finish(&input, 1), 1);		/* in the buffer */
	CHECK_NUMBER(input_read(&input, data, 1), 1);
	CHECK_NUMBER(input_finish(&input, 1), 2);
	CHECK(write(ends[1], "e", 1) == 1);
	CHECK_NUMBER(input_finish(&input, 1), 1);		/* in the pipe */
	close(ends[1]);
	CHECK_NUMBER(input_finish(&input, 1), 0);
	CHECK_NUMBER(input_finish(&input, 1), 0);
	close(ends[0]);
}

static void
a_file_is_opened_by_its_name_and_a_dash_is_standard_input(void)
{
	char path[] = "/tmp/test-input.XXXXXX", data[4] = "";
	int fd = mkstemp(path);

	CHECK(write(fd, "abc", 3) == 3);
	close(fd);
	CHECK(input_open_file(&input, path, -1));
	CHECK_TEXT(input.name, path);
	CHECK_NUMBER(input_read(&input, data, 4), 3);
	CHECK_TEXT(data, "abc");
	fd = input.fd;
	input_close(&input);
	CHECK(fcntl(fd, F_GETFD) == -1);
	unlink(path);
	CHECK(!input_open_file(&input, path, -1) && errno == ENOENT);

	CHECK(input_open_file(&input, "-", -1));
	CHECK_NUMBER(input.fd, STDIN_FILENO);
	CHECK_TEXT(input.name, "standard input");
	input_close(&input);
	CHECK(fcntl(STDIN_FILENO, F_GETFD) != -1);
}

int
main(void)
{
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 7 + (i >> 8));
	looking_ahead_and_reading_give_every_byte_once();
	no_more_than_the_buffer_is_looked_at();
	a_read_of_nothing_takes_nothing();
	a_failing_read_is_an_error();
	silence_times_out();
	a_descriptor_that_does_not_block_is_waited_for();
	a_wait_ends_when_the_reader_of_the_results_goes();
	watching_a_file_or_a_closed_descriptor_does_no_harm();
	the_end_differs_from_silence_and_from_more_bytes();
	a_file_is_opened_by_its_name_and_a_dash_is_standard_input();
	return check_done();
}
