/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>

#include "check.h"
#include "diff/changes.h"
#include "diff/listing.h"
#include "noise.h"

#define DEVICE	(1ull << 40)

static char list[600000];

static bool
read_list(size_t length, struct extents *extents, struct error *error)
{
	static const struct changes_options options = { .size = DEVICE, .era_block = 4096 };
	int fd = check_file(list, length);
	struct input input;
	bool done;

	*extents = (struct extents){ 0 };
	*error = (struct error){ 0 };
	input_open(&input, fd, -1, "list");
	done = changes_read(&input, &options, extents, error);
	close(fd);
	extents_settle(extents, 0, DEVICE);
	return done;
}

/* Lines of every length, so that they meet the ends of all buffers everywhere. */
static void
check_lines(size_t width)
{
	struct extents extents;
	struct error error;
	size_t used = 0, lines = 0, i;

	while (used + width + 1 < sizeof(list)) {
		int n = snprintf(list + used, sizeof(list) - used, "%zu 1 ", lines * 2);

		memset(list + used + n, noise(2) == 0 ? ' ' : '\t', width - (size_t)n);
		list[used + width] = '\n';
		used += width + 1;
		lines++;
	}
	CHECK(read_list(used, &extents, &error));
	CHECK_TEXT(error.text, "");
	CHECK_NUMBER(extents.count, lines);
	for (i = 0; i < extents.count; i++)
		if (extents.list[i].offset != 2 * i || extents.list[i].length != 1) {
			CHECK(!"a line was misread");
			break;
		}
	extents_free(&extents);
	/* One byte less, and the last line has no end. */
	CHECK(!read_list(used - 1, &extents, &error));
	CHECK(strstr(error.text, "it has no end") != NULL);
	extents_free(&extents);
}

/* The longest line that is one, and the shortest that is none. */
static void
check_longest(void)
{
	struct extents extents;
	struct error error;

	memset(list, '#', sizeof(list));
	list[1023] = '\n';
	CHECK(read_list(1024, &extents, &error));
	list[1023] = '#';
	list[1024] = '\n';
	CHECK(!read_list(1025, &extents, &error));
	CHECK_TEXT(error.text, "list: line 1: not a line of text");
}

/* A printed list is read back unchanged. */
static void
check_listing(void)
{
	struct extents extents = { 0 }, again;
	struct listing listing = { 0 };
	struct error error;
	unsigned i;

	for (i = 0; i < 1000; i++)
		CHECK(extents_add(&extents, noise(DEVICE - 100), 1 + noise(100)));
	extents_settle(&extents, 0, DEVICE);
	listing.out = fmemopen(list, sizeof(list), "w");
	for (i = 0; i < extents.count; i++) {
		uint64_t half = extents.list[i].length / 2;

		if (half > 0)
			listing_add(&listing, extents.list[i].offset, half);
		listing_add(&listing, extents.list[i].offset + half, extents.list[i].length - half);
	}
	listing_finish(&listing);
	CHECK_NUMBER(listing.ranges, extents.count);
	CHECK_NUMBER(listing.bytes, extents_total(&extents));
	fclose(listing.out);
	CHECK(read_list(strlen(list), &again, &error));
	CHECK(again.count == extents.count &&
	    memcmp(again.list, extents.list, again.count * sizeof(*again.list)) == 0);
	extents_free(&extents);
	extents_free(&again);
}

/* A file that is broken here and there: one line of an error, or ranges of the device. */
static void
check_mutations(const char *text)
{
	size_t length = strlen(text);
	unsigned i, times;

	for (i = 0; i < 3000; i++) {
		struct extents extents;
		struct error error;
		bool done;

		memcpy(list, text, length);
		for (times = 1 + (unsigned)noise(3); times > 0; times--)
			list[noise(length)] = noise(3) == 0 ? (char)noise(256) : text[noise(length)];
		done = read_list(noise(10) == 0 ? (size_t)noise(length + 1) : length, &extents, &error);
		CHECK(done != error.set);
		CHECK(!error.set || strncmp(error.text, "list: ", 6) == 0);
		CHECK(strpbrk(error.text, "\n\033") == NULL);
		CHECK(extents.count == 0 || extents.list[extents.count - 1].offset < DEVICE);
		extents_free(&extents);
	}
}

int
main(void)
{
	static const size_t widths[] = { 15, 63, 64, 65, 127, 128, 999, 1023 };
	size_t i;

	for (i = 0; i < sizeof(widths) / sizeof(widths[0]); i++)
		check_lines(widths[i]);
	check_longest();
	check_listing();
	check_mutations("# list\n0 65536\n131072 4096\n4096 10\n1099511627775 4096\n");
	check_mutations("0 65536 1 dirty\n65536 65536 0 clean\n131072 1099511496704 1 dirty\n");
	check_mutations("<superblock uuid=\"\" data_block_size=\"128\" nr_data_blocks=\"0\">\n"
	    "<diff left=\"2\" right=\"1\"><different begin=\"0\" length=\"1\"/><same>\n"
	    "<range begin=\"1\" data_begin=\"1\" length=\"5\"/></same><left_only><range begin=\"6\"\n"
	    "length=\"1\"/></left_only></diff></superblock>\n");
	check_mutations("<blocks>\n  <block block=\"0\"/>\n  <range begin=\"6\" end = \"8\"/>\n</blocks>\n");
	return check_done();
}
