/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/error.h"
#include "base/size.h"
#include "show/line.h"

#define BAR_MIN		12
#define BAR_MAX		60

/* The parts of a line that are left out where it is narrow. */
#define PART_TOTAL	(1u << 0)
#define PART_PERCENT	(1u << 1)
#define PART_BAR	(1u << 2)
#define PART_RATE	(1u << 3)
#define PART_WIRE	(1u << 4)
#define PART_WORDS	(1u << 5)
#define PART_ELAPSED	(1u << 6)
#define PART_ETA	(1u << 7)
#define PART_NAME	(1u << 8)

/* From the widest layout to the narrowest; the first that fits is used. */
static const unsigned layouts_known[] = {
	PART_NAME | PART_TOTAL | PART_PERCENT | PART_BAR | PART_RATE | PART_WIRE | PART_WORDS |
	    PART_ELAPSED | PART_ETA,
	PART_NAME | PART_TOTAL | PART_PERCENT | PART_BAR | PART_RATE | PART_WORDS | PART_ELAPSED |
	    PART_ETA,
	PART_NAME | PART_TOTAL | PART_PERCENT | PART_BAR | PART_RATE | PART_ELAPSED | PART_ETA,
	PART_NAME | PART_TOTAL | PART_PERCENT | PART_RATE | PART_ELAPSED | PART_ETA,
	PART_NAME | PART_PERCENT | PART_RATE | PART_ELAPSED | PART_ETA,
	PART_NAME | PART_PERCENT | PART_RATE | PART_ETA,
	PART_PERCENT | PART_RATE | PART_ETA,
	PART_PERCENT | PART_ETA,
	PART_PERCENT,
};

static const unsigned layouts_unknown[] = {
	PART_NAME | PART_RATE | PART_WIRE | PART_WORDS | PART_ELAPSED,
	PART_NAME | PART_RATE | PART_WORDS | PART_ELAPSED,
	PART_NAME | PART_RATE | PART_ELAPSED,
	PART_NAME | PART_RATE,
	PART_RATE,
	0,
};

/* A text that grows until it is full, and the columns that it takes. */
struct line {
	char *out;
	size_t size, used;
	unsigned columns;
};

/* False for a byte of UTF-8 that continues a character: it takes no column. */
static bool
byte_begins(char byte)
{
	return ((unsigned char)byte & 0xc0) != 0x80;
}

unsigned
line_columns(const char *text)
{
	unsigned columns = 0;

	for (; *text != '\0'; text++)
		columns += byte_begins(*text);
	return columns;
}

static void
line_add(struct line *line, const char *text)
{
	for (; *text != '\0' && line->used + 1 < line->size; text++) {
		line->out[line->used++] = *text;
		line->columns += byte_begins(*text);
	}
	line->out[line->used] = '\0';
}

/* Shorten to width columns, not in the middle of a character. */
static void
line_cut(char *out, unsigned width)
{
	unsigned columns = 0;

	for (; *out != '\0'; out++) {
		columns += byte_begins(*out);
		if (columns > width)
			break;
	}
	*out = '\0';
}

char *
line_time(char *out, size_t size, double seconds)
{
	uint64_t s;

	if (!(seconds >= 0) || seconds >= 10000.0 * 86400) {
		snprintf(out, size, "--:--");
		return out;
	}
	s = (uint64_t)(seconds + 0.5);
	if (s < 100 * 3600)
		snprintf(out, size, "%u:%02u:%02u", (unsigned)(s / 3600), (unsigned)(s / 60 % 60),
		    (unsigned)(s % 60));
	else
		snprintf(out, size, "%ud %02u:%02u", (unsigned)(s / 86400),
		    (unsigned)(s / 3600 % 24), (unsigned)(s / 60 % 60));
	return out;
}

char *
line_holes(char *out, size_t size, uint64_t data, uint64_t zero)
{
	uint64_t all = zero > UINT64_MAX - data ? UINT64_MAX : data + zero;
	unsigned percent = zero > 0 ? line_percent(zero, all) : 0;

	*out = '\0';
	if (zero > 0 && percent == 0)
		snprintf(out, size, "<1%% holes");
	else if (zero > 0)
		snprintf(out, size, "%u%% holes", percent);
	return out;
}

char *
line_packed(char *out, size_t size, uint64_t data, uint64_t wire)
{
	double ratio = wire > 0 ? (double)data / (double)wire : 1;

	*out = '\0';
	if (ratio >= 9999.5)
		snprintf(out, size, ">9999:1 compressed");
	else if (ratio >= 1.05)
		snprintf(out, size, "%.*f:1 compressed", ratio < 99.95 ? 1 : 0, ratio);
	return out;
}

unsigned
line_percent(uint64_t done, uint64_t total)
{
	unsigned __int128 percent = 100;

	if (total > 0)
		percent = (unsigned __int128)done * 100 / total;
	return percent > 999 ? 999 : (unsigned)percent;
}

/* " 1.2 GiB/s"; the width does not depend on the rate. */
static void
line_add_rate(struct line *line, const char *format, double rate)
{
	char number[16], text[32];

	if (rate < 0)
		snprintf(number, sizeof(number), "-- B");
	else
		size_format(number, sizeof(number), rate < 1e19 ? (uint64_t)rate : UINT64_MAX);
	snprintf(text, sizeof(text), "%s/s", number);
	for (size_t length = strlen(text); length < 10; length++)
		line_add(line, " ");
	line_add(line, format);
	line_add(line, text);
}

static void
line_add_bar(struct line *line, unsigned width, const struct line_view *view)
{
	uint64_t done = view->done < view->total ? view->done : view->total;
	unsigned inside = width - 2, filled = inside, i;

	if (view->total > 0)
		filled = (unsigned)((unsigned __int128)done * inside / view->total);
	line_add(line, " [");
	for (i = 0; i < inside; i++)
		line_add(line, i < filled ? "=" : i == filled ? ">" : " ");
	line_add(line, "]");
}

static void
line_add_word(struct line *line, const char *word)
{
	if (*word == '\0')
		return;
	line_add(line, "  ");
	line_add(line, word);
}

static void
line_add_wire(struct line *line, unsigned parts, const struct line_view *view)
{
	char word[32];

	if (view->wire == LINE_UNKNOWN)
		return;
	if ((parts & PART_WIRE) != 0) {
		line_add(line, " ");
		line_add_rate(line, "(wire ", view->wire_rate);
		line_add(line, ")");
	}
	if ((parts & PART_WORDS) == 0)
		return;
	line_add_word(line, line_holes(word, sizeof(word), view->data, view->zero));
	line_add_word(line, line_packed(word, sizeof(word), view->data, view->wire));
}

static void
line_add_amount(struct line *line, unsigned parts, const struct line_view *view)
{
	char number[16], text[32];

	if ((parts & PART_NAME) != 0 && view->name != NULL && *view->name != '\0') {
		line_add(line, view->name);
		line_add(line, ": ");
	}
	size_format(number, sizeof(number), view->done);
	snprintf(text, sizeof(text), "%8s", number);
	line_add(line, text);
	if ((parts & PART_TOTAL) != 0) {
		line_add(line, " of ");
		line_add(line, size_format(number, sizeof(number), view->total));
	}
	if ((parts & PART_PERCENT) != 0) {
		snprintf(text, sizeof(text), " %3u%%", line_percent(view->done, view->total));
		line_add(line, text);
	}
}

/* Compose a line of these parts with a bar of so many columns; returns its columns. */
static unsigned
line_compose(char *out, size_t size, unsigned parts, unsigned bar, const struct line_view *view)
{
	struct line line = { .out = out, .size = size };
	char time[16];

	line_add_amount(&line, parts, view);
	if (bar > 0)
		line_add_bar(&line, bar, view);
	if ((parts & PART_RATE) != 0) {
		line_add(&line, " ");
		line_add_rate(&line, "", view->rate);
	}
	line_add_wire(&line, parts, view);
	if ((parts & PART_ELAPSED) != 0) {
		line_add(&line, "  ");
		line_add(&line, line_time(time, sizeof(time), view->elapsed));
	}
	if ((parts & PART_ETA) != 0) {
		line_add(&line, "  ETA ");
		line_add(&line, line_time(time, sizeof(time), view->eta));
	}
	return line.columns;
}

char *
line_render(char *out, size_t size, unsigned width, const struct line_view *view)
{
	bool known = view->total != LINE_UNKNOWN;
	const unsigned *layouts = known ? layouts_known : layouts_unknown;
	size_t count = known ? sizeof(layouts_known) / sizeof(*layouts_known) :
	    sizeof(layouts_unknown) / sizeof(*layouts_unknown);
	unsigned columns, bar;
	size_t i;

	if (width == 0) {
		line_compose(out, size, layouts[0], 0, view);
		text_clean(out);
		return out;
	}
	for (i = 0; i < count; i++) {
		bar = (layouts[i] & PART_BAR) != 0 ? BAR_MIN : 0;
		columns = line_compose(out, size, layouts[i], bar, view);
		if (columns > width)
			continue;
		if (bar > 0) {
			bar += width - columns;
			line_compose(out, size, layouts[i], bar < BAR_MAX ? bar : BAR_MAX, view);
		}
		break;
	}
	text_clean(out);
	line_cut(out, width);
	return out;
}

unsigned
line_width(int fd)
{
	struct winsize window;
	const char *columns = getenv("COLUMNS");
	uint64_t number;

	if (ioctl(fd, TIOCGWINSZ, &window) == 0 && window.ws_col > 0)
		return window.ws_col;
	if (columns != NULL && number_parse(columns, 1, LINE_SIZE - 1, &number))
		return (unsigned)number;
	return 80;
}
