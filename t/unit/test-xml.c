/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "diff/xml.h"

#define THIN(body) "<superblock uuid=\"\" time=\"1\" transaction=\"2\" data_block_size=\"128\" " \
	"nr_data_blocks=\"0\"><diff left=\"1\" right=\"2\">" body "</diff></superblock>"

/* The ranges as text: "offset+length " for each. */
static bool
add(void *context, uint64_t offset, uint64_t length, struct error *error)
{
	char *text = context;
	size_t used = strlen(text);

	if (length == 3 * 65536)
		return error_set(error, "no more of these");
	snprintf(text + used, 200 - used, "%ju+%ju ", (uintmax_t)offset, (uintmax_t)length);
	return true;
}

static bool
read_document(const char *document, uint64_t era_block, char text[200], struct error *error)
{
	struct xml_sink sink = { .era_block = era_block, .add = add, .context = text };
	struct input input;
	int file = check_file(document, strlen(document));
	bool good;

	text[0] = '\0';
	input_open(&input, file, -1, "list");
	good = xml_read(&input, &sink, error);
	close(file);
	return good;
}

static const struct {
	const char *name, *document;
	uint64_t era_block;
	const char *ranges;		/* NULL: refused */
	const char *words;
} rows[] = {
	{ "thin", THIN("<same begin=\"0\" length=\"5\"/><different begin=\"5\" length=\"2\"/>"
	    "<right_only begin=\"9\" length=\"1\"/>"), 0, "327680+131072 589824+65536 ", "" },
	{ "thin, gone", THIN("<left_only begin=\"1\" length=\"1\"/>"), 0, "65536+65536 ", "" },
	{ "thin, verbose", THIN("<different><range begin=\"2\" data_begin=\"7\" length=\"1\"/>"
	    "</different>"), 0, "131072+65536 ", "" },
	{ "thin, nothing", THIN(""), 0, "", "" },
	{ "era", "<blocks><block block=\"1\"/><range begin=\"4\" end=\"6\"/></blocks>", 4096,
	    "4096+4096 16384+8192 ", "" },
	{ "era without its block", "<blocks><block block=\"1\"/></blocks>", 0, NULL, "--era-block" },
	{ "an entity", "<!DOCTYPE a [<!ENTITY b \"c\">]><blocks>&b;</blocks>", 4096, NULL, "document type" },
	{ "another root", "<html/>", 4096, NULL, "list: line 1: " },
	{ "no number", THIN("<different begin=\"x\" length=\"2\"/>"), 0, NULL, "begin is no number" },
	{ "no length", THIN("<different begin=\"1\"/>"), 0, NULL, "without length" },
	{ "beyond any device", THIN("<different begin=\"9000000000000000000\" length=\"1\"/>"), 0, NULL,
	    "beyond any device" },
	{ "longer than any device", THIN("<different begin=\"1\" length=\"9000000000000000000\"/>"), 0,
	    NULL, "beyond any device" },
	{ "the sink's reason", THIN("<different begin=\"0\" length=\"3\"/>"), 0, NULL, "no more of these" },
	{ "cut", "<blocks><block block=\"1\"/>", 4096, NULL, "list: " },
	{ "empty", "", 4096, NULL, "list: " },
	{ "no XML", "4096 4096\n", 4096, NULL, "list: " },
};

int
main(void)
{
	char text[200];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct error error = { 0 };

		check_case = rows[i].name;
		CHECK_NUMBER(read_document(rows[i].document, rows[i].era_block, text, &error),
		    rows[i].ranges != NULL);
		if (rows[i].ranges != NULL)
			CHECK_TEXT(text, rows[i].ranges);
		else if (!CHECK(strstr(error.text, rows[i].words) != NULL))
			fprintf(stderr, "\t%s\n", error.text);
	}
	return check_done();
}
