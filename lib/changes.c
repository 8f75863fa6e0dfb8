/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <expat.h>

#include "changes.h"
#include "size.h"

#define SECTOR		512
#define LINE_SIZE	1024
#define XML_PART	65536
#define DEPTH_MAX	16
#define ROW_MAX		(1u << 20)	/* bytes of one tag: a hostile one has no end */

struct xml {
	XML_Parser parser;
	struct extents *extents;
	struct error *error;
	const char *name;
	uint64_t era_block;
	uint64_t block;			/* bytes; 0: not known yet */
	unsigned depth;
	bool thin, era;			/* which root was seen */
	bool changed;			/* inside an element of changed ranges */
};

static bool
add_range(struct extents *extents, uint64_t first, uint64_t count, uint64_t unit,
    struct error *error)
{
	if (unit == 0 || first > SIZE_LIMIT / unit || count > SIZE_LIMIT / unit - first)
		return error_set(error, "a range beyond any device");
	if (!extents_add(extents, first * unit, count * unit))
		return error_errno(error, "memory");
	return true;
}

/* Stop with a reason; the line is added where the parser returns. */
static void
xml_fail(struct xml *xml, const char *reason)
{
	error_set(xml->error, "%s: line %lu: %s", xml->name,
	    (unsigned long)XML_GetCurrentLineNumber(xml->parser), reason);
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

static void
xml_add(struct xml *xml, uint64_t first, uint64_t count)
{
	struct error reason = { 0 };

	if (!add_range(xml->extents, first, count, xml->block, &reason))
		xml_fail(xml, reason.text);
}

/* thin_delta: ranges stand in the elements, or with --verbose in range elements inside. */
static void
thin_element(struct xml *xml, const char *element, const char **attributes)
{
	uint64_t begin, length;
	bool range = strcmp(element, "range") == 0;
	bool changed = strcmp(element, "different") == 0 || strcmp(element, "left_only") == 0 ||
	    strcmp(element, "right_only") == 0;

	if (strcmp(element, "diff") == 0)
		return;
	if (!range && !changed && strcmp(element, "same") != 0) {
		xml_fail(xml, "an element that thin_delta does not write");
		return;
	}
	if (!range)
		xml->changed = changed;
	if (!xml->changed || attributes[0] == NULL)
		return;
	if (xml_number(xml, attributes, "begin", &begin) &&
	    xml_number(xml, attributes, "length", &length))
		xml_add(xml, begin, length);
}

static void
era_element(struct xml *xml, const char *element, const char **attributes)
{
	uint64_t begin, end;

	if (strcmp(element, "block") == 0) {
		if (xml_number(xml, attributes, "block", &begin))
			xml_add(xml, begin, 1);
	} else if (strcmp(element, "range") == 0) {
		if (!xml_number(xml, attributes, "begin", &begin) ||
		    !xml_number(xml, attributes, "end", &end))
			return;
		if (end < begin)
			xml_fail(xml, "a range that ends before it begins");
		else
			xml_add(xml, begin, end - begin);
	} else
		xml_fail(xml, "an element that era_invalidate does not write");
}

static void
xml_root(struct xml *xml, const char *element, const char **attributes)
{
	uint64_t sectors;

	if (strcmp(element, "superblock") == 0) {
		xml->thin = true;
		if (!xml_number(xml, attributes, "data_block_size", &sectors))
			return;
		if (sectors == 0 || sectors > SIZE_LIMIT / SECTOR)
			xml_fail(xml, "data_block_size is no size of a block");
		xml->block = sectors * SECTOR;
	} else if (strcmp(element, "blocks") == 0) {
		xml->era = true;
		xml->block = xml->era_block;
		if (xml->block == 0)
			xml_fail(xml, "era_invalidate names no block size: say it (--era-block)");
	} else
		xml_fail(xml, "neither thin_delta's nor era_invalidate's XML");
}

static void
xml_start(void *context, const char *element, const char **attributes)
{
	struct xml *xml = context;

	if (++xml->depth > DEPTH_MAX)
		xml_fail(xml, "elements nested too deeply");
	else if (xml->depth == 1)
		xml_root(xml, element, attributes);
	else if (xml->thin)
		thin_element(xml, element, attributes);
	else
		era_element(xml, element, attributes);
}

static void
xml_end(void *context, const char *element)
{
	struct xml *xml = context;

	(void)element;
	xml->depth--;
}

/* Neither tool writes a document type, and only one can hold entities. */
static void
xml_doctype(void *context, const char *doctype, const char *system, const char *public, int subset)
{
	(void)doctype, (void)system, (void)public, (void)subset;
	xml_fail(context, "a document type is not accepted");
}

static bool
xml_read(struct xml *xml, struct input *input)
{
	static char part[XML_PART];
	uint64_t progress = 0, last = 0;
	ssize_t n;

	do {
		n = input_read(input, part, sizeof(part));
		if (n == -1)
			return error_errno(xml->error, "%s", xml->name);
		if (XML_Parse(xml->parser, part, (int)n, n < (ssize_t)sizeof(part)) != XML_STATUS_OK)
			return error_set(xml->error, "%s: line %lu: %s", xml->name,
			    (unsigned long)XML_GetCurrentLineNumber(xml->parser),
			    XML_ErrorString(XML_GetErrorCode(xml->parser)));
		progress += (uint64_t)n;
		if (XML_GetCurrentByteIndex(xml->parser) > 0)
			last = (uint64_t)XML_GetCurrentByteIndex(xml->parser);
		if (progress - last > ROW_MAX)
			return error_set(xml->error, "%s: line %lu: an element without an end", xml->name,
			    (unsigned long)XML_GetCurrentLineNumber(xml->parser));
	} while (n == (ssize_t)sizeof(part));
	return true;
}

static bool
read_xml(struct input *input, uint64_t era_block, struct extents *extents, struct error *error)
{
	struct xml xml = {
		.extents = extents, .error = error, .name = input->name, .era_block = era_block
	};
	bool done;

	xml.parser = XML_ParserCreate(NULL);
	if (xml.parser == NULL)
		return error_set(error, "%s: out of memory", input->name);
	XML_SetUserData(xml.parser, &xml);
	XML_SetElementHandler(xml.parser, xml_start, xml_end);
	XML_SetStartDoctypeDeclHandler(xml.parser, xml_doctype);
	done = xml_read(&xml, input);
	XML_ParserFree(xml.parser);
	return done;
}

/* The next number of a line; false if there is none. */
static bool
line_number(char **line, uint64_t *number)
{
	char *start = *line + strspn(*line, " \t"), *end = start + strcspn(start, " \t");
	char saved = *end;
	bool good;

	*end = '\0';
	good = number_parse(start, 0, SIZE_LIMIT, number);
	*end = saved;
	*line = end;
	return good;
}

/*
 * "offset length", or "offset length type description".  An allocation map has the same
 * shape: its descriptions give it away.
 */
static bool
read_line(char *line, struct extents *extents, struct error *error)
{
	uint64_t offset, length, type = 1;

	line[strcspn(line, "#\r")] = '\0';
	if (line[strspn(line, " \t")] == '\0')
		return true;
	if (!line_number(&line, &offset) || !line_number(&line, &length))
		return error_set(error, "not an offset and a length in bytes");
	line += strspn(line, " \t");
	if (*line != '\0') {
		if (!line_number(&line, &type))
			return error_set(error, "not the type that nbdinfo prints behind the length");
		line += strspn(line, " \t");
		if (strncmp(line, "data", 4) == 0 || strncmp(line, "hole", 4) == 0 ||
		    strncmp(line, "zero", 4) == 0)
			return error_set(error, "this map says what is allocated, not what changed");
		if (strncmp(line, "dirty", 5) != 0 && strncmp(line, "clean", 5) != 0 && *line != '\0')
			return error_set(error, "neither dirty nor clean");
	}
	if ((type & 1) == 0)
		return offset <= SIZE_LIMIT - length ? true : error_set(error, "a range beyond any device");
	return add_range(extents, offset, length, 1, error);
}

static bool
read_text(struct input *input, struct extents *extents, struct error *error)
{
	char line[LINE_SIZE];
	uint64_t number = 0;
	ssize_t n;

	while ((n = input_line(input, line, sizeof(line))) != -1) {
		struct error reason = { 0 };

		number++;
		if (n == (ssize_t)sizeof(line) || strlen(line) != (size_t)n)
			error_set(&reason, "not a line of text");
		else
			read_line(line, extents, &reason);
		if (reason.set)
			return error_set(error, "%s: line %ju: %s", input->name, (uintmax_t)number,
			    reason.text);
	}
	if (errno != 0)
		return error_errno(error, "%s", input->name);
	/* What wrote it has failed: that must not be taken for no changes. */
	return number > 0 ? true : error_set(error, "%s: empty: no list came", input->name);
}

bool
changes_read(struct input *input, uint64_t era_block, struct extents *extents,
    struct error *error)
{
	const unsigned char *data;
	ssize_t n = input_peek(input, 256, &data), i;

	if (n == -1)
		return error_errno(error, "%s", input->name);
	for (i = 0; i < n && isspace(data[i]); i++)
		continue;
	if (i < n && data[i] == '<')
		return read_xml(input, era_block, extents, error);
	return read_text(input, extents, error);
}
