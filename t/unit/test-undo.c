/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

static int fake_fdatasync(int);

#define fdatasync	fake_fdatasync
#include "write/undo.c"
#undef fdatasync

#include "disk.h"
#include "write/apply.h"

/* Count flushes of the log, and let them fail where a test says so. */
static unsigned flushes;
static int flush_error;
static bool target_was_old;		/* at the last flush */

static int
fake_fdatasync(int fd)
{
	flushes++;
	target_was_old = holds(0, 1 << 20, 0xaa);
	if (flush_error == 0)
		return fdatasync(fd);
	errno = flush_error;
	return -1;
}

static char log_name[80];
static struct undo undo;

static void
open_target(uint64_t size)
{
	CHECK(begin(size, (struct target_options){ .length = UINT64_MAX }));
	CHECK(target_prepare(&target, size, true, &error));
	flushes = 0;
	flush_error = 0;
}

static void
close_all(void)
{
	struct error ignored = { 0 };

	CHECK(target_close(&target, &ignored));
	undo_remove(&undo);
}

/* The ranges of the log, "DATA 0+4096 old" or so, and how it ends. */
static void
read_log(char *out, size_t size)
{
	static unsigned char payload[UNDO_PART + RECORD_NOTE_MAX];
	struct stream_reader reader;
	struct record record = { 0 };
	struct input input;
	struct error broken = { 0 };
	int fd = open(log_name, O_RDONLY | O_CLOEXEC);

	input_open(&input, fd, -1, "log");
	CHECK(stream_open(&reader, &input, &broken));
	CHECK_NUMBER(reader.header.kind, STREAM_UNDO);
	CHECK_NUMBER(reader.header.size, target.medium.size);
	for (out[0] = '\0'; record.type != RECORD_END &&
	    stream_next(&reader, &record, payload, &broken);) {
		size_t used = strlen(out);

		snprintf(out + used, size - used, "%s %ju+%ju%s ", record_name(record.type),
		    (uintmax_t)record.offset, (uintmax_t)record.length, record.flags != 0 ? " old" : "");
		CHECK(record.type != RECORD_DATA || memcmp(payload, filled(0xaa), record.length) == 0);
	}
	strcat(out, broken.set ? "broken" : "whole");
	close(fd);
}

static void
saved_data_is_in_the_log_after_waiting(void)
{
	uint64_t ticket, later;
	char log[256];

	open_target(1 << 20);
	CHECK(undo_create(&undo, log_name, &target, &error));
	CHECK(undo_save(&undo, 0, filled(0xaa), 4096, NULL, &ticket, &error));
	CHECK(undo_save(&undo, 8192, filled(0), 100, filled(0x55), &later, &error));
	CHECK_NUMBER(flushes, 0);
	CHECK(undo_wait(&undo, later, &error));
	CHECK(undo_wait(&undo, ticket, &error));
	CHECK_NUMBER(flushes, 1);
	read_log(log, sizeof(log));
	CHECK_TEXT(log, "DATA 0+4096 NOTE 4096+0 ZERO 8192+100 old broken");
	CHECK(undo_finish(&undo, &error));
	read_log(log, sizeof(log));
	CHECK_TEXT(log, "DATA 0+4096 NOTE 4096+0 ZERO 8192+100 old END 8292+0 whole");
	close_all();
}

/* apply_write overwrites nothing that is not flushed to the log. */
static void
a_range_is_flushed_to_the_log_before_it_is_overwritten(void)
{
	struct apply apply = { .target = &target, .undo = &undo };
	struct piece piece = { .length = 1 << 20 };
	unsigned char *room = buffer_create(APPLY_ROOM);
	char log[512];

	piece.data = memset(malloc(1 << 20), 0x55, 1 << 20);
	open_target(2 << 20);
	CHECK(undo_create(&undo, log_name, &target, &error));
	CHECK(apply_write(&apply, &piece, 1 << 19, room, &error));
	CHECK(flushes == 1 && target_was_old);
	CHECK(holds(0, 1 << 19, 0xaa) && holds(1 << 19, 1 << 19, 0x55));
	CHECK(undo_finish(&undo, &error));
	read_log(log, sizeof(log));
	CHECK_TEXT(log, "NOTE 0+0 DATA 524288+262144 old NOTE 786432+0 "
	    "DATA 786432+262144 old END 1048576+0 whole");
	close_all();

	open_target(2 << 20);
	CHECK(undo_create(&undo, log_name, &target, &error));
	apply.state = APPLY_UNTOUCHED;
	flush_error = EIO;
	CHECK(!apply_write(&apply, &piece, 0, room, &error));
	CHECK(strstr(error.text, "log: Input/output error") != NULL);
	CHECK(holds(0, 2 << 20, 0xaa) && apply_withdraw(&apply));
	close_all();
	free(room);
	free((void *)(uintptr_t)piece.data);
}

/* The kernel reports a lost write only once. */
static void
after_a_flush_that_failed_nothing_succeeds(void)
{
	uint64_t ticket;

	open_target(1 << 20);
	CHECK(undo_create(&undo, log_name, &target, &error));
	CHECK(undo_save(&undo, 0, filled(0xaa), 4096, NULL, &ticket, &error));
	flush_error = EIO;
	CHECK(!undo_wait(&undo, ticket, &error));
	flush_error = 0;
	error = (struct error){ 0 };
	CHECK(!undo_wait(&undo, ticket, &error));
	error = (struct error){ 0 };
	CHECK(!undo_save(&undo, 0, filled(0xaa), 4096, NULL, &ticket, &error));
	error = (struct error){ 0 };
	CHECK(!undo_depart(&undo, 4096, &error));
	CHECK_NUMBER(flushes, 1);
	error = (struct error){ 0 };
	CHECK(!undo_finish(&undo, &error));
	CHECK(strstr(error.text, "log: Input/output error") != NULL);
	close_all();
}

/* Then the target is flushed, once no write is in progress. */
static void
no_more_than_a_window_is_in_flight(void)
{
	uint64_t before = 0;
	unsigned flushed = 0;

	open_target(1 << 20);
	CHECK(undo_create(&undo, log_name, &target, &error));
	for (unsigned i = 0; i < 100; i++) {
		CHECK(undo_depart(&undo, UNDO_STEP, &error));
		CHECK(undo.unsettled <= UNDO_WINDOW);
		flushed += undo.unsettled < before;
		before = undo.unsettled;
		undo_arrive(&undo);
	}
	CHECK(flushed >= 100 * (UNDO_STEP / 1024) / (UNDO_WINDOW / 1024));
	CHECK(undo_finish(&undo, &error));
	close_all();
}

static void
a_file_that_exists_is_neither_overwritten_nor_removed(void)
{
	struct stat status;
	int fd = open(log_name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	open_target(1 << 20);
	CHECK(write(fd, "precious", 8) == 8);
	CHECK(!undo_create(&undo, log_name, &target, &error));
	CHECK(strstr(error.text, "log: File exists") != NULL);
	undo_remove(&undo);
	CHECK(stat(log_name, &status) == 0 && status.st_size == 8);
	close(fd);
	unlink(log_name);
	close_all();
}

static void
a_log_that_cannot_be_begun_is_removed(void)
{
	struct rlimit was, none;

	open_target(1 << 20);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &was);
	none = was;
	none.rlim_cur = 0;
	CHECK(setrlimit(RLIMIT_FSIZE, &none) == 0);
	CHECK(!undo_create(&undo, log_name, &target, &error));
	CHECK(setrlimit(RLIMIT_FSIZE, &was) == 0);
	CHECK(strstr(error.text, "log: File too large") != NULL);
	CHECK(access(log_name, F_OK) == -1);
	error = (struct error){ 0 };
	CHECK(undo_create(&undo, log_name, &target, &error));
	CHECK(undo_finish(&undo, &error));
	undo_remove(&undo);
	CHECK(access(log_name, F_OK) == -1);
	close_all();
}

static void
a_log_that_ends_in_end_is_complete(void)
{
	uint64_t ticket;
	off_t size;
	int fd;

	open_target(1 << 20);
	CHECK(undo_create(&undo, log_name, &target, &error));
	CHECK(undo_save(&undo, 0, filled(0xaa), 4096, NULL, &ticket, &error));
	fd = open(log_name, O_RDONLY | O_CLOEXEC);
	size = lseek(fd, 0, SEEK_END);
	CHECK(!undo_log_is_whole(&undo.stream.header, fd, 0, (uint64_t)size));
	CHECK(undo_finish(&undo, &error));
	size = lseek(fd, 0, SEEK_END);
	CHECK(undo_log_is_whole(&undo.stream.header, fd, 0, (uint64_t)size));
	CHECK(undo_log_is_whole(&undo.stream.header, fd, 100, (uint64_t)size - 100));
	CHECK(!undo_log_is_whole(&undo.stream.header, fd, 0, (uint64_t)size - 1));
	CHECK(!undo_log_is_whole(&undo.stream.header, fd, 0, 10));
	close(fd);
	close_all();
}

int
main(void)
{
	disk_folder();
	snprintf(log_name, sizeof(log_name), "%s/log", folder);
	saved_data_is_in_the_log_after_waiting();
	a_range_is_flushed_to_the_log_before_it_is_overwritten();
	after_a_flush_that_failed_nothing_succeeds();
	no_more_than_a_window_is_in_flight();
	a_file_that_exists_is_neither_overwritten_nor_removed();
	a_log_that_cannot_be_begun_is_removed();
	a_log_that_ends_in_end_is_complete();
	return disk_done();
}
