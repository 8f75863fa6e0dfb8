/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <math.h>

#include "base/size.h"
#include "check.h"

struct parse {
	const char *text;
	uint64_t bytes;
	int error;		/* 0: it is accepted */
};

static const struct parse sizes[] = {
	{ "0", 0, 0 },
	{ "4096", 4096, 0 },
	{ "007", 7, 0 },
	{ "1B", 1, 0 },
	{ "8s", 4096, 0 },
	{ "64K", 65536, 0 },
	{ "64k", 65536, 0 },
	{ "64KiB", 65536, 0 },
	{ "64KB", 64000, 0 },
	{ "10MB", 10000000, 0 },
	{ "1.5G", UINT64_C(1610612736), 0 },
	{ "0.5K", 512, 0 },
	{ "1.0", 1, 0 },
	{ "20GiB", UINT64_C(21474836480), 0 },
	{ "1T", UINT64_C(1) << 40, 0 },
	{ "1P", UINT64_C(1) << 50, 0 },
	{ "7E", UINT64_C(7) << 60, 0 },
	{ "9223372036854775807", SIZE_LIMIT, 0 },
	{ "9223372036854775808", 0, ERANGE },
	{ "18446744073709551615", 0, ERANGE },
	{ "18446744073709551616", 0, ERANGE },
	{ "99999999999999999999999999", 0, ERANGE },
	{ "8E", 0, ERANGE },
	{ "9223372036854775807K", 0, ERANGE },
	{ "7.9999999E", 0, EINVAL },
	{ "", 0, EINVAL },
	{ "K", 0, EINVAL },
	{ "-1", 0, EINVAL },
	{ "+1", 0, EINVAL },
	{ " 1", 0, EINVAL },
	{ "1 ", 0, EINVAL },
	{ "1 K", 0, EINVAL },
	{ "12abc", 0, EINVAL },
	{ "0x10", 0, EINVAL },
	{ "1e3", 0, EINVAL },
	{ "1.", 0, EINVAL },
	{ "1.K", 0, EINVAL },
	{ ".5K", 0, EINVAL },
	{ "1.5", 0, EINVAL },
	{ "1.5B", 0, EINVAL },
	{ "0.3K", 0, EINVAL },
	{ "1.2.3K", 0, EINVAL },
	{ "1Ki", 0, EINVAL },
	{ "1KiBs", 0, EINVAL },
	{ "1KK", 0, EINVAL },
	{ "1S", 0, EINVAL },
	{ "1.00000000000000000000001K", 0, EINVAL },
};

static void
sizes_are_parsed_whole_or_refused(void)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t bytes = 12345;
		bool ok;

		check_case = sizes[i].text;
		errno = 0;
		ok = size_parse(sizes[i].text, &bytes);
		CHECK_NUMBER(ok, sizes[i].error == 0);
		CHECK_NUMBER(errno, sizes[i].error);
		CHECK_NUMBER(bytes, ok ? sizes[i].bytes : 12345);
	}
	check_case = "";
}

static void
sizes_are_printed_short(void)
{
	static const struct { uint64_t bytes; const char *text; } rows[] = {
		{ 0, "0 B" },
		{ 512, "512 B" },
		{ 1023, "1023 B" },
		{ 1024, "1.0 KiB" },
		{ 1536, "1.5 KiB" },
		{ 102348, "99.9 KiB" },
		{ 102400, "100 KiB" },
		{ 1048063, "1023 KiB" },
		{ 1048064, "1.0 MiB" },
		{ 1048575, "1.0 MiB" },
		{ UINT64_C(20) << 30, "20.0 GiB" },
		{ UINT64_C(1) << 40, "1.0 TiB" },
		{ SIZE_LIMIT, "8.0 EiB" },
		{ UINT64_MAX, "16.0 EiB" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char out[16];

		CHECK_TEXT(size_format(out, sizeof(out), rows[i].bytes), rows[i].text);
	}
}

static void
numbers_are_decimal_and_bounded(void)
{
	static const struct { const char *text; uint64_t low, high, number; int error; } rows[] = {
		{ "0", 0, 9, 0, 0 },
		{ "9", 1, 9, 9, 0 },
		{ "09", 1, 9, 9, 0 },
		{ "18446744073709551615", 0, UINT64_MAX, UINT64_MAX, 0 },
		{ "18446744073709551616", 0, UINT64_MAX, 0, ERANGE },
		{ "99999999999999999999", 0, UINT64_MAX, 0, ERANGE },
		{ "0", 1, 9, 0, ERANGE },
		{ "10", 1, 9, 0, ERANGE },
		{ "", 0, 9, 0, EINVAL },
		{ "-1", 0, UINT64_MAX, 0, EINVAL },
		{ "+1", 0, 9, 0, EINVAL },
		{ "1 ", 0, 9, 0, EINVAL },
		{ " 1", 0, 9, 0, EINVAL },
		{ "1K", 0, 9, 0, EINVAL },
		{ "0x1", 0, 9, 0, EINVAL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t number = 0;
		bool ok;

		check_case = rows[i].text;
		errno = 0;
		ok = number_parse(rows[i].text, rows[i].low, rows[i].high, &number);
		CHECK_NUMBER(ok, rows[i].error == 0);
		CHECK_NUMBER(errno, rows[i].error);
		CHECK_NUMBER(number, rows[i].number);
	}
	check_case = "";
}

static void
no_rate_overflows_and_none_divides_by_zero(void)
{
	static const struct { double bytes; uint64_t whole; } rows[] = {
		{ 0, 0 }, { 1.9, 1 }, { -1, 0 }, { 0x1p63, 1ull << 63 }, { 0x1p64, UINT64_MAX },
		{ 1e300, UINT64_MAX }, { INFINITY, UINT64_MAX }, { -INFINITY, 0 }, { NAN, 0 },
	};
	char text[16];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CHECK_NUMBER(size_from_double(rows[i].bytes), rows[i].whole);
	CHECK_TEXT(size_format_rate(text, sizeof(text), 3 << 20, 2), "1.5 MiB");
	CHECK_TEXT(size_format_rate(text, sizeof(text), 1024, 0), "1000 KiB");
	CHECK_TEXT(size_format_rate(text, sizeof(text), 1ull << 63, 0), "16.0 EiB");
}

int
main(void)
{
	no_rate_overflows_and_none_divides_by_zero();
	sizes_are_parsed_whole_or_refused();
	sizes_are_printed_short();
	numbers_are_decimal_and_bounded();
	return check_done();
}
