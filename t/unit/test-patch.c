/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "disk.h"
#include "hash/hash64.h"
#include "write/patch.h"

/* A delta or an undo log that is made here, applied as blkwrite applies it. */

#define SIZE	(4u << 20)

static struct stream_writer stream;
static char log_name[80];

static void
stream_new(enum stream_kind kind)
{
	struct stream_header header;
	int fd = memfd_create("stream", MFD_CLOEXEC);

	header_init(&header, kind, SIZE);
	header.payload_max = 1 << 20;
	header_encode(&header);
	if (fd == -1 || !stream_begin(&stream, fd, &header))
		err(2, "stream");
}

/*
 * length bytes at offset, all equal to byte, which replace bytes that all equal old; 0: old
 * is not set.
 */
static void
put(uint64_t offset, uint32_t length, int byte, int old)
{
	struct record record = {
		.type = RECORD_DATA, .offset = offset, .length = length, .stored = length
	};
	static unsigned char bytes[1 << 20];

	if (old != 0) {
		record.flags = RECORD_OLD_BYTES;
		record.old = hash64(memset(bytes, old, length), length);
	}
	memset(bytes, byte, length);
	record_seal(&record, bytes);
	if (!stream_put(&stream, &record, bytes))
		err(2, "stream");
}

static void
stream_done(void)
{
	struct end_summary summary;

	order_summary(&stream.order, &summary);
	if (!stream_put_end(&stream, &summary))
		err(2, "stream");
}

/* After a failure a thread may still read the input: what it uses is left to it (pool.h). */
static struct attempt {
	struct input input;
	struct intake intake, again;
	struct patch patch;
	struct attempt *next;
} *abandoned;

static void
attempt_destroy(struct attempt *attempt)
{
	writer_destroy(&attempt->patch.writer);
	overlap_free(&attempt->patch.seen);
	free(attempt->patch.head);
	free(attempt->patch.head_before);
	blk128_destroy(attempt->intake.digest);
	blk128_destroy(attempt->again.digest);
	close(attempt->input.fd);
	free(attempt);
}

/* From its beginning, by a descriptor that nobody else closes. */
static void
input_begin(struct input *input)
{
	int fd = dup(stream.fd);

	if (fd == -1)
		err(2, "stream");
	lseek(fd, 0, SEEK_SET);
	input_open(input, fd, -1, "stream");
}

/* Apply the stream to a target that is all 0xaa, checked before or as from a pipe. */
static bool
apply(unsigned jobs, bool check, const char *log, char *now, size_t room)
{
	struct attempt *attempt = calloc(1, sizeof(*attempt));
	struct patch_options options = {
		.writer = { .jobs = jobs, .sync = true }, .undo = log, .once = !check,
		.cut_at = UINT64_MAX
	};
	struct patch *patch;
	bool done;

	if (attempt == NULL)
		err(2, "memory");
	patch = &attempt->patch;
	CHECK(begin(SIZE, (struct target_options){ .length = UINT64_MAX }));
	input_begin(&attempt->input);
	CHECK(intake_open_stream(&attempt->intake, &attempt->input, INTAKE_PATCH, &error));
	CHECK(patch_create(patch, &options, &attempt->intake, &target, &error));
	done = !check || patch_check(patch, &error);
	if (done && check) {
		close(attempt->input.fd);
		input_begin(&attempt->input);
		CHECK(intake_open_stream(&attempt->again, &attempt->input, INTAKE_PATCH, &error));
		patch->writer.intake = &attempt->again;
	}
	done = done && writer_run(&patch->writer, &error);
	CHECK(done != error.set);
	now[0] = '\0';
	CHECK(done || writer_describe(&patch->writer, now, room) == (now[0] != '\0'));
	if (!done) {
		struct error ignored = { 0 };

		CHECK(target_close(&target, &ignored));
		attempt->next = abandoned;
		abandoned = attempt;
	} else {
		attempt_destroy(attempt);
	}
	return done;
}

/* From A by B to C, as if a log were written twice: it depended on the threads which came last. */
static void
an_undo_log_whose_ranges_overlap_is_refused(void)
{
	char now[512];

	for (unsigned jobs = 1; jobs <= 8; jobs++)
		for (unsigned check = 0; check < 2; check++) {
			stream_new(STREAM_UNDO);
			put(2 << 20, 1 << 20, 'A', 0);
			put((3 << 20) - 1, 1000, 'B', 0);
			stream_done();
			CHECK(!apply(jobs, check, NULL, now, sizeof(now)));
			CHECK_TEXT(error.text, "stream: stream byte 1048768, device byte 3145727: "
			    "an earlier record of this undo log restores the same bytes");
			CHECK(holds(3 << 20, 1 << 20, 0xaa) && holds(0, 2 << 20, 0xaa));
			CHECK(check == 0 || (holds(0, SIZE, 0xaa) && now[0] == '\0'));
			close(stream.fd);
		}
}

static void
an_undo_log_in_any_order_is_applied(void)
{
	char now[512];

	for (unsigned jobs = 1; jobs <= 4; jobs++) {
		stream_new(STREAM_UNDO);
		put(3 << 20, 1 << 20, 'D', 0);
		put(0, 1 << 20, 'A', 0xaa);
		put(1 << 20, 1 << 20, 'B', 0xaa);
		stream_done();
		CHECK(apply(jobs, jobs % 2 == 0, NULL, now, sizeof(now)));
		CHECK(holds(0, 1 << 20, 'A') && holds(1 << 20, 1 << 20, 'B'));
		CHECK(holds(2 << 20, 1 << 20, 0xaa) && holds(3 << 20, 1 << 20, 'D'));
		close(stream.fd);
	}
}

/* The log restores nothing, and would block the next attempt. */
static void
a_log_is_removed_where_nothing_was_written(void)
{
	char now[512];

	for (unsigned jobs = 1; jobs <= 4; jobs++) {
		stream_new(STREAM_DELTA);
		put(2 << 20, 4096, 'A', 'x');
		stream_done();
		CHECK(!apply(jobs, false, log_name, now, sizeof(now)));
		CHECK(strstr(error.text, "neither the old data of the delta") != NULL);
		CHECK_TEXT(now, "");
		CHECK(access(log_name, F_OK) == -1 && holds(0, SIZE, 0xaa));
		close(stream.fd);
	}
}

static void
a_log_stays_where_something_was_written(void)
{
	char now[512];

	stream_new(STREAM_DELTA);
	put(2 << 20, 4096, 'A', 0xaa);
	put(3 << 20, 4096, 'A', 'x');
	stream_done();
	CHECK(!apply(1, false, log_name, now, sizeof(now)));
	CHECK(strstr(now, "is partly changed: up to 4096 bytes were overwritten; the undo log restores them"));
	CHECK(access(log_name, F_OK) == 0 && holds(2 << 20, 4096, 'A'));
	unlink(log_name);
	close(stream.fd);
}

int
main(void)
{
	disk_folder();
	snprintf(log_name, sizeof(log_name), "%s/log", folder);
	an_undo_log_whose_ranges_overlap_is_refused();
	an_undo_log_in_any_order_is_applied();
	a_log_is_removed_where_nothing_was_written();
	a_log_stays_where_something_was_written();
	return disk_done();
}
