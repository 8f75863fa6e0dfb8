/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "check.h"
#include "zip/relay.h"

#define LENGTH	100000

static unsigned char sent[LENGTH], got[LENGTH + 100];

/* Two pipes with a relay between them, and bytes in the first. */
static int
start(struct relay *relay, struct input *input, int in[2], int out[2], size_t length)
{
	if (pipe(in) == -1 || pipe(out) == -1)
		err(2, "pipe");
	input_open(input, in[0], -1, "input");
	relay_open(relay, input, out[1], NULL);
	fcntl(in[1], F_SETPIPE_SZ, 1 << 20);
	CHECK(relay->usable);
	CHECK(write_full(in[1], sent, length));
	return close(in[1]);
}

static void
finish(struct relay *relay, int in[2], int out[2])
{
	relay_close(relay);
	close(in[0]);
	close(out[0]);
	close(out[1]);
}

static void
a_head_and_the_payload_pass_with_what_was_read_ahead(void)
{
	struct relay relay;
	struct input input, passed;
	const unsigned char *ahead;
	int in[2], out[2];

	start(&relay, &input, in, out, LENGTH);
	CHECK_NUMBER(input_peek(&input, 100, &ahead), 100);

	CHECK_NUMBER(relay_pass(&relay, "head", 4, LENGTH - 10), LENGTH - 10);

	input_open(&passed, out[0], -1, "output");
	CHECK_NUMBER(input_read(&passed, got, 4 + LENGTH - 10), 4 + LENGTH - 10);
	CHECK(memcmp(got, "head", 4) == 0 && memcmp(got + 4, sent, LENGTH - 10) == 0);
	CHECK_NUMBER(input.position, LENGTH - 10);
	CHECK_NUMBER(input_read(&input, got, 100), 10);
	CHECK(memcmp(got, sent + LENGTH - 10, 10) == 0);
	finish(&relay, in, out);
}

static void
an_input_that_is_cut_passes_less(void)
{
	struct relay relay;
	struct input input;
	int in[2], out[2];

	start(&relay, &input, in, out, 70000);

	CHECK_NUMBER(relay_pass(&relay, "head", 4, LENGTH), 70000);

	CHECK(input.eof);
	CHECK_NUMBER(input.position, 70000);
	finish(&relay, in, out);
}

static void
a_reader_that_has_gone_is_an_error(void)
{
	struct relay relay;
	struct input input;
	int in[2], out[2];

	start(&relay, &input, in, out, LENGTH);
	close(out[0]);
	out[0] = open("/dev/null", O_RDONLY);

	CHECK(relay_pass(&relay, "head", 4, LENGTH) == -1 && errno == EPIPE);

	finish(&relay, in, out);
}

static void
a_file_that_is_no_pipe_is_not_relayed(void)
{
	struct relay relay;
	struct input input;
	int file = check_file(sent, LENGTH), out[2];

	if (pipe(out) == -1)
		err(2, "pipe");
	input_open(&input, file, -1, "input");
	relay_open(&relay, &input, out[1], NULL);
	CHECK(!relay.usable);
	relay_close(&relay);
	close(file);
	close(out[0]);
	close(out[1]);
}

int
main(void)
{
	unsigned i;

	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < LENGTH; i++)
		sent[i] = (unsigned char)(i * 7 + i / 251);
	a_head_and_the_payload_pass_with_what_was_read_ahead();
	an_input_that_is_cut_passes_less();
	a_reader_that_has_gone_is_an_error();
	a_file_that_is_no_pipe_is_not_relayed();
	return check_done();
}
