/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>

#include "check.h"
#include "sum/checklist.h"

#define D	"0123456789abcdef0123456789abcdef"

/* What a run said: a line of "verdict NAME" or "ABOUT TEXT" for each call. */
static char said[4096];

static void
add(const char *what, const char *text)
{
	size_t used = strlen(said);

	snprintf(said + used, sizeof(said) - used, "%s %s\n", what, text);
}

/* "missing" does not exist, "broken" cannot be read, "other" has another digest. */
static bool
digest(void *context, const char *name, enum checksum_kind kind, char digits[CHECKSUM_HEX],
    struct error *error)
{
	(void)context;
	CHECK(kind == CHECKSUM_MD5);
	if (strcmp(name, "missing") == 0 || strcmp(name, "broken") == 0) {
		errno = strcmp(name, "missing") == 0 ? ENOENT : EIO;
		return error_errno(error, "%s", name);
	}
	strcpy(digits, D);
	if (strcmp(name, "other") == 0)
		digits[0] = 'f';
	return true;
}

static void
verdict(void *context, const char *name, const char *verdict, bool good)
{
	(void)context;
	CHECK(good == (strcmp(verdict, "OK") == 0));
	add(verdict, name);
}

static void
say(void *context, enum checklist_about about, const char *text)
{
	static const char *const names[] = { "trouble", "line", "summary" };

	(void)context;
	add(names[about], text);
}

static const struct row {
	const char *name, *text;
	bool ignore_missing, strict, good;
	const char *said;
} rows[] = {
	{ "all agree", D "  a\n" D "  b\n", false, false, true, "OK a\nOK b\n" },
	{ "one differs", D "  a\n" D "  other\n", false, false, true,
	    "OK a\nFAILED other\nsummary WARNING: 1 computed checksum did NOT match\n" },
	{ "unreadable", D "  broken\n" D "  a\n", true, false, true,
	    "trouble broken: Input/output error\nFAILED open or read broken\nOK a\n"
	    "summary WARNING: 1 listed file could not be read\n" },
	{ "missing", D "  missing\n" D "  a\n", false, false, true,
	    "trouble missing: No such file or directory\nFAILED open or read missing\nOK a\n"
	    "summary WARNING: 1 listed file could not be read\n" },
	{ "missing, ignored", D "  missing\n" D "  a\n", true, false, true, "OK a\n" },
	{ "all missing, ignored", D "  missing\n", true, false, false,
	    "summary list: no file was verified\n" },
	{ "a bad line", "what\n# a comment\n\n" D "  a\n", false, false, true,
	    "line list: 1: improperly formatted checksum line\nOK a\n"
	    "summary WARNING: 1 line is improperly formatted\n" },
	{ "a bad line, strict", D "  a\nwhat\n", false, true, false,
	    "OK a\nline list: 2: improperly formatted checksum line\n"
	    "summary WARNING: 1 line is improperly formatted\n" },
	{ "no list", "what\n", false, false, false,
	    "line list: 1: improperly formatted checksum line\n"
	    "trouble list: no properly formatted checksum lines found\n" },
	{ "nothing", "", false, false, false,
	    "trouble list: no properly formatted checksum lines found\n" },
};

static bool
run(struct checklist *list, const char *text)
{
	struct input input;
	int ends[2];
	bool good;

	CHECK(pipe(ends) == 0);
	CHECK(write(ends[1], text, strlen(text)) == (ssize_t)strlen(text));
	close(ends[1]);
	input_open(&input, ends[0], -1, "list");
	said[0] = '\0';
	good = checklist_run(list, &input);
	input_close(&input);
	return good;
}

static void
test_rows(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct checklist list = {
			.ignore_missing = rows[i].ignore_missing, .strict = rows[i].strict,
			.digest = digest, .verdict = verdict, .say = say
		};

		check_case = rows[i].name;
		CHECK(run(&list, rows[i].text) == rows[i].good);
		if (!CHECK(strcmp(said, rows[i].said) == 0))
			fprintf(stderr, "said:\n%swanted:\n%s", said, rows[i].said);
	}
	check_case = "";
}

/* Lists add up; and a list that cannot be read is trouble, with its name. */
static void
test_total(void)
{
	struct checklist list = { .digest = digest, .verdict = verdict, .say = say };
	struct input input;

	CHECK(run(&list, D "  a\n" D "  other\n"));
	CHECK(run(&list, D "  other\n" D "  broken\n"));
	CHECK_NUMBER(list.total.matched, 1);
	CHECK_NUMBER(list.total.mismatched, 2);
	CHECK_NUMBER(list.total.unreadable, 1);

	said[0] = '\0';
	CHECK(input_open_file(&input, "/proc/self/mem", -1));
	CHECK(!checklist_run(&list, &input));
	CHECK(strcmp(said, "trouble /proc/self/mem: Input/output error\n") == 0);
	input_close(&input);
}

int
main(void)
{
	test_rows();
	test_total();
	return check_done();
}
