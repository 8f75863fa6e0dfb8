/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>

#include "check.h"
#include "stream/stream.h"
#include "streams.h"

static unsigned char payload[STREAM_PAYLOAD_MAX];
static struct input input;
static struct stream_reader reader;
static struct error error;

/* Read a whole stream from fd; true if it is good.  An ABORT is a good end of reading. */
static bool
read_stream(int fd, struct end_summary *end)
{
	struct record record;

	memset(&error, 0, sizeof(error));
	input_open(&input, fd, -1, "stream");
	if (!stream_open(&reader, &input, &error))
		return false;
	do {
		if (!stream_next(&reader, &record, payload, &error))
			return false;
	} while (record.type != RECORD_END && record.type != RECORD_ABORT);
	return record.type == RECORD_ABORT || stream_finish(&reader, &record, payload, end, &error);
}

static bool
read_bytes(const unsigned char *bytes, size_t length)
{
	struct end_summary end;
	int fd = check_file(bytes, length);
	bool ok = read_stream(fd, &end);

	close(fd);
	return ok;
}

static const struct streams_made *
made_of(const char *name)
{
	static struct streams_made made;

	free(made.bytes);
	streams_make(&made, streams_find(name));
	return &made;
}

static void
every_kind_is_read_to_its_end(void)
{
	for (size_t i = 0; i < sizeof(streams_plans) / sizeof(streams_plans[0]); i++) {
		const struct streams_plan *plan = &streams_plans[i];
		const struct streams_made *made = made_of(plan->name);
		unsigned char digest[BLK128_SIZE];
		struct end_summary end = { 0 };
		int fd = check_file(made->bytes, made->length);

		check_case = plan->name;
		if (strcmp(plan->name, "undo-cut") == 0) {
			CHECK(!read_stream(fd, &end));
			CHECK(strstr(error.text, "the stream was cut") != NULL);
		} else
			CHECK(read_stream(fd, &end));
		CHECK_NUMBER(input.position, made->length);
		CHECK_NUMBER(reader.header.kind, plan->kind);
		if (end.size > 0 && plan->kind != STREAM_UNDO) {
			CHECK_NUMBER(end.size, plan->size);
			streams_digest(made->after, plan->size, digest);
			CHECK(memcmp(end.digest, digest, BLK128_SIZE) == 0);
		}
		close(fd);
	}
	check_case = "";
}

static void
a_cut_is_seen_at_every_byte(void)
{
	const struct streams_made *made = made_of("extended");

	for (size_t length = 0; length < made->length; length++) {
		CHECK(!read_bytes(made->bytes, length));
		if (length == 0)
			CHECK_TEXT(error.text, "stream: stream byte 0: nothing came, not even a header");
		else if (length < STREAM_MAGIC_SIZE)
			CHECK_TEXT(error.text, "stream: stream byte 0: not a block stream");
		else
			CHECK(strstr(error.text, "the stream was cut: end of file before its END") != NULL);
	}
}

static void
a_cut_or_broken_header_is_not_opened(void)
{
	const struct streams_made *made = made_of("extended");
	static const size_t lengths[] = { 0, 7, 100, 128, 159 };

	for (size_t i = 0; i <= 5; i++) {
		unsigned char bytes[160];
		int fd;

		memcpy(bytes, made->bytes, sizeof(bytes));
		bytes[i == 5 ? 130 : 60] ^= i == 5;
		fd = check_file(bytes, i == 5 ? sizeof(bytes) : lengths[i]);
		memset(&error, 0, sizeof(error));
		input_open(&input, fd, -1, "stream");
		CHECK(!stream_open(&reader, &input, &error));
		CHECK(error.set);
		close(fd);
	}
}

static void
a_fault_names_the_bytes_of_stream_and_device(void)
{
	const struct streams_made *made = made_of("example");
	unsigned char bytes[408];

	CHECK_NUMBER(made->length, sizeof(bytes));
	memcpy(bytes, made->bytes, sizeof(bytes));
	CHECK(!read_bytes(bytes, 192));
	CHECK_TEXT(error.text, "stream: stream byte 192, device byte 65536: "
	    "the stream was cut: end of file before its END record");

	CHECK(!read_bytes(bytes, 260));
	CHECK_TEXT(error.text, "stream: stream byte 260, device byte 65536: "
	    "the stream was cut: end of file before its END record");

	bytes[192 + 20] ^= 1;
	CHECK(!read_bytes(bytes, sizeof(bytes)));
	CHECK_TEXT(error.text,
	    "stream: stream byte 192, device byte 65536: record header with a wrong checksum");
	bytes[192 + 20] ^= 1;

	bytes[272 + RECORD_SIZE] ^= 1;
	CHECK(!read_bytes(bytes, sizeof(bytes)));
	CHECK_TEXT(error.text, "stream: stream byte 272, device byte 65552: END record with a wrong checksum");
}

static void
bytes_after_the_end_are_an_error(void)
{
	const struct streams_made *made = made_of("example");
	unsigned char bytes[409];

	memcpy(bytes, made->bytes, made->length);
	bytes[made->length] = 0;

	CHECK(!read_bytes(bytes, made->length + 1));
	CHECK_TEXT(error.text, "stream: stream byte 408: bytes behind the END record");
}

static void *
feed(void *argument)
{
	const struct streams_made *made = made_of("image");
	int *ends = argument;

	CHECK(write_full(ends[1], made->bytes, made->length));
	return NULL;
}

static void
a_silent_peer_is_an_end_as_well(void)
{
	pthread_t thread;
	struct end_summary end;
	int ends[2];

	check_pipe(ends);
	pthread_create(&thread, NULL, feed, ends);

	CHECK(read_stream(ends[0], &end));

	pthread_join(thread, NULL);
	close(ends[0]);
	close(ends[1]);
}

static void
only_the_magic_is_a_stream(void)
{
	const struct streams_made *made = made_of("empty");
	static const struct { const char *bytes; size_t length; } others[] = {
		{ "", 0 }, { "\x89" "BLK\r\n\x1a", 7 }, { "\x89" "BLK\r\n\x1a\r123", 11 },
		{ "\x1f\x8b\x08\0\0\0\0\0\0\3", 10 }, { "\x89" "BLK\n\x1a\n\n\n", 9 },
	};
	int fd = check_file(made->bytes, made->length);
	bool stream;

	input_open(&input, fd, -1, "stream");
	CHECK(stream_detect(&input, &stream, &error) && stream);
	CHECK_NUMBER(input.position, 0);
	close(fd);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		fd = check_file(others[i].bytes, others[i].length);
		input_open(&input, fd, -1, "stream");
		CHECK(stream_detect(&input, &stream, &error) && !stream);
		close(fd);
		CHECK(!read_bytes((const unsigned char *)others[i].bytes, others[i].length));
	}
}

/* Bytes that arrive a moment later must not be misread. */
static void
a_reader_that_left_before_the_first_byte_is_an_error(void)
{
	int in[2], out[2];
	bool stream;

	check_pipe(in);
	check_pipe(out);
	close(out[0]);
	memset(&error, 0, sizeof(error));
	input_open(&input, in[0], out[1], "stream");
	CHECK(!stream_detect(&input, &stream, &error));
	CHECK_NUMBER(error.number, EPIPE);
	CHECK_TEXT(error.text, "stream: at byte 0: Broken pipe");
	close(in[0]);
	close(in[1]);
	close(out[1]);
}

static void
a_failing_read_is_named(void)
{
	struct end_summary end;
	int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CHECK(!read_stream(fd, &end));
	CHECK_TEXT(error.text, "stream: stream byte 0: Is a directory");
	CHECK_NUMBER(error.number, EISDIR);
	close(fd);
}

static void
a_header_of_a_later_minor_version_is_passed_on(void)
{
	const struct streams_made *made = made_of("extended");
	struct stream_writer writer;
	unsigned char copy[160];
	int in = check_file(made->bytes, made->length), out = check_file("", 0);

	memset(&error, 0, sizeof(error));
	input_open(&input, in, -1, "stream");
	CHECK(stream_open(&reader, &input, &error));
	CHECK_NUMBER(reader.header.minor, 1);
	CHECK_NUMBER(reader.header.optional, 1);

	CHECK(stream_begin(&writer, out, &reader.header));
	CHECK_NUMBER(lseek(out, 0, SEEK_CUR), 160);
	CHECK_NUMBER(pread(out, copy, 160, 0), 160);
	CHECK(memcmp(copy, made->bytes, 160) == 0);
	close(in);
	close(out);
}

static void
the_writer_refuses_what_a_reader_would(void)
{
	struct stream_header header;
	struct stream_writer writer;
	int fd = check_file("", 0);

	header_init(&header, STREAM_IMAGE, 65536);
	header_encode(&header);
	CHECK(stream_begin(&writer, fd, &header));
	errno = 0;
	CHECK(!stream_put_range(&writer, RECORD_ZERO, 65536, 65536) && errno == EPROTO);
	CHECK_NUMBER(lseek(fd, 0, SEEK_CUR), STREAM_HEADER_MIN);
	CHECK(stream_put_abort(&writer, "reason"));
	errno = 0;
	CHECK(!stream_put_note(&writer, "more") && errno == EPROTO);
	close(fd);
}

static void
a_long_note_is_cut(void)
{
	struct stream_header header;
	struct stream_writer writer;
	struct record record;
	char text[RECORD_NOTE_MAX + 100];
	int fd = check_file("", 0);

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	header_init(&header, STREAM_IMAGE, 0);
	header.payload_max = 512;
	header_encode(&header);
	CHECK(stream_begin(&writer, fd, &header) && stream_put_note(&writer, text));

	lseek(fd, 0, SEEK_SET);
	memset(&error, 0, sizeof(error));
	input_open(&input, fd, -1, "stream");
	CHECK(stream_open(&reader, &input, &error));
	CHECK(stream_next(&reader, &record, payload, &error));
	CHECK_NUMBER(record.stored, RECORD_NOTE_MAX);
	close(fd);
}

int
main(void)
{
	every_kind_is_read_to_its_end();
	a_cut_is_seen_at_every_byte();
	a_cut_or_broken_header_is_not_opened();
	a_fault_names_the_bytes_of_stream_and_device();
	bytes_after_the_end_are_an_error();
	a_silent_peer_is_an_end_as_well();
	only_the_magic_is_a_stream();
	a_reader_that_left_before_the_first_byte_is_an_error();
	a_failing_read_is_named();
	a_header_of_a_later_minor_version_is_passed_on();
	the_writer_refuses_what_a_reader_would();
	a_long_note_is_cut();
	return check_done();
}
