/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>

#include "check.h"
#include "stream/fault.h"

static void
the_place_is_named_with_or_without_the_device(void)
{
	struct error error = { 0 };

	CHECK(!fault_set(&error, (struct place){ "pipe", 4096, 65536 }, "it is wrong"));
	CHECK_TEXT(error.text, "pipe: stream byte 4096, device byte 65536: it is wrong");

	CHECK(!fault_set(&error, (struct place){ "pipe", 0, PLACE_HEADER }, "another"));
	CHECK_TEXT(error.text, "pipe: stream byte 4096, device byte 65536: it is wrong");

	error.set = false;
	CHECK(!fault_set(&error, (struct place){ "pipe", 128, PLACE_HEADER }, "it is wrong"));
	CHECK_TEXT(error.text, "pipe: stream byte 128: it is wrong");
}

static void
errno_is_kept_as_a_number_too(void)
{
	struct error error = { 0 };

	errno = EPIPE;
	CHECK(!fault_errno(&error, (struct place){ "pipe", 1, 2 }));
	CHECK_TEXT(error.text, "pipe: stream byte 1, device byte 2: Broken pipe");
	CHECK_NUMBER(error.number, EPIPE);

	errno = EIO;
	CHECK(!fault_errno(&error, (struct place){ "pipe", 3, 4 }));
	CHECK_NUMBER(error.number, EPIPE);
}

static void
the_reason_of_an_abort_is_escaped(void)
{
	static const unsigned char text[] = "disk\033[2J\ngone";
	struct error error = { 0 };

	CHECK(!fault_aborted(&error, (struct place){ "pipe", 1, 2 }, text, sizeof(text) - 1));
	CHECK_TEXT(error.text,
	    "pipe: stream byte 1, device byte 2: the sending side gave up: disk?[2J?gone");
}

static void
a_cut_says_what_is_missing(void)
{
	struct error error = { 0 };

	CHECK(!fault_cut(&error, (struct place){ "pipe", 1, 2 }));
	CHECK_TEXT(error.text, "pipe: stream byte 1, device byte 2: the stream was cut: "
	    "end of file before its END record");
}

int
main(void)
{
	the_place_is_named_with_or_without_the_device();
	errno_is_kept_as_a_number_too();
	the_reason_of_an_abort_is_escaped();
	a_cut_says_what_is_missing();
	return check_done();
}
