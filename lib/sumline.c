/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <ctype.h>
#include <string.h>

#include "sumline.h"

static void
name_print(FILE *file, const char *name)
{
	for (; *name != '\0'; name++)
		switch (*name) {
		case '\\': fputs("\\\\", file); break;
		case '\n': fputs("\\n", file); break;
		case '\r': fputs("\\r", file); break;
		default: fputc(*name, file);
		}
}

void
sumline_print(FILE *file, enum checksum_kind kind, const char *digits, const char *name,
    bool binary, bool tag)
{
	if (strpbrk(name, "\\\n\r") != NULL)
		fputc('\\', file);
	if (tag) {
		fprintf(file, "%s (", checksum_tag(kind));
		name_print(file, name);
		fprintf(file, ") = %s\n", digits);
		return;
	}
	fprintf(file, "%s%s %c", kind == CHECKSUM_BLK128 ? "blk128:" : "", digits,
	    binary ? '*' : ' ');
	name_print(file, name);
	fputc('\n', file);
}

void
sumline_print_verdict(FILE *file, const char *name, const char *verdict)
{
	if (strpbrk(name, "\\\n\r") != NULL)
		fputc('\\', file);
	name_print(file, name);
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

/* "SHA256 (name) = digits" */
static bool
parse_tagged(char *line, struct sumline *sum)
{
	char *open = strstr(line, " ("), *end, *next;

	if (open == NULL || !checksum_find(line, (size_t)(open - line), &sum->kind))
		return false;
	/* The name may hold ") = " itself: the last one counts. */
	for (end = NULL, next = open; (next = strstr(next, ") = ")) != NULL; next++)
		end = next;
	if (end == NULL || digits_copy(end + 4, sum->digits) != checksum_digits(sum->kind) ||
	    end[4 + checksum_digits(sum->kind)] != '\0')
		return false;
	*end = '\0';
	sum->name = open + 2;
	return true;
}

/* "digits  name", "digits *name", either with "blk128:" before it. */
static bool
parse_plain(char *line, bool has_bare, enum checksum_kind bare, struct sumline *sum)
{
	bool named = strncmp(line, "blk128:", 7) == 0;
	size_t n;

	if (named)
		line += 7;
	n = digits_copy(line, sum->digits);
	if (named)
		sum->kind = CHECKSUM_BLK128;
	else if (has_bare)
		sum->kind = bare;
	else if (!checksum_guess(n, &sum->kind))
		return false;
	if (n != checksum_digits(sum->kind) || line[n] != ' ' ||
	    (line[n + 1] != ' ' && line[n + 1] != '*') || line[n + 2] == '\0')
		return false;
	sum->name = line + n + 2;
	return true;
}

bool
sumline_parse(char *line, bool has_bare, enum checksum_kind bare, struct sumline *sum)
{
	bool escaped = line[0] == '\\';

	if (escaped)
		line++;
	if (!parse_tagged(line, sum) && !parse_plain(line, has_bare, bare, sum))
		return false;
	return !escaped || name_unescape(sum->name);
}
