/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <err.h>
#include <fcntl.h>
#include <stdlib.h>

#include "check.h"
#include "stream/intake.h"
#include "streams.h"

/* The pieces that an intake gave, in order. */
static unsigned char device[1u << 20];
static struct intake intake;
static struct input input;
static struct error error;

static void
begin(int fd)
{
	input_open(&input, fd, -1, "pipe");
	error = (struct error){ 0 };
}

/* Take, work and give until the end; false with the error of the piece that failed. */
static bool
run(void)
{
	struct piece *piece = piece_create(&intake);
	bool good = true;

	while (good && intake_take(&intake, piece)) {
		intake_work(&intake, piece);
		if (!piece->error.set && piece->length > 0) {
			CHECK_NUMBER(piece->offset, intake_position(&intake));
			if (piece->zero)
				memset(device + piece->offset, 0, piece->length);
			else
				memcpy(device + piece->offset, piece->data, piece->length);
		}
		good = intake_give(&intake, piece);
	}
	error = piece->error;
	piece_destroy(piece);
	return good;
}

static struct streams_made *
make(const char *name)
{
	static struct streams_made made;

	free(made.bytes);
	streams_make(&made, streams_find(name));
	return &made;
}

static void
end(void)
{
	blk128_destroy(intake.digest);
	close(input.fd);
}

static void
images_come_complete(void)
{
	static const char *const names[] = {
		"empty", "example", "image", "holes", "bad", "unsized", "extended"
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct streams_made *made = make(names[i]);

		check_case = names[i];
		memset(device, 0xaa, sizeof(device));
		begin(check_file(made->bytes, made->length));
		CHECK(intake_open_stream(&intake, &input, INTAKE_IMAGE, &error));
		CHECK(run());
		CHECK(intake.whole);
		CHECK_NUMBER(intake_position(&intake), made->plan->size);
		CHECK(memcmp(device, made->after, made->plan->size) == 0);
		end();
	}
	check_case = "";
}

static void
a_cut_stream_is_never_complete(void)
{
	struct streams_made *made = make("image");

	for (size_t length = 128; length < made->length; length += 97) {
		begin(check_file(made->bytes, length));
		CHECK(intake_open_stream(&intake, &input, INTAKE_IMAGE, &error));
		CHECK(!run());
		CHECK(error.set && !intake.whole);
		end();
	}
}

static void
other_kinds_are_refused_by_name(void)
{
	static const struct { const char *name, *text; } cases[] = {
		{ "delta", "pipe: this stream is a delta, an image is wanted" },
		{ "map", "pipe: this stream is a map, an image is wanted" },
		{ "undo", "pipe: this stream is an undo log, an image is wanted" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct streams_made *made = make(cases[i].name);

		begin(check_file(made->bytes, made->length));
		CHECK(!intake_open_stream(&intake, &input, INTAKE_IMAGE, &error));
		CHECK_TEXT(error.text, cases[i].text);
		end();
	}
}

static void
write_stream(int fd, const char *text, uint64_t zeros)
{
	struct stream_header header;
	struct stream_writer writer;
	struct end_summary summary;
	struct blk128 *digest = blk128_create();

	header_init(&header, STREAM_IMAGE, zeros);
	header_encode(&header);
	if (!stream_begin(&writer, fd, &header) ||
	    (zeros > 0 && !stream_put_range(&writer, RECORD_ZERO, 0, zeros)))
		err(2, "stream");
	order_summary(&writer.order, &summary);
	blk128_add_zeros(digest, zeros);
	blk128_finish(digest, summary.digest);
	if (text != NULL ? !stream_put_abort(&writer, text) : !stream_put_end(&writer, &summary))
		err(2, "stream");
	blk128_destroy(digest);
	lseek(fd, 0, SEEK_SET);
}

static void
the_text_of_an_abort_is_escaped(void)
{
	int fd = check_file("", 0);

	write_stream(fd, "disk\x1b[2J\ndead \xc3\xa4", 0);
	begin(fd);
	CHECK(intake_open_stream(&intake, &input, INTAKE_IMAGE, &error));
	CHECK(!run());
	CHECK_TEXT(error.text, "pipe: stream byte 128, device byte 0: the sending side gave up: disk?[2J?dead ??");
	end();
}

static void
zeros_of_terabytes_come_in_pieces(void)
{
	const uint64_t size = (1ull << 40) + 12345;
	int fd = check_file("", 0);
	struct piece *piece;
	uint64_t at = 0;

	write_stream(fd, NULL, size);
	begin(fd);
	CHECK(intake_open_stream(&intake, &input, INTAKE_IMAGE, &error));
	piece = piece_create(&intake);
	while (intake_take(&intake, piece)) {
		intake_work(&intake, piece);
		CHECK(piece->length <= INTAKE_ZEROS && (piece->length == 0 || piece->zero));
		CHECK(piece->length == 0 || piece->offset == at);
		at += piece->length;
		CHECK(intake_give(&intake, piece));
	}
	CHECK_NUMBER(at, size);
	CHECK(intake.whole);
	piece_destroy(piece);
	end();
}

static void
a_digest_that_disagrees_is_an_error(void)
{
	struct streams_made *made = make("example");
	struct stream_header header = { .length = 0 };
	unsigned char *end_record = made->bytes + made->length - RECORD_SIZE - RECORD_END_SIZE;
	unsigned char *payload = end_record + RECORD_SIZE;
	struct record record;

	memcpy(header.bytes, made->bytes, STREAM_HEADER_MIN);
	CHECK(header_decode(&header, &error) == VERDICT_GOOD);
	CHECK(record_decode(&record, &header, end_record, &error) == VERDICT_GOOD);
	payload[40] ^= 1;
	record_seal(&record, payload);
	record_encode(&record, header.id, end_record);
	begin(check_file(made->bytes, made->length));
	CHECK(intake_open_stream(&intake, &input, INTAKE_IMAGE, &error));
	CHECK(!run());
	CHECK(strstr(error.text, ": the digest of what came is blk128:") != NULL);
	CHECK(!intake.whole);
	end();
}

static void
raw_bytes_are_taken_as_their_length_is_said(void)
{
	static unsigned char bytes[600000];
	static const struct { size_t come; uint64_t said; const char *text; } cases[] = {
		{ 600000, UINT64_MAX, "" },
		{ 600000, 600000, "" },
		{ 524288, 524288, "" },
		{ 524288, UINT64_MAX, "" },
		{ 0, UINT64_MAX, "" },
		{ 0, 0, "" },
		{ 599999, 600000, "pipe: ended after 599999 bytes, 600000 were to come" },
		{ 262144, 600000, "pipe: ended after 262144 bytes, 600000 were to come" },
		{ 0, 1, "pipe: ended after 0 bytes, 1 were to come" },
		{ 600000, 599999, "pipe: more than the 599999 bytes that were to come" },
		{ 600000, 524288, "pipe: more than the 524288 bytes that were to come" },
		{ 1, 0, "pipe: more than the 0 bytes that were to come" },
	};

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = i / 65536 == 2 ? 0 : (unsigned char)(i >> 5);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		check_case = cases[i].text;
		begin(check_file(bytes, cases[i].come));
		CHECK(intake_open_raw(&intake, &input, cases[i].said, &error));
		CHECK(run() == (*cases[i].text == '\0'));
		CHECK_TEXT(error.text, cases[i].text);
		CHECK(intake.whole == (*cases[i].text == '\0'));
		if (intake.whole)
			CHECK(intake_position(&intake) == cases[i].come &&
			    memcmp(device, bytes, cases[i].come) == 0);
		end();
	}
	check_case = "";
}

/* A pipe gives what it has, but a piece is full all the same. */
static void
short_reads_make_full_pieces(void)
{
	static unsigned char byte[1000];
	struct piece *piece;
	int ends[2];

	check_pipe(ends);
	fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);
	for (int i = 0; i < 600; i++)
		CHECK(write(ends[1], byte, sizeof(byte)) == sizeof(byte));
	close(ends[1]);
	begin(ends[0]);
	CHECK(intake_open_raw(&intake, &input, UINT64_MAX, &error));
	piece = piece_create(&intake);
	CHECK(intake_take(&intake, piece) && piece->length == INTAKE_RAW);
	CHECK(intake_take(&intake, piece) && piece->length == INTAKE_RAW);
	CHECK(intake_take(&intake, piece) && piece->length == 600000 - 2 * INTAKE_RAW);
	CHECK(piece->last && !intake_take(&intake, piece));
	piece_destroy(piece);
	end();
}

static void
an_image_format_is_recognised_by_its_beginning(void)
{
	static const struct { const char *bytes; size_t length; const char *text; } cases[] = {
		{ STREAM_MAGIC, 8, "a block stream" },
		{ STREAM_MAGIC, 7, "" },
		{ "\x1f\x8b\x08\0\0\0\0\0", 8, "gzip" },
		{ "\x1f\x8b", 2, "gzip" },
		{ "\x28\xb5\x2f\xfd\0\0\0\0", 8, "zstd" },
		{ "QFI\xfb\0\0\0\3", 8, "a qcow2 image" },
		{ "\x1f", 1, "" },
		{ "", 0, "" },
		{ "\xeb\x63\x90\0\0\0\0\0", 8, "" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct container *found;
		ssize_t length;

		begin(check_file(cases[i].bytes, cases[i].length));
		found = intake_mistaken(&input, &length);
		CHECK_TEXT(found == NULL ? "" : found->name, cases[i].text);
		CHECK_NUMBER(length, cases[i].length);
		close(input.fd);
	}
}

int
main(void)
{
	images_come_complete();
	a_cut_stream_is_never_complete();
	other_kinds_are_refused_by_name();
	the_text_of_an_abort_is_escaped();
	zeros_of_terabytes_come_in_pieces();
	a_digest_that_disagrees_is_an_error();
	raw_bytes_are_taken_as_their_length_is_said();
	short_reads_make_full_pieces();
	an_image_format_is_recognised_by_its_beginning();
	return check_done();
}
