/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/bytes.h"
#include "check.h"

static void
loads_take_the_low_byte_first(void)
{
	/* One byte in, so that nothing is aligned. */
	static const unsigned char p[] = { 0xff, 1, 2, 3, 4, 5, 6, 7, 0x88, 0xff };

	CHECK_NUMBER(load16(p + 1), 0x0201);
	CHECK_NUMBER(load32(p + 1), 0x04030201);
	CHECK_NUMBER(load64(p + 1), UINT64_C(0x8807060504030201));
}

static void
stores_touch_nothing_beside(void)
{
	unsigned char p[12];

	memset(p, 0xee, sizeof(p));
	store64(p + 1, UINT64_C(0x8807060504030201));
	CHECK(memcmp(p, "\xee\1\2\3\4\5\6\7\x88\xee\xee\xee", 12) == 0);

	memset(p, 0xee, sizeof(p));
	store32(p + 3, 0x84030201);
	CHECK(memcmp(p, "\xee\xee\xee\1\2\3\x84\xee\xee\xee\xee\xee", 12) == 0);

	memset(p, 0xee, sizeof(p));
	store16(p + 5, 0x8201);
	CHECK(memcmp(p, "\xee\xee\xee\xee\xee\1\x82\xee\xee\xee\xee\xee", 12) == 0);
}

int
main(void)
{
	loads_take_the_low_byte_first();
	stores_touch_nothing_beside();
	return check_done();
}
