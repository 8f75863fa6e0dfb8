/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>

#include "check.h"
#include "stream/id.h"

#define ID	"00112233445566778899aabbccddeeff"

static const unsigned char want[STREAM_ID_SIZE] = {
	0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
	0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff
};

static const struct content {
	const char *text;
	bool good;
} contents[] = {
	{ ID, true },
	{ ID "\n", true },
	{ ID " \t\r\n\n", true },
	{ "00112233445566778899AABBCCDDEEFF\n", true },
	{ "", false },
	{ "\n", false },
	{ " " ID, false },
	{ "0x" ID, false },
	{ ID "0", false },
	{ ID "\n0", false },
	{ ID " " ID, false },
	{ "00112233445566778899aabbccddeef", false },
	{ "00112233445566778899aabbccddeefg", false },
	{ "00112233445566778899aabbccddee\xc3\xbf", false },
	{ "00112233-4455-6677-8899-aabbccddeeff", false },
};

static void
ids_are_read_from_files(void)
{
	for (size_t i = 0; i < sizeof(contents) / sizeof(*contents); i++) {
		int fd = check_file(contents[i].text, strlen(contents[i].text));
		unsigned char id[STREAM_ID_SIZE] = { 0 };
		struct error error = { 0 };
		char argument[64];

		check_case = contents[i].text;
		snprintf(argument, sizeof(argument), "@/proc/self/fd/%d", fd);
		CHECK(id_load(argument, id, &error) == contents[i].good);
		if (contents[i].good)
			CHECK(memcmp(id, want, sizeof(want)) == 0);
		else
			CHECK(strstr(error.text, "not an id of 32 hexadecimal digits") != NULL);
		/* An id that guards a port is not for everybody's eyes. */
		CHECK(strstr(error.text, "0011") == NULL);
		close(fd);
	}
	check_case = "";
}

static void
ids_are_read_from_the_environment(void)
{
	for (size_t i = 0; i < sizeof(contents) / sizeof(*contents); i++) {
		unsigned char id[STREAM_ID_SIZE] = { 0 };
		struct error error = { 0 };

		check_case = contents[i].text;
		setenv("STREAM_ID", contents[i].text, 1);
		CHECK(id_load("env:STREAM_ID", id, &error) == contents[i].good);
		if (contents[i].good)
			CHECK(memcmp(id, want, sizeof(want)) == 0);
		else
			CHECK_TEXT(error.text, "STREAM_ID: not an id of 32 hexadecimal digits");
	}
	check_case = "";
}

static void
a_file_with_zero_bytes_or_more_than_an_id_is_none(void)
{
	static const char zeros[] = ID "\0\0\0\0";
	char large[5000];
	unsigned char id[STREAM_ID_SIZE];
	struct error error = { 0 };
	char argument[64];

	snprintf(argument, sizeof(argument), "@/proc/self/fd/%d", check_file(zeros, sizeof(zeros)));
	CHECK(!id_load(argument, id, &error));
	memset(large, ' ', sizeof(large));
	memcpy(large, ID, 32);
	large[4999] = 'x';
	error = (struct error){ 0 };
	snprintf(argument, sizeof(argument), "@/proc/self/fd/%d", check_file(large, sizeof(large)));
	CHECK(!id_load(argument, id, &error));
}

static void
everything_else_is_refused(void)
{
	unsigned char id[STREAM_ID_SIZE];
	struct error error = { 0 };

	CHECK(!id_load(ID, id, &error));
	CHECK(strstr(error.text, "@FILE or env:NAME") != NULL);
	CHECK(strstr(error.text, ID) == NULL);
	error = (struct error){ 0 };
	CHECK(!id_load("@/nowhere/at all", id, &error));
	CHECK_TEXT(error.text, "/nowhere/at all: No such file or directory");
	error = (struct error){ 0 };
	unsetenv("STREAM_ID");
	CHECK(!id_load("env:STREAM_ID", id, &error));
	CHECK_TEXT(error.text, "STREAM_ID: not in the environment");
	error = (struct error){ 0 };
	CHECK(!id_load("@/", id, &error));
	CHECK_TEXT(error.text, "/: Is a directory");
}

int
main(void)
{
	ids_are_read_from_files();
	ids_are_read_from_the_environment();
	a_file_with_zero_bytes_or_more_than_an_id_is_none();
	everything_else_is_refused();
	return check_done();
}
