/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>

#include "check.h"
#include "consume.h"
#include "diff/delta.h"
#include "meter/meter.h"
#include "noise.h"
#include "store.h"

#define MOST	(3u << 20)

/* The base that ranges are compared with. */
enum against { NOTHING, DEVICE, STORE };

static unsigned char before[MOST], after[MOST], target[MOST], store[2 * MOST];
static struct extents ranges;

/* Ranges of the part of the device that the delta is of, on no grid. */
static void
make_ranges(uint64_t offset, uint64_t length)
{
	unsigned times = (unsigned)noise(20);

	ranges.count = 0;
	while (times-- > 0) {
		uint64_t at = noise(length + 1), part = noise(length - at + 1);

		CHECK(extents_add(&ranges, offset + at, noise(3) == 0 ? part : part / 50));
	}
	extents_settle(&ranges, offset, offset + length);
}

/* The store of an origin that was before, and is after in all of its chunks. */
static void
make_store(struct cow *cow, struct source *source, uint64_t size)
{
	uint64_t chunks = (size + STORE_CHUNK - 1) / STORE_CHUNK, n;
	struct error error = { 0 };

	memset(store, 0, sizeof(store));
	store_fill(store, 0, 4);
	for (n = 0; n < chunks; n++) {
		store64(store + store_entry(n), n);
		store64(store + store_entry(n) + 8, store_data(n) / STORE_CHUNK);
		memcpy(store + store_data(n), before + n * STORE_CHUNK, STORE_CHUNK);
	}
	noise_source(source, store, store_size(chunks), "store");
	if (!cow_read(cow, source, size, &error))
		errx(2, "%s", error.text);
}

/* Make a delta of the ranges, apply it, and compare the result with the model. */
static void
check_delta(uint64_t size, uint64_t old_size, enum against against, unsigned jobs)
{
	uint64_t offset = noise(2) * noise(size + 1);
	uint64_t length = size - offset - noise(2) * noise(size - offset + 1);
	struct consumer consumer = { .device = target, .capacity = length };
	struct source source, old, store_source;
	struct error error = { 0 };
	struct stream_header header;
	struct cow cow = { 0 };
	struct delta delta = {
		.source = &source, .offset = offset, .length = length, .ranges = &ranges, .jobs = jobs,
		.old_end = old_size
	};
	int fd = memfd_create("delta", MFD_CLOEXEC);
	size_t i;

	make_ranges(offset, length);
	noise_source(&source, after, size, "after");
	noise_source(&old, before, old_size, "before");
	if (against == DEVICE)
		delta.old_source = &old;
	if (against == STORE) {
		make_store(&cow, &store_source, size);
		delta.old_store = &cow;
		delta.old_end = size;
	}
	header_init(&header, STREAM_DELTA, length);
	CHECK(delta_begin(&delta, fd, &header));
	CHECK(delta_run(&delta, &error));
	CHECK(delta_end(&delta, NULL, NULL));
	CHECK_TEXT(error.text, "");
	if (lseek(fd, 0, SEEK_SET) != 0)
		err(2, "memfd");
	memcpy(target, before + offset, length);
	CHECK(consume(&consumer, fd));
	CHECK_TEXT(consumer.error.text, "");
	for (i = 0; i < ranges.count; i++)
		memcpy(before + ranges.list[i].offset, after + ranges.list[i].offset, ranges.list[i].length);
	CHECK(memcmp(target, before + offset, length) == 0);
	if (against == STORE)
		source_close(&store_source);
	cow_free(&cow);
	source_close(&source);
	source_close(&old);
	close(fd);
}

static bool
stop(void *context, uint64_t offset, uint64_t length)
{
	struct extent *first = context;

	*first = (struct extent){ offset, length };
	return false;
}

/* The first difference ends the search, without an error. */
static void
check_stop(void)
{
	struct extent first = { 0 };
	struct source source, old;
	struct error error = { 0 };
	struct delta delta = {
		.source = &source, .length = MOST, .ranges = &ranges, .jobs = 4, .old_source = &old,
		.old_end = MOST, .found = stop, .found_context = &first
	};

	memcpy(after, before, MOST);
	after[1000000]++;
	after[1500000]++;
	noise_source(&source, after, MOST, "after");
	noise_source(&old, before, MOST, "before");
	ranges.count = 0;
	CHECK(extents_add(&ranges, 0, MOST));
	CHECK(!delta_run(&delta, &error));
	CHECK(!error.set);
	CHECK_NUMBER(delta.write_errno, 0);
	CHECK_NUMBER(first.offset, 999424);
	CHECK_NUMBER(first.length, 4096);
}

/* How far a meter sees the comparison, after all of the stream but its END. */
static void
check_meter(int fd)
{
	static struct meter meter;
	unsigned char bytes[4096];
	ssize_t length = pread(fd, bytes, sizeof(bytes), 0);
	size_t at = 0, n;

	meter_open(&meter, "delta", false);
	while ((ssize_t)at < length && (n = meter_wants(&meter)) > 0) {
		meter_see(&meter, bytes + at, n);
		at += n;
	}
	CHECK_NUMBER(at, length);
	CHECK_TEXT(meter.fault.text, "");
	CHECK_NUMBER(meter.compared, 8192);
	CHECK_NUMBER(meter.compared_total, MOST);
}

/* Now and then a NOTE says how far the comparison has come; a stream with one and is as good as before. */
static void
check_silence(void)
{
	struct consumer consumer = { .device = target, .capacity = MOST };
	struct source source;
	struct stream_header header;
	struct delta delta = { .source = &source, .length = MOST };
	int fd = memfd_create("delta", MFD_CLOEXEC);

	noise_source(&source, after, MOST, "after");
	header_init(&header, STREAM_DELTA, MOST);
	CHECK(delta_begin(&delta, fd, &header));
	delta.noted = clock_seconds() + 60;
	CHECK(delta_pass(&delta, 4096));
	delta.noted = clock_seconds();
	CHECK_NUMBER(lseek(fd, 0, SEEK_CUR), STREAM_HEADER_MIN);
	delta.total = MOST;
	delta.noted -= 60;
	CHECK(delta_pass(&delta, 8192));
	CHECK_NUMBER(lseek(fd, 0, SEEK_CUR), STREAM_HEADER_MIN + RECORD_SIZE +
	    snprintf(NULL, 0, "compared=8192/%ju", (uintmax_t)MOST));
	delta.noted = clock_seconds() + 60;
	CHECK(delta_pass(&delta, 12288));
	CHECK_NUMBER(lseek(fd, 0, SEEK_CUR), STREAM_HEADER_MIN + RECORD_SIZE +
	    snprintf(NULL, 0, "compared=8192/%ju", (uintmax_t)MOST));
	check_meter(fd);
	CHECK(delta_end(&delta, NULL, NULL));
	if (lseek(fd, 0, SEEK_SET) != 0)
		err(2, "memfd");
	CHECK(consume(&consumer, fd));
	CHECK_TEXT(consumer.error.text, "");
	source_close(&source);
	close(fd);
}

int
main(void)
{
	unsigned i;

	for (i = 0; i < 150; i++) {
		uint64_t size = 1 + noise(MOST), old_size = i % 3 == 0 ? noise(size + 1) : size;
		enum against against = i % 4 == 0 ? NOTHING : i % 4 == 1 ? STORE : DEVICE;

		memset(before, 0, sizeof(before));
		noise_scribble(before, size, 30);
		memcpy(after, before, sizeof(after));
		noise_scribble(after, size, 30);
		check_delta(size, old_size, against, 1 + (unsigned)noise(4));
	}
	check_stop();
	check_silence();
	extents_free(&ranges);
	return check_done();
}
