/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz-changes: a list of changes, text or XML.
 *
 * Text is read by an oracle too, which must agree on whether it is good and on every byte
 * of the device.  XML means the same whatever the device's size is, and nothing where its
 * end is missing.
 */
#include <ctype.h>
#include <stdlib.h>

#include "../unit/check.h"
#include "diff/changes.h"
#include "base/size.h"

#define DEVICE	65636u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned char ours[DEVICE], theirs[DEVICE];	/* 1: this byte has changed */

/* A decimal number, at most SIZE_LIMIT. */
static bool
word_number(const char *word, uint64_t *number)
{
	unsigned __int128 n = 0;

	for (; isdigit((unsigned char)*word); word++)
		if (n <= SIZE_LIMIT)
			n = 10 * n + (unsigned)(*word - '0');
	*number = (uint64_t)n;
	return *word == '\0' && n <= SIZE_LIMIT;
}

/* The oracle's state after the lines before. */
struct text {
	bool content, clean, gap, map, plain;
	uint64_t end, reach;		/* of the last range, of the one that goes furthest */
};

static bool
text_line(struct text *text, char *line)
{
	char *word[5], *rest = line;
	uint64_t offset, length, type = 1, i;
	unsigned words = 0;

	text->content = text->content || line[strspn(line, " \t\r")] != '\0';
	line[strcspn(line, "#")] = '\0';
	while (words < 5 && (word[words] = strtok_r(rest, " \t\r", &rest)) != NULL)
		words++;
	if (words == 0)
		return true;
	if (words < 2 || words > 4 || !word_number(word[0], &offset) ||
	    !word_number(word[1], &length) || length > SIZE_LIMIT - offset)
		return false;
	if (words > 2 && (!word_number(word[2], &type) || type > 1))
		return false;
	if (words == 4 && strcmp(word[3], type == 1 ? "dirty" : "clean") != 0)
		return false;
	*(words == 2 ? &text->plain : &text->map) = true;
	text->gap = text->gap || offset != text->end;
	text->end = offset + length;
	text->reach = text->end > text->reach ? text->end : text->reach;
	text->clean = text->clean || type == 0;
	for (i = offset; type == 1 && i < offset + length && i < DEVICE; i++)
		theirs[i] = 1;
	return !text->plain || !text->map;
}

static bool
text_read(const uint8_t *data, size_t size)
{
	struct text text = { 0 };
	char line[1024];

	while (size > 0) {
		const uint8_t *newline = memchr(data, '\n', size);
		size_t length = newline == NULL ? size : (size_t)(newline - data);

		if (newline == NULL || length >= sizeof(line) || memchr(data, '\0', length) != NULL)
			return false;
		memcpy(line, data, length);
		line[length] = '\0';
		if (!text_line(&text, line))
			return false;
		data += length + 1;
		size -= length + 1;
	}
	/* QEMU rounds a device up to whole sectors. */
	return text.content && (!text.map || text.reach <= (DEVICE + 511) / 512 * 512) &&
	    (!text.clean || (!text.gap && text.end >= DEVICE));
}

static bool
is_xml(const uint8_t *data, size_t size)
{
	size_t i;

	for (i = 0; i < size && i < INPUT_AHEAD && isspace(data[i]); i++)
		continue;
	return i < size && i < INPUT_AHEAD && data[i] == '<';
}

static bool
read_list(const uint8_t *data, size_t size, uint64_t device, struct extents *extents,
    struct error *error)
{
	struct changes_options options = { .size = device, .era_block = 4096 };
	int fd = check_file(data, size);
	struct input input;
	bool good;

	*extents = (struct extents){ 0 };
	*error = (struct error){ 0 };
	input_open(&input, fd, -1, "list");
	good = changes_read(&input, &options, extents, error);
	close(fd);
	extents_settle(extents, 0, device);
	CHECK(good != error->set);
	CHECK(!error->set || strncmp(error->text, "list: ", 6) == 0);
	CHECK(strpbrk(error->text, "\n\r\033") == NULL);
	return good;
}

/* With the same device and a much larger one; and without the end of its last tag. */
static void
check_xml(const uint8_t *data, size_t size, bool good, const struct extents *extents,
    const struct error *error)
{
	struct extents again;
	struct error other;

	CHECK(read_list(data, size, SIZE_LIMIT, &again, &other) == good);
	CHECK_TEXT(other.text, error->text);
	extents_settle(&again, 0, DEVICE);
	CHECK_NUMBER(again.count, extents->count);
	CHECK(again.count != extents->count || again.count == 0 ||
	    memcmp(again.list, extents->list, again.count * sizeof(*again.list)) == 0);
	extents_free(&again);
	while (good && data[size - 1] != '>')
		size--;
	if (good && memcmp(data + size - 3, "-->", 3) != 0 && memcmp(data + size - 2, "?>", 2) != 0) {
		CHECK(!read_list(data, size - 1, DEVICE, &again, &other));
		extents_free(&again);
	}
}

static void
check_lines(const uint8_t *data, size_t size, bool good, const struct extents *extents)
{
	size_t i;

	memset(ours, 0, sizeof(ours));
	memset(theirs, 0, sizeof(theirs));
	for (i = 0; i < extents->count; i++)
		memset(ours + extents->list[i].offset, 1, extents->list[i].length);
	CHECK(text_read(data, size) == good);
	CHECK(!good || memcmp(ours, theirs, sizeof(ours)) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct extents extents;
	struct error error;
	bool good = read_list(data, size, DEVICE, &extents, &error);

	check_case = error.text;
	if (is_xml(data, size))
		check_xml(data, size, good, &extents, &error);
	else
		check_lines(data, size, good, &extents);
	extents_free(&extents);
	if (check_failures > 0)
		abort();
	return 0;
}
