/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/extents.h"
#include "base/size.h"
#include "check.h"
#include "noise.h"

#define BYTES	3000

/* Random ranges against a map of bytes. */
static void
check_against_bytes(unsigned ranges, uint64_t longest)
{
	static bool bytes[BYTES];
	struct extents extents = { 0 };
	uint64_t start = noise(BYTES), end = start + noise(BYTES - start + 1), at, total = 0;
	size_t i;

	memset(bytes, 0, sizeof(bytes));
	while (ranges-- > 0) {
		uint64_t offset = noise(BYTES), length = noise(longest + 1);

		length = length < BYTES - offset ? length : BYTES - offset;
		CHECK(extents_add(&extents, offset, length));
		memset(bytes + offset, true, length);
	}
	extents_settle(&extents, start, end);
	for (i = 0; i < extents.count; i++) {
		const struct extent *extent = &extents.list[i];

		CHECK(extent->length > 0);
		CHECK(extent->offset >= start && extent->offset + extent->length <= end);
		CHECK(i == 0 || extent->offset > extent[-1].offset + extent[-1].length);
		for (at = 0; at < extent->length; at++)
			CHECK(bytes[extent->offset + at]);
	}
	for (at = start; at < end; at++)
		total += bytes[at];
	CHECK_NUMBER(extents_total(&extents), total);
	extents_free(&extents);
}

/* Adding the same ranges again and again does not grow the list. */
static void
check_repeated(void)
{
	struct extents extents = { 0 };
	uint64_t i;

	for (i = 0; i < 5000000; i++)
		CHECK(extents_add(&extents, noise(100000) * 2, 1));
	CHECK(extents.room <= 1u << 20);
	extents_settle(&extents, 0, SIZE_LIMIT);
	CHECK(extents.count <= 100000);
	extents_free(&extents);
}

static void
check_limits(void)
{
	struct extents extents = { 0 };

	extents_settle(&extents, 0, SIZE_LIMIT);
	CHECK_NUMBER(extents.count, 0);
	CHECK(extents_add(&extents, SIZE_LIMIT - 1, 1));
	CHECK(extents_add(&extents, 0, SIZE_LIMIT - 1));
	extents_settle(&extents, 0, SIZE_LIMIT);
	CHECK_NUMBER(extents.count, 1);
	CHECK_NUMBER(extents.list[0].length, SIZE_LIMIT);
	extents_settle(&extents, 10, 10);
	CHECK_NUMBER(extents.count, 0);
	extents_free(&extents);
	CHECK(extents.list == NULL);
}

int
main(void)
{
	unsigned i;

	for (i = 0; i < 1000; i++)
		check_against_bytes((unsigned)noise(300), 1 + noise(60));
	check_repeated();
	check_limits();
	return check_done();
}
