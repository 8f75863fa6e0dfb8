/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/io.h"
#include "check.h"
#include "device/evidence.h"
#include "device/fresh.h"
#include "device/source.h"

#define SIZE	(8u << 20)

static unsigned char *data;

/* A file of SIZE bytes, none of which was written out yet. */
static int
begin(char name[])
{
	int fd = mkstemp(name);

	if (fd == -1 || !pwrite_full(fd, data, SIZE, 0))
		err(2, "%s", name);
	return fd;
}

/* What fresh_drop gives where all can be dropped: the folder may be a tmpfs. */
static enum fresh
best(int fd)
{
	return fresh_at_best(fd);
}

static void
all_of_a_file_goes_and_nothing_is_lost(void)
{
	char name[] = "/tmp/fresh.XXXXXX";
	unsigned char *seen = malloc(SIZE);
	int fd = begin(name), lost = 0;

	unlink(name);
	CHECK(seen != NULL);
	CHECK_NUMBER(fresh_cached(fd, 0, 0), SIZE);
	CHECK_NUMBER(fresh_drop(fd, 0, 0, &lost), best(fd));
	CHECK_NUMBER(lost, 0);
	CHECK_NUMBER(fresh_cached(fd, 0, 0), best(fd) == FRESH_MEMORY ? SIZE : 0);
	CHECK(pread_full(fd, seen, SIZE, 0) == SIZE && memcmp(seen, data, SIZE) == 0);
	free(seen);
	close(fd);
}

/* Pages around it may go as well, but what is far away stays. */
static void
a_range_goes_whatever_folios_it_cuts(void)
{
	static const struct { uint64_t offset, length; } ranges[] = {
		{ 0, 1 }, { 4095, 2 }, { 1u << 20, 256u << 10 }, { 5u << 20, 300000 }, { SIZE - 1, 1 },
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++) {
		char name[] = "/tmp/fresh.XXXXXX";
		int fd = begin(name), lost = 0;
		uint64_t at = ranges[i].offset, length = ranges[i].length;

		unlink(name);
		CHECK_NUMBER(fresh_drop(fd, at, length, &lost), best(fd));
		if (best(fd) != FRESH_MEMORY)
			CHECK_NUMBER(fresh_cached(fd, at, length), 0);
		CHECK(fresh_cached(fd, 0, 0) >= (int64_t)(SIZE / 2));
		CHECK_NUMBER(lost, 0);
		close(fd);
	}
}

/* The kernel drops no page that a process has mapped. */
static void
a_page_that_stays_is_seen(void)
{
	char name[] = "/tmp/fresh.XXXXXX";
	int fd = begin(name), lost = 0;
	unsigned char *map = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);

	unlink(name);
	CHECK(map != MAP_FAILED && *(volatile unsigned char *)(map + SIZE / 2) == data[SIZE / 2]);
	CHECK_NUMBER(fresh_drop(fd, 0, 0, &lost),
	    best(fd) == FRESH_MEDIUM ? FRESH_KEPT : best(fd));
	CHECK(fresh_cached(fd, SIZE / 2, 1) > 0);
	munmap(map, SIZE);
	CHECK_NUMBER(fresh_drop(fd, 0, 0, &lost), best(fd));
	close(fd);
}

static void
memory_is_no_medium(void)
{
	int fd = check_file(data, SIZE), lost = 0;

	CHECK_NUMBER(fresh_at_best(fd), FRESH_MEMORY);
	CHECK(!fresh_is_direct(fd));
	CHECK_NUMBER(fresh_drop(fd, 0, 0, &lost), FRESH_MEMORY);
	CHECK_NUMBER(fresh_drop(fd, 4096, 4096, &lost), FRESH_MEMORY);
	CHECK_NUMBER(lost, 0);
	close(fd);
}

/* Where O_DIRECT bypasses the cache the pages may stay; else they went. */
static void
a_source_is_read_from_the_medium(void)
{
	char name[] = "/tmp/fresh.XXXXXX";
	struct error error = { 0 };
	struct source source;
	int fd = begin(name);

	CHECK(source_open(&source, name, SOURCE_MEDIUM, false, &error));
	CHECK_NUMBER(source.fresh, best(fd));
	CHECK_NUMBER(source.lost, 0);
	CHECK(source.direct || best(fd) == FRESH_MEMORY || fresh_cached(fd, 0, 0) == 0);
	source_close(&source);
	unlink(name);
	close(fd);
}

static void
evidence_names_the_first_and_counts_the_others(void)
{
	struct evidence evidence = { 0 };
	char line[200];

	evidence_add(&evidence, "good", FRESH_MEDIUM, 0);
	CHECK(!evidence_next(&evidence, line, sizeof(line)));

	evidence_add(&evidence, "a", FRESH_MEMORY, 0);
	evidence_add(&evidence, "b", FRESH_MEDIUM, EIO);
	CHECK(evidence_next(&evidence, line, sizeof(line)));
	CHECK_TEXT(line, "a: only a cache was read, not the medium: its file system is in memory");
	CHECK(evidence_next(&evidence, line, sizeof(line)));
	CHECK_TEXT(line, "b: an earlier write was lost (Input/output error); "
	    "the result is that of the medium");
	CHECK(!evidence_next(&evidence, line, sizeof(line)));

	evidence_add(&evidence, "c", FRESH_KEPT, 0);
	evidence_add(&evidence, "d", FRESH_MEMORY, 0);
	CHECK(evidence_next(&evidence, line, sizeof(line)));
	CHECK_TEXT(line, "c and 1 other file: only a cache was read, not the medium: some pages "
	    "cannot be dropped, for they are mapped or written all the time");
	evidence_add(&evidence, "a long name", FRESH_SERVER, 0);
	CHECK(evidence_next(&evidence, line, 8));
	CHECK_TEXT(line, "a long ");
	CHECK(!evidence_next(&evidence, line, sizeof(line)));
}

int
main(void)
{
	data = malloc(SIZE);
	if (data == NULL)
		err(2, "memory");
	for (size_t i = 0; i < SIZE; i++)
		data[i] = (unsigned char)(i * 131 >> 7);
	all_of_a_file_goes_and_nothing_is_lost();
	a_range_goes_whatever_folios_it_cuts();
	a_page_that_stays_is_seen();
	memory_is_no_medium();
	a_source_is_read_from_the_medium();
	evidence_names_the_first_and_counts_the_others();
	free(data);
	return check_done();
}
