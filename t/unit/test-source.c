/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/io.h"
#include "check.h"
#include "device/source.h"

/* More than one part of a read, and no whole page at the end. */
#define SIZE	((5u << 20) + 77)

static unsigned char want[SIZE], have[SIZE];

/* Open the file behind fd by its name. */
static bool
open_again(struct source *source, int fd, enum source_direct direct, struct error *error)
{
	static char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return source_open(source, path, direct, false, error);
}

static void
open_bytes(struct source *source, int fd)
{
	struct error error = { 0 };

	if (!open_again(source, fd, SOURCE_DIRECT_AUTO, &error))
		errx(2, "%s", error.text);
}

static void
fill(void)
{
	for (size_t i = 0; i < SIZE; i++)
		want[i] = (unsigned char)(i * 2654435761u >> 13);
}

static void
any_range_reads_as_it_is(void)
{
	static const uint64_t offsets[] = { 0, 1, 511, 4095, 4096, 65537, 2097151, 2097153 };
	static const size_t lengths[] = { 0, 1, 4096, 4097, 65536, 2097152, 2097153, 3000001 };
	struct source source;

	open_bytes(&source, check_file(want, SIZE));
	CHECK_NUMBER(source.size, SIZE);
	CHECK(!source.pipe && !source.device && !source.direct);
	for (size_t i = 0; i < sizeof(offsets) / sizeof(*offsets); i++)
		for (size_t j = 0; j < sizeof(lengths) / sizeof(*lengths); j++) {
			memset(have, 0, SIZE);
			CHECK_NUMBER(source_read(&source, offsets[i], have, lengths[j]), lengths[j]);
			CHECK(memcmp(have, want + offsets[i], lengths[j]) == 0);
		}
	CHECK_NUMBER(source_read(&source, SIZE - 10, have, 100), 10);
	CHECK_NUMBER(source_read(&source, SIZE, have, 100), 0);
	source_close(&source);
}

static void
holes_and_data_take_turns(void)
{
	struct source source;
	int fd = memfd_create("holes", 0);
	bool hole;

	/* A page of data at 1 MiB, a hole up to 3 MiB and 5 bytes. */
	CHECK(pwrite(fd, "x", 1, 1 << 20) == 1 && ftruncate(fd, (3 << 20) + 5) == 0);
	open_bytes(&source, fd);
	CHECK(source.holes);
	CHECK_NUMBER(source_extent(&source, 0, source.size, &hole), 1 << 20);
	CHECK(hole);
	CHECK_NUMBER(source_extent(&source, 5000, 9000, &hole), 9000);
	CHECK(hole);
	CHECK_NUMBER(source_extent(&source, 1 << 20, source.size, &hole), (1 << 20) + 4096);
	CHECK(!hole);
	CHECK_NUMBER(source_extent(&source, 1 << 20, (1 << 20) + 7, &hole), (1 << 20) + 7);
	CHECK(!hole);
	CHECK_NUMBER(source_extent(&source, 2 << 20, source.size, &hole), source.size);
	CHECK(hole);
	source_close(&source);
	close(fd);
}

static void
a_file_that_was_cut_has_no_hole_after_its_end(void)
{
	struct source source;
	int fd = memfd_create("cut", 0);
	bool hole;

	CHECK(ftruncate(fd, 3 << 20) == 0);
	open_bytes(&source, fd);
	CHECK(ftruncate(fd, 1 << 20) == 0);
	CHECK_NUMBER(source_extent(&source, 0, 1 << 20, &hole), 1 << 20);
	CHECK(hole);
	source_extent(&source, 0, source.size, &hole);
	CHECK(!hole);
	source_extent(&source, 2 << 20, source.size, &hole);
	CHECK(!hole);
	source_close(&source);
	close(fd);
}

/* A file that lost its end stands for a medium that lost data. */
static void
salvage_reads_all_but_what_is_lost(void)
{
	struct source_bad bad[4];
	struct source source;
	int fd = check_file(want, 100000);

	open_bytes(&source, fd);
	CHECK_NUMBER(source_salvage(&source, 1000, have, 90000, bad, 4), 0);
	CHECK(memcmp(have, want + 1000, 90000) == 0);

	CHECK(ftruncate(fd, 50000) == 0);
	memset(have, 1, 100000);
	CHECK_NUMBER(source_salvage(&source, 1000, have, 90000, bad, 4), 1);
	CHECK_NUMBER(1000 + bad[0].start, 50000 / 512 * 512);
	CHECK_NUMBER(bad[0].start + bad[0].length, 90000);
	CHECK_NUMBER(bad[0].number, EIO);
	CHECK(memcmp(have, want + 1000, bad[0].start) == 0);
	CHECK(bytes_are_zero(have + bad[0].start, bad[0].length));
	CHECK_NUMBER(have[90000], 1);

	CHECK_NUMBER(source_salvage(&source, 1000, have, 90000, bad, 1), 1);
	CHECK_NUMBER(1000 + bad[0].start, 50000 / 512 * 512);
	CHECK_NUMBER(bad[0].length, 512);
	source_close(&source);
	close(fd);
}

/* Cut at sectors of the device, whatever the range begins with. */
static void
salvage_ends_with_whole_sectors(void)
{
	struct source_bad bad[4];
	struct source source;
	int fd = check_file(want, 4096);
	unsigned start;

	open_bytes(&source, fd);
	CHECK(ftruncate(fd, 1536) == 0);
	for (start = 1; start < 2048; start += 31) {
		memset(have, 1, 4096);
		CHECK_NUMBER(source_salvage(&source, start, have, 2048 - start, bad, 4), 1);
		CHECK_NUMBER(start + bad[0].start, start < 1536 ? 1536 : start);
		CHECK_NUMBER(start + bad[0].start + bad[0].length, 2048);
		CHECK(memcmp(have, want + start, bad[0].start) == 0);
	}
	source_close(&source);
	close(fd);
}

static void
pipes_are_read_in_whole_pieces(void)
{
	struct source source;
	int ends[2];

	check_pipe(ends);
	CHECK(write(ends[1], want, 1000) == 1000);
	close(ends[1]);
	open_bytes(&source, ends[0]);
	CHECK(source.pipe);
	CHECK_NUMBER(source.size, UINT64_MAX);
	CHECK_NUMBER(source_read(&source, 0, have, 300), 300);
	CHECK_NUMBER(source_read(&source, 0, have + 300, 3000), 700);
	CHECK(memcmp(have, want, 1000) == 0);
	CHECK_NUMBER(source_read(&source, 0, have, 1), 0);
	source_close(&source);
	close(ends[0]);
}

static void
files_without_a_size_but_with_bytes_are_pipes(void)
{
	struct source source;
	struct error error = { 0 };

	CHECK(source_open(&source, "/proc/self/stat", SOURCE_DIRECT_AUTO, false, &error));
	CHECK(source.pipe);
	CHECK(source_read(&source, 0, have, 4096) > 10);
	source_close(&source);

	open_bytes(&source, check_file("", 0));
	CHECK(!source.pipe);
	CHECK_NUMBER(source.size, 0);
	source_close(&source);
}

static void
other_kinds_of_files_are_refused(void)
{
	struct source source;
	struct error error = { 0 };

	CHECK(!source_open(&source, "/", SOURCE_DIRECT_AUTO, false, &error));
	CHECK_TEXT(error.text, "/: Is a directory");
	CHECK_NUMBER(error.number, EISDIR);
	error = (struct error){ 0 };
	CHECK(!source_open(&source, "/dev/null", SOURCE_DIRECT_AUTO, false, &error));
	CHECK_TEXT(error.text, "/dev/null: neither a block device nor a regular file");
	error = (struct error){ 0 };
	CHECK(!source_open(&source, "/nowhere/at all", SOURCE_DIRECT_AUTO, false, &error));
	CHECK_NUMBER(error.number, ENOENT);
}

int
main(void)
{
	fill();
	any_range_reads_as_it_is();
	holes_and_data_take_turns();
	a_file_that_was_cut_has_no_hole_after_its_end();
	salvage_reads_all_but_what_is_lost();
	salvage_ends_with_whole_sectors();
	pipes_are_read_in_whole_pieces();
	files_without_a_size_but_with_bytes_are_pipes();
	other_kinds_of_files_are_refused();
	return check_done();
}
