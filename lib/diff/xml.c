/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <string.h>

#include <expat.h>

#include "base/size.h"
#include "diff/xml.h"

#define SECTOR		512
#define PART		65536
#define TAG_MAX		(1u << 20)	/* bytes of one tag: a hostile one has no end */
#define NAMES_MAX	64		/* different names of attributes */

/* The dialects of the tools, which the root element tells apart. */
enum dialect { DIALECT_THIN, DIALECT_ERA };

/*
 * thin_delta writes superblock > diff > same, different, left_only and right_only, which
 * have begin and length, or, with --verbose, range elements inside that have them.
 * era_invalidate writes blocks > block and range.
 */
struct xml {
	XML_Parser parser;
	const struct xml_sink *sink;
	struct error *error;
	const char *name;
	enum dialect dialect;
	uint64_t block;			/* bytes */
	unsigned depth;
	bool diff;			/* the element diff came */
	bool changed;			/* the element that is open at depth 3 is of changed ranges */
	bool ranges;			/* and has said which */
	const char *names[NAMES_MAX];	/* of attributes; the parser's, which has each once */
	unsigned names_count;
};

/* From expat 2.9 on the functions without 64 in their names are deprecated. */
#if XML_MAJOR_VERSION > 2 || XML_MINOR_VERSION >= 9
#define XML_GetCurrentLineNumber	XML_GetCurrentLineNumber64
#define XML_GetCurrentByteIndex		XML_GetCurrentByteIndex64
#endif

static uintmax_t
xml_line(const struct xml *xml)
{
	return XML_GetCurrentLineNumber(xml->parser);
}

/* Stop with a reason; the first one counts. */
static void
xml_fail(struct xml *xml, const char *reason)
{
	error_set(xml->error, "%s: line %ju: %s", xml->name, xml_line(xml), reason);
	XML_StopParser(xml->parser, XML_FALSE);
}

/* The attribute's number; false, having failed, where it is missing or none. */
static bool
xml_number(struct xml *xml, const char **attributes, const char *name, uint64_t *number)
{
	char reason[128];

	for (; attributes[0] != NULL; attributes += 2)
		if (strcmp(attributes[0], name) == 0) {
			if (number_parse(attributes[1], 0, SIZE_LIMIT, number))
				return true;
			snprintf(reason, sizeof(reason), "%s is no number that a device can have", name);
			xml_fail(xml, reason);
			return false;
		}
	snprintf(reason, sizeof(reason), "an element without %s", name);
	xml_fail(xml, reason);
	return false;
}

/* Blocks first and on have changed. */
static void
xml_add(struct xml *xml, uint64_t first, uint64_t count)
{
	struct error reason = { 0 };

	if (first > SIZE_LIMIT / xml->block || count > SIZE_LIMIT / xml->block - first)
		xml_fail(xml, "a range beyond any device");
	else if (!xml->sink->add(xml->sink->context, first * xml->block, count * xml->block, &reason))
		xml_fail(xml, reason.text);
}

static void
thin_range(struct xml *xml, const char **attributes)
{
	uint64_t begin, length;

	xml->ranges = true;
	if (xml_number(xml, attributes, "begin", &begin) &&
	    xml_number(xml, attributes, "length", &length) && xml->changed)
		xml_add(xml, begin, length);
}

static void
thin_element(struct xml *xml, const char *element, const char **attributes)
{
	bool same = strcmp(element, "same") == 0;

	if (xml->depth == 2 && strcmp(element, "diff") == 0)
		xml->diff = true;
	else if (xml->depth == 3 && (same || strcmp(element, "different") == 0 ||
	    strcmp(element, "left_only") == 0 || strcmp(element, "right_only") == 0)) {
		xml->changed = !same;
		xml->ranges = false;
		if (attributes[0] != NULL)
			thin_range(xml, attributes);
	} else if (xml->depth == 4 && strcmp(element, "range") == 0)
		thin_range(xml, attributes);
	else
		xml_fail(xml, "an element that thin_delta does not write there");
}

static void
era_element(struct xml *xml, const char *element, const char **attributes)
{
	uint64_t begin, end;

	if (xml->depth == 2 && strcmp(element, "block") == 0) {
		if (xml_number(xml, attributes, "block", &begin))
			xml_add(xml, begin, 1);
	} else if (xml->depth == 2 && strcmp(element, "range") == 0) {
		if (!xml_number(xml, attributes, "begin", &begin) ||
		    !xml_number(xml, attributes, "end", &end))
			return;
		if (end < begin)
			xml_fail(xml, "a range that ends before it begins");
		else
			xml_add(xml, begin, end - begin);
	} else
		xml_fail(xml, "an element that era_invalidate does not write there");
}

static void
root_element(struct xml *xml, const char *element, const char **attributes)
{
	uint64_t sectors;

	if (strcmp(element, "superblock") == 0) {
		xml->dialect = DIALECT_THIN;
		if (!xml_number(xml, attributes, "data_block_size", &sectors))
			return;
		if (sectors == 0 || sectors > SIZE_LIMIT / SECTOR)
			xml_fail(xml, "data_block_size is no size of a block");
		else
			xml->block = sectors * SECTOR;
	} else if (strcmp(element, "blocks") == 0) {
		xml->dialect = DIALECT_ERA;
		xml->block = xml->sink->era_block;
		if (xml->block == 0)
			xml_fail(xml, "era_invalidate names no block size: say it (--era-block)");
	} else
		xml_fail(xml, "neither thin_delta's nor era_invalidate's XML");
}

/* The parser keeps all names to the end, so that a document with ever new ones has none. */
static void
count_names(struct xml *xml, const char **attributes)
{
	unsigned i;

	for (; attributes[0] != NULL; attributes += 2) {
		for (i = 0; i < xml->names_count && xml->names[i] != attributes[0]; i++)
			continue;
		if (i == NAMES_MAX) {
			xml_fail(xml, "more names of attributes than any list has");
			return;
		}
		if (i == xml->names_count)
			xml->names[xml->names_count++] = attributes[0];
	}
}

/* expat may call this once more for an empty element on which the parser was stopped. */
static void
element_begins(void *context, const char *element, const char **attributes)
{
	struct xml *xml = context;

	if (!xml->error->set)
		count_names(xml, attributes);
	if (xml->error->set)
		return;
	if (++xml->depth == 1)
		root_element(xml, element, attributes);
	else if (xml->dialect == DIALECT_THIN)
		thin_element(xml, element, attributes);
	else
		era_element(xml, element, attributes);
}

static void
element_ends(void *context, const char *element)
{
	struct xml *xml = context;

	(void)element;
	if (xml->error->set)
		return;
	if (xml->dialect == DIALECT_THIN && xml->depth == 3 && !xml->ranges)
		xml_fail(xml, "an element that says of no range");
	else if (xml->dialect == DIALECT_THIN && xml->depth == 1 && !xml->diff)
		xml_fail(xml, "thin_delta's XML without a diff");
	xml->depth--;
}

/* Neither tool writes one, and only it can hold entities. */
static void
doctype_begins(void *context, const char *doctype, const char *system, const char *public,
    int subset)
{
	(void)doctype, (void)system, (void)public, (void)subset;
	xml_fail(context, "a document type is not accepted");
}

static bool
xml_parse(struct xml *xml, struct input *input)
{
	char part[PART];
	int64_t seen = 0;
	uint64_t read = 0;
	ssize_t n;

	do {
		n = input_read(input, part, sizeof(part));
		if (n == -1)
			return error_errno(xml->error, "%s", xml->name);
		if (XML_Parse(xml->parser, part, (int)n, n < PART) != XML_STATUS_OK)
			return error_set(xml->error, "%s: line %ju: %s", xml->name, xml_line(xml),
			    XML_ErrorString(XML_GetErrorCode(xml->parser)));
		/* The parser keeps only input that it has not parsed yet. */
		read += (uint64_t)n;
		if (XML_GetCurrentByteIndex(xml->parser) > seen)
			seen = XML_GetCurrentByteIndex(xml->parser);
		if (read - (uint64_t)seen > TAG_MAX) {
			xml_fail(xml, "an element without an end");
			return false;
		}
	} while (n == PART);
	return true;
}

bool
xml_read(struct input *input, const struct xml_sink *sink, struct error *error)
{
	struct xml xml = { .sink = sink, .error = error, .name = input->name };
	bool done;

	xml.parser = XML_ParserCreate(NULL);
	if (xml.parser == NULL)
		return error_set(error, "%s: out of memory", input->name);
	XML_SetUserData(xml.parser, &xml);
	XML_SetElementHandler(xml.parser, element_begins, element_ends);
	XML_SetStartDoctypeDeclHandler(xml.parser, doctype_begins);
	done = xml_parse(&xml, input);
	XML_ParserFree(xml.parser);
	return done;
}
