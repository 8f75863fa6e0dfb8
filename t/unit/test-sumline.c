/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "check.h"
#include "sum/sumline.h"

#define D16	"0123456789abcdef"
#define D32	D16 D16
#define D40	D32 "01234567"
#define D64	D32 D32
#define D128	D64 D64

struct line {
	const char *text;
	const char *name;		/* NULL: it is none */
	enum checksum_kind kind;
	const char *digits;
};

static const struct line lines[] = {
	{ D32 "  name", "name", CHECKSUM_MD5, D32 },
	{ D32 " *name", "name", CHECKSUM_MD5, D32 },
	{ D40 "  name", "name", CHECKSUM_SHA1, D40 },
	{ D64 "  name", "name", CHECKSUM_SHA256, D64 },
	{ D128 "  name", "name", CHECKSUM_SHA512, D128 },
	{ D16 "  name", "name", CHECKSUM_XXH64, D16 },
	{ "blk128:" D32 "  name", "name", CHECKSUM_BLK128, D32 },
	{ "blk128:" D32 " *name", "name", CHECKSUM_BLK128, D32 },
	{ "ABCDEF6789abcdef0123456789ABCDEF  name", "name", CHECKSUM_MD5,
	    "abcdef6789abcdef0123456789abcdef" },
	{ D32 "   name", " name", CHECKSUM_MD5, D32 },
	{ D32 "  *name", "*name", CHECKSUM_MD5, D32 },
	{ D32 " **name", "*name", CHECKSUM_MD5, D32 },
	{ D32 " name", "name", CHECKSUM_MD5, D32 },
	{ "  \t" D32 "  name", "name", CHECKSUM_MD5, D32 },
	{ D32 "\t name", "name", CHECKSUM_MD5, D32 },
	{ D32 "  two words ", "two words ", CHECKSUM_MD5, D32 },
	{ D32 "  -", "-", CHECKSUM_MD5, D32 },
	{ D32 "  back\\slash", "back\\slash", CHECKSUM_MD5, D32 },
	{ "\\" D32 "  back\\\\slash", "back\\slash", CHECKSUM_MD5, D32 },
	{ "\\" D32 "  a\\nb\\rc\\\\n", "a\nb\rc\\n", CHECKSUM_MD5, D32 },
	{ "\\" D32 "  plain", "plain", CHECKSUM_MD5, D32 },
	{ "\\" D32 "  bad\\x", NULL, 0, NULL },
	{ "\\" D32 "  bad\\", NULL, 0, NULL },
	{ "\\blk128:" D32 "  a\\nb", "a\nb", CHECKSUM_BLK128, D32 },
	{ "MD5 (name) = " D32, "name", CHECKSUM_MD5, D32 },
	{ "md5 (name) = " D32, "name", CHECKSUM_MD5, D32 },
	{ "BLK128 (name) = " D32, "name", CHECKSUM_BLK128, D32 },
	{ "XXH128 (name) = " D32, "name", CHECKSUM_XXH128, D32 },
	{ "XXH64 (name) = " D16, "name", CHECKSUM_XXH64, D16 },
	{ "SHA1 (name) = " D40, "name", CHECKSUM_SHA1, D40 },
	{ "SHA256 (name) = " D64, "name", CHECKSUM_SHA256, D64 },
	{ "SHA512 (name) = " D128, "name", CHECKSUM_SHA512, D128 },
	{ "SHA256(name)= " D64, "name", CHECKSUM_SHA256, D64 },
	{ "MD5 (a) = b) = " D32, "a) = b", CHECKSUM_MD5, D32 },
	{ "MD5 ( (x) ) = " D32, " (x) ", CHECKSUM_MD5, D32 },
	{ "\\MD5 (a\\nb) = " D32, "a\nb", CHECKSUM_MD5, D32 },
	{ "MD5 () = " D32, NULL, 0, NULL },
	{ "MD5 (name) = " D40, NULL, 0, NULL },
	{ "MD5 (name) = " D32 " ", NULL, 0, NULL },
	{ "MD5 (name) " D32, NULL, 0, NULL },
	{ "MD5 (name", NULL, 0, NULL },
	{ "(name) = " D32, NULL, 0, NULL },
	{ " (name) = " D32, NULL, 0, NULL },
	{ "CRC (name) = " D32, NULL, 0, NULL },
	{ "blk128:" D64 "  name", NULL, 0, NULL },
	{ D32 "0  name", NULL, 0, NULL },
	{ D128 "0  name", NULL, 0, NULL },
	{ D128 D128 "  name", NULL, 0, NULL },
	{ D32 "  ", NULL, 0, NULL },
	{ D32 " *", NULL, 0, NULL },
	{ D32 " ", NULL, 0, NULL },
	{ D32, NULL, 0, NULL },
	{ D32 "name", NULL, 0, NULL },
	{ "g" D32 "  name", NULL, 0, NULL },
	{ "name", NULL, 0, NULL },
	{ "\\", NULL, 0, NULL },
	{ "", NULL, 0, NULL },
};

/* The first line of a list, with bare digests of that kind unless it is NULL. */
static bool
parse(char *text, const enum checksum_kind *kind, struct sumline *sum)
{
	struct sumline_style style = { .has_bare = kind != NULL, .bare = kind != NULL ? *kind : CHECKSUM_BLK128 };

	return sumline_parse(text, &style, sum);
}

static void
lines_are_understood_or_refused(void)
{
	struct sumline sum;

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		const struct line *line = &lines[i];
		char *text = strdup(line->text);
		bool good = parse(text, NULL, &sum);

		check_case = line->text;
		if (CHECK(good == (line->name != NULL)) && good) {
			CHECK_TEXT(sum.name, line->name);
			CHECK_TEXT(sum.digits, line->digits);
			CHECK_NUMBER(sum.kind, line->kind);
		}
		free(text);
	}
	check_case = "";
}

static void
bare_digits_are_what_the_caller_says(void)
{
	struct sumline sum;
	char first[] = D32 "  name", second[] = D32 "  name", third[] = "MD5 (name) = " D32;

	CHECK(parse(first, &(enum checksum_kind){ CHECKSUM_XXH128 }, &sum));
	CHECK_NUMBER(sum.kind, CHECKSUM_XXH128);
	CHECK(!parse(second, &(enum checksum_kind){ CHECKSUM_SHA256 }, &sum));
	CHECK(parse(third, &(enum checksum_kind){ CHECKSUM_SHA256 }, &sum));
	CHECK_NUMBER(sum.kind, CHECKSUM_MD5);
}

static const char *const names[] = {
	"name", " name", "*name", "a\nb", "a\rb", "a\\b", "\\", "\n", "-", "a) = b", "(", ")", "\xc3\xbc",
};

/* A printed line is parsed back with the same meaning. */
static void
any_name_survives_a_list(void)
{
	for (size_t i = 0; i < 8 * sizeof(names) / sizeof(*names); i++) {
		enum checksum_kind kind = i % 2 ? CHECKSUM_BLK128 : CHECKSUM_SHA1;
		const char *digits = i % 2 ? D32 : D40, *name = names[i / 8];
		char text[256] = "";
		FILE *file = fmemopen(text, sizeof(text), "w");
		struct sumline sum;

		check_case = name;
		sumline_print(file, kind, digits, name, i / 2 % 2 * SUMLINE_BINARY | i / 4 % 2 * SUMLINE_TAG);
		fclose(file);
		CHECK(strlen(text) > 0 && strchr(text, '\n') == text + strlen(text) - 1);
		text[strlen(text) - 1] = '\0';
		if (!CHECK(parse(text, NULL, &sum)))
			continue;
		CHECK_TEXT(sum.name, name);
		CHECK_TEXT(sum.digits, digits);
		CHECK_NUMBER(sum.kind, kind);
	}
	check_case = "";
}

static void
lists_are_read_line_by_line(void)
{
	static const char list[] = "# comment\n\n\r\n" D32 "  name\n" D40 "  other\r\nnothing\n"
	    D32 "  z\0ro\n" D32 "  zero\0\n#" D32 "  name\n" D32 "  last";
	static const enum sumline_found want[] = {
		SUMLINE_COMMENT, SUMLINE_COMMENT, SUMLINE_COMMENT, SUMLINE_SUM, SUMLINE_SUM,
		SUMLINE_MALFORMED, SUMLINE_MALFORMED, SUMLINE_MALFORMED, SUMLINE_COMMENT,
		SUMLINE_SUM, SUMLINE_END, SUMLINE_END
	};
	static const char *const found[] = { [3] = "name", [4] = "other", [9] = "last" };
	static char room[SUMLINE_MAX];
	struct sumline_style style = { 0 };
	struct input input;
	struct sumline sum;

	input_open(&input, check_file(list, sizeof(list) - 1), -1, "list");
	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
		CHECK_NUMBER(sumline_read(&input, room, &style, &sum), want[i]);
		if (want[i] == SUMLINE_SUM)
			CHECK_TEXT(sum.name, found[i]);
	}
	close(input.fd);
	CHECK_NUMBER(sumline_read(&input, room, &style, &sum), SUMLINE_END);
	input_open(&input, -1, -1, "list");
	CHECK_NUMBER(sumline_read(&input, room, &style, &sum), SUMLINE_ERROR);
	CHECK_NUMBER(errno, EBADF);
}

static void
a_line_that_is_too_long_is_malformed_and_the_next_is_read(void)
{
	static char list[3 * SUMLINE_MAX], room[SUMLINE_MAX];
	static const size_t lengths[] = {
		SUMLINE_MAX - 2, SUMLINE_MAX - 1, SUMLINE_MAX, SUMLINE_MAX + 1, 2 * SUMLINE_MAX
	};
	struct sumline_style style = { 0 };
	struct input input;
	struct sumline sum;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		memset(list, 'x', sizeof(list));
		memcpy(list, D32 "  ", 34);
		memcpy(list + lengths[i], "\n" D32 "  next", 39);
		input_open(&input, check_file(list, lengths[i] + 39), -1, "list");
		CHECK_NUMBER(sumline_read(&input, room, &style, &sum),
		    lengths[i] < SUMLINE_MAX ? SUMLINE_SUM : SUMLINE_MALFORMED);
		CHECK_NUMBER(sumline_read(&input, room, &style, &sum), SUMLINE_SUM);
		CHECK_TEXT(sum.name, "next");
		close(input.fd);
	}
}

int
main(void)
{
	lines_are_understood_or_refused();
	bare_digits_are_what_the_caller_says();
	any_name_survives_a_list();
	lists_are_read_line_by_line();
	a_line_that_is_too_long_is_malformed_and_the_next_is_read();
	return check_done();
}
