/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/size.h"
#include "diff/changes.h"
#include "diff/xml.h"

/* No line of a list is longer. */
#define LINE_SIZE	1024

/* QEMU rounds what it serves up to whole ones. */
#define SECTOR		512

struct changes {
	const struct changes_options *options;
	struct extents *extents;
};

/* Lines of text; the buffer holds the longest. */
struct lines {
	struct input *input;
	uint64_t number;		/* of the line returned last */
	size_t start, end;
	bool eof;
	char data[64 * LINE_SIZE];
};

enum columns { COLUMNS_UNKNOWN, COLUMNS_PLAIN, COLUMNS_MAP };

struct text {
	struct changes *changes;
	enum columns columns;		/* all lines have the same */
	bool content;			/* some line was not empty */
	bool clean;			/* some range is clean: it is a map of all */
	bool gap;			/* ranges do not follow on one another from 0 */
	uint64_t map_end;		/* of the last range */
	uint64_t reach;			/* of the range that goes furthest */
};

/* Keep what lies on the device. */
static bool
add_range(void *context, uint64_t offset, uint64_t length, struct error *error)
{
	struct changes *changes = context;
	uint64_t size = changes->options->size;

	if (offset >= size)
		return true;
	if (length > size - offset)
		length = size - offset;
	return extents_add(changes->extents, offset, length) || error_errno(error, "memory");
}

/* Move what is left to the front and read on. */
static bool
lines_fill(struct lines *lines, struct error *error)
{
	ssize_t n;

	memmove(lines->data, lines->data + lines->start, lines->end - lines->start);
	lines->end -= lines->start;
	lines->start = 0;
	n = input_read(lines->input, lines->data + lines->end, sizeof(lines->data) - lines->end);
	if (n == -1)
		return error_errno(error, "%s", lines->input->name);
	lines->eof = (size_t)n < sizeof(lines->data) - lines->end;
	lines->end += (size_t)n;
	return true;
}

/*
 * The next line, with a 0 in place of its newline; *line is NULL at the end.  It lives
 * until the next call.
 */
static bool
lines_next(struct lines *lines, char **line, struct error *error)
{
	char *newline;
	size_t have;

	if (lines->end - lines->start < LINE_SIZE && !lines->eof && !lines_fill(lines, error))
		return false;
	*line = NULL;
	have = lines->end - lines->start;
	if (have == 0)
		return true;
	lines->number++;
	*line = lines->data + lines->start;
	newline = memchr(*line, '\n', have < LINE_SIZE ? have : LINE_SIZE);
	if (newline == NULL && have < LINE_SIZE)
		return error_set(error, "%s: line %ju: it has no end: the list was cut",
		    lines->input->name, (uintmax_t)lines->number);
	if (newline == NULL || memchr(*line, '\0', (size_t)(newline - *line)) != NULL)
		return error_set(error, "%s: line %ju: not a line of text", lines->input->name,
		    (uintmax_t)lines->number);
	*newline = '\0';
	lines->start += (size_t)(newline - *line) + 1;
	return true;
}

static const char *
skip_blanks(const char *p)
{
	return p + strspn(p, " \t\r");
}

/* The next word of a line is a number; false if it is none, or more than SIZE_LIMIT. */
static bool
next_number(const char **line, uint64_t *number)
{
	const char *p = skip_blanks(*line);

	if (!isdigit((unsigned char)*p))
		return false;
	for (*number = 0; isdigit((unsigned char)*p); p++) {
		unsigned digit = (unsigned)(*p - '0');

		if (*number > (SIZE_LIMIT - digit) / 10)
			return false;
		*number = *number * 10 + digit;
	}
	*line = p;
	return *p == '\0' || strchr(" \t\r", *p) != NULL;
}

/*
 * The words after offset and length in nbdinfo's map.  An allocation map looks the same but for
 * its types and descriptions.
 */
static bool
read_type(const char *p, bool *dirty, struct error *error)
{
	static const char *const words[] = { "clean", "dirty" };
	uint64_t type;

	if (!next_number(&p, &type))
		return error_set(error, "not the type that nbdinfo prints behind the length");
	p = skip_blanks(p);
	if (strncmp(p, "data", 4) == 0 || strncmp(p, "hole", 4) == 0 || strncmp(p, "zero", 4) == 0)
		return error_set(error, "this map lists allocated ranges, not changes");
	if (type > 1 || (*p != '\0' && (strncmp(p, words[type], 5) != 0 || *skip_blanks(p + 5) != '\0')))
		return error_set(error, "not of a dirty bitmap: neither 0 clean nor 1 dirty");
	*dirty = type == 1;
	return true;
}

static bool
read_line(struct text *text, char *line, struct error *error)
{
	enum columns columns = COLUMNS_PLAIN;
	const char *p = line;
	uint64_t offset, length;
	bool dirty = true;

	line[strcspn(line, "#")] = '\0';
	if (*skip_blanks(line) == '\0')
		return true;
	if (!next_number(&p, &offset) || !next_number(&p, &length))
		return error_set(error, "not an offset and a length in bytes");
	if (length > SIZE_LIMIT - offset)
		return error_set(error, "a range beyond any device");
	if (*skip_blanks(p) != '\0') {
		columns = COLUMNS_MAP;
		if (!read_type(p, &dirty, error))
			return false;
	}
	if (text->columns != COLUMNS_UNKNOWN && text->columns != columns)
		return error_set(error, "this line is of another kind of list than those before");
	text->columns = columns;
	text->gap = text->gap || offset != text->map_end;
	text->map_end = offset + length;
	if (text->map_end > text->reach)
		text->reach = text->map_end;
	text->clean = text->clean || !dirty;
	return !dirty || add_range(text->changes, offset, length, error);
}

/* Checks of the text as a whole. */
static bool
text_is_whole(const struct text *text, const char *name, struct error *error)
{
	uint64_t size = text->changes->options->size;

	/* The program that should have written it has failed: do not take that for no changes. */
	if (!text->content)
		return error_set(error, "%s: empty: no list came", name);
	/* A server's disk ends where its map does: the source is another, or not there yet. */
	if (text->columns == COLUMNS_MAP && text->reach > (size + SECTOR - 1) / SECTOR * SECTOR)
		return error_set(error, "%s: the map goes on to byte %ju of a device of %ju: it is of "
		    "another one", name, (uintmax_t)text->reach, (uintmax_t)size);
	if (!text->clean)
		return true;
	if (text->gap)
		return error_set(error, "%s: the map of clean and dirty ranges has gaps", name);
	if (text->map_end < size)
		return error_set(error, "%s: the map ends at byte %ju of a device of %ju: it was cut, "
		    "or is of another one", name, (uintmax_t)text->map_end, (uintmax_t)size);
	return true;
}

static bool
read_text(struct input *input, struct changes *changes, struct error *error)
{
	struct lines lines = { .input = input };
	struct text text = { .changes = changes };
	char *line;

	while (lines_next(&lines, &line, error)) {
		struct error reason = { 0 };

		if (line == NULL)
			return text_is_whole(&text, input->name, error);
		text.content = text.content || *skip_blanks(line) != '\0';
		if (!read_line(&text, line, &reason))
			return error_set(error, "%s: line %ju: %s", input->name,
			    (uintmax_t)lines.number, reason.text);
	}
	return false;
}

bool
changes_read(struct input *input, const struct changes_options *options, struct extents *extents,
    struct error *error)
{
	struct changes changes = { options, extents };
	struct xml_sink sink = {
		.era_block = options->era_block, .add = add_range, .context = &changes
	};
	const unsigned char *data;
	ssize_t n = input_peek(input, INPUT_AHEAD, &data), i;

	if (n == -1)
		return error_errno(error, "%s", input->name);
	for (i = 0; i < n && isspace(data[i]); i++)
		continue;
	return i < n && data[i] == '<' ? xml_read(input, &sink, error) :
	    read_text(input, &changes, error);
}
