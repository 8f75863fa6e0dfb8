/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>

#include "base/error.h"
#include "check.h"

static void
the_first_error_wins(void)
{
	struct error error = { 0 };

	CHECK(!error_set(&error, "%s: byte %d", "disk", 7));
	errno = EIO;
	CHECK(!error_errno(&error, "later"));
	CHECK(!error_set(&error, "last"));

	CHECK(error.set);
	CHECK_NUMBER(error.number, 0);
	CHECK_TEXT(error.text, "disk: byte 7");
}

static void
errno_is_named_and_kept(void)
{
	struct error error = { 0 };

	errno = ENOSPC;
	CHECK(!error_errno(&error, "target: at byte %d", 512));

	CHECK_NUMBER(errno, ENOSPC);
	CHECK_NUMBER(error.number, ENOSPC);
	CHECK_TEXT(error.text, "target: at byte 512: No space left on device");
}

static void
a_message_is_one_printable_line(void)
{
	struct error error = { 0 };

	error_set(&error, "a\nb\033[2Jc\177d\te");

	CHECK_TEXT(error.text, "a?b?[2Jc?d?e");
}

static void
a_long_message_is_cut(void)
{
	struct error error = { 0 }, system = { 0 };
	char text[3000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	error_set(&error, "%s", text);
	errno = EIO;
	error_errno(&system, "%s", text);

	CHECK_NUMBER(strlen(error.text), sizeof(error.text) - 1);
	CHECK_NUMBER(strlen(system.text), sizeof(system.text) - 1);
}

static void
text_of_a_stream_is_escaped(void)
{
	char out[16];

	text_escape(out, sizeof(out), (const unsigned char *)"a\033[1m\0\x9b\n\xc3\xa9~", 11);
	CHECK_TEXT(out, "a?[1m?????~");
	text_escape(out, 4, (const unsigned char *)"abcdef", 6);
	CHECK_TEXT(out, "abc");
	text_escape(out, 1, (const unsigned char *)"abcdef", 6);
	CHECK_TEXT(out, "");
	text_escape(out, sizeof(out), (const unsigned char *)"", 0);
	CHECK_TEXT(out, "");
}

static void
what_is_utf8_stays_but_for_control_characters(void)
{
	static const struct {
		const char *text, *clean;
	} cases[] = {
		{ "plain", "plain" },
		{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "\033[m\x7f\t\xc2\x9b" "31m\xc2\xa0", "?[m????31m\xc2\xa0" },
		{ "\x9b" "31m", "?31m" },
		{ "\xe0\x82\x9b\xc1\x9b", "?????" },		/* overlong */
		{ "\xed\xa0\x80\xf4\x90\x80\x80", "???????" },	/* surrogate, beyond U+10FFFF */
		{ "a\xc3", "a?" }, { "a\xe2\x82", "a??" }, { "a\xf0\x9f\x98", "a???" },
		{ "\xc3" "b", "?b" }, { "\xff\xfe", "??" }, { "", "" },
	};
	char text[32];
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		strcpy(text, cases[i].text);
		text_clean(text);
		CHECK_TEXT(text, cases[i].clean);
	}
}

int
main(void)
{
	the_first_error_wins();
	errno_is_named_and_kept();
	a_message_is_one_printable_line();
	a_long_message_is_cut();
	text_of_a_stream_is_escaped();
	what_is_utf8_stays_but_for_control_characters();
	return check_done();
}
