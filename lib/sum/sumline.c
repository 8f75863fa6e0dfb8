/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "sum/sumline.h"

/* Print a name, escaped; shown makes it fit for a terminal, which a list must not be. */
static void
name_print(FILE *file, const char *name, bool shown)
{
	char *clean = NULL, *c;

	if (shown && (clean = strdup(name)) != NULL) {
		text_clean(clean);
		/* These have an escape of their own. */
		for (c = clean; *c != '\0'; c++)
			if (name[c - clean] == '\n' || name[c - clean] == '\r')
				*c = name[c - clean];
		name = clean;
	}
	for (; *name != '\0'; name++)
		switch (*name) {
		case '\\': fputs("\\\\", file); break;
		case '\n': fputs("\\n", file); break;
		case '\r': fputs("\\r", file); break;
		default: fputc(*name, file);
		}
	free(clean);
}

void
sumline_print(FILE *file, enum checksum_kind kind, const char *digits, const char *name, unsigned form)
{
	bool shown = isatty(fileno(file)), zero = (form & SUMLINE_ZERO) != 0;

	if (!zero && strpbrk(name, "\\\n\r") != NULL)
		fputc('\\', file);
	if ((form & SUMLINE_TAG) != 0)
		fprintf(file, "%s (", checksum_tag(kind));
	else
		fprintf(file, "%s%s %c", kind == CHECKSUM_BLK128 ? "blk128:" : "", digits,
		    (form & SUMLINE_BINARY) != 0 ? '*' : ' ');
	if (zero && !shown)
		fputs(name, file);
	else
		name_print(file, name, shown);
	if ((form & SUMLINE_TAG) != 0)
		fprintf(file, ") = %s", digits);
	fputc(zero ? '\0' : '\n', file);
}

void
sumline_print_verdict(FILE *file, const char *name, const char *verdict)
{
	if (strpbrk(name, "\\\n\r") != NULL)
		fputc('\\', file);
	name_print(file, name, true);
	fprintf(file, ": %s\n", verdict);
}

/* Undo the escapes in place.  False: a backslash with nothing that it may stand for. */
static bool
name_unescape(char *name)
{
	char *out = name;

	for (; *name != '\0'; name++) {
		if (*name != '\\') {
			*out++ = *name;
			continue;
		}
		switch (*++name) {
		case '\\': *out++ = '\\'; break;
		case 'n': *out++ = '\n'; break;
		case 'r': *out++ = '\r'; break;
		default: return false;
		}
	}
	*out = '\0';
	return true;
}

static size_t
digits_copy(const char *text, char out[CHECKSUM_HEX])
{
	size_t n;

	for (n = 0; isxdigit((unsigned char)text[n]) && n + 1 < CHECKSUM_HEX; n++)
		out[n] = (char)tolower((unsigned char)text[n]);
	out[n] = '\0';
	return n;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* "SHA256 (name) = digits", and without the first blank as openssl(1) writes it. */
static bool
parse_tagged(char *line, struct sumline *sum)
{
	char *open = strchr(line, '('), *end, *value;
	size_t tag;

	/* The name may hold ")" itself: the last one counts. */
	end = open == NULL ? NULL : strrchr(open, ')');
	if (end == NULL || open == line)
		return false;
	tag = (size_t)(open - line) - (open[-1] == ' ' ? 1 : 0);
	if (!checksum_find(line, tag, &sum->kind))
		return false;
	for (value = end + 1; is_blank(*value); value++)
		;
	if (*value++ != '=')
		return false;
	while (is_blank(*value))
		value++;
	tag = digits_copy(value, sum->digits);
	if (tag != checksum_digits(sum->kind) || value[tag] != '\0')
		return false;
	*end = '\0';
	sum->name = open + 1;
	return true;
}

/*
 * "digits  name", "digits *name", either with "blk128:" before it; "digits name" as
 * md5 -r of BSD writes it.
 */
static bool
parse_plain(char *line, struct sumline_style *style, struct sumline *sum)
{
	bool named = strncmp(line, "blk128:", 7) == 0;
	size_t n;

	if (named)
		line += 7;
	n = digits_copy(line, sum->digits);
	if (named)
		sum->kind = CHECKSUM_BLK128;
	else if (style->has_bare)
		sum->kind = style->bare;
	else if (!checksum_guess(n, &sum->kind))
		return false;
	if (n != checksum_digits(sum->kind) || !is_blank(line[n]))
		return false;
	sum->name = line + n + 1;
	if (!style->seen)
		style->one_blank = *sum->name != ' ' && *sum->name != '*';
	style->seen = true;
	if (!style->one_blank && (*sum->name == ' ' || *sum->name == '*'))
		sum->name++;
	return *sum->name != '\0';
}

/* Name the formats of xxhsum(1) other than XXH64 and XXH128, which are not read; else NULL. */
static const char *
find_foreign(const char *line)
{
	static const struct { const char *begins, *what; } lines[] = {
		{ "XXH3_64 (", "XXH3_64" }, { "XXH3 (", "XXH3_64" }, { "XXH32 (", "XXH32" },
		{ "XXH32_LE (", "XXH32, little-endian" }, { "XXH64_LE (", "XXH64, little-endian" },
		{ "XXH128_LE (", "XXH128, little-endian" }, { "XXH3_LE (", "XXH3_64, little-endian" },
	};
	char digits[CHECKSUM_HEX];
	size_t i;

	for (i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		if (strncmp(line, lines[i].begins, strlen(lines[i].begins)) == 0)
			return lines[i].what;
	if (strncmp(line, "XXH3_", 5) == 0 && digits_copy(line + 5, digits) == 16 && is_blank(line[21]))
		return "XXH3_64";
	return digits_copy(line, digits) == 8 && is_blank(line[8]) ? "XXH32" : NULL;
}

bool
sumline_parse(char *line, struct sumline_style *style, struct sumline *sum)
{
	bool escaped;

	style->foreign = NULL;
	while (is_blank(*line))
		line++;
	escaped = *line == '\\';
	if (escaped)
		line++;
	if (!parse_tagged(line, sum) && !parse_plain(line, style, sum)) {
		style->foreign = find_foreign(line);
		return false;
	}
	return *sum->name != '\0' && (!escaped || name_unescape(sum->name));
}

enum sumline_found
sumline_read(struct input *input, char *room, struct sumline_style *style, struct sumline *sum)
{
	ssize_t n = input_line(input, room, SUMLINE_MAX);

	style->foreign = NULL;
	if (n == -1)
		return errno == 0 ? SUMLINE_END : SUMLINE_ERROR;
	if (room[0] == '#')
		return SUMLINE_COMMENT;
	if (n == SUMLINE_MAX)
		return SUMLINE_MALFORMED;
	if (n > 0 && room[n - 1] == '\r')
		room[--n] = '\0';
	if (n == 0)
		return SUMLINE_COMMENT;
	if (strlen(room) != (size_t)n || !sumline_parse(room, style, sum))
		return SUMLINE_MALFORMED;
	/* Standard input cannot be the list and what is listed. */
	return input->fd == STDIN_FILENO && strcmp(sum->name, "-") == 0 ?
	    SUMLINE_MALFORMED : SUMLINE_SUM;
}
