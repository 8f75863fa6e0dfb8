/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "meter/gauge.h"
#include "show/line.h"
#include "show/progress.h"

/* Seconds: the windows of rates and, calmer, of estimates. */
#define RATE_SPAN	3
#define TREND_SPAN	8

/* The meter's numbers, as this kind of stream gives them a meaning. */
struct reading {
	const char *kind;
	bool stream, map;		/* a map's data is not in the pipe */
	bool jumps, compares;		/* a delta; how far its comparison is */
	uint64_t wire, position, data, zero;
	uint64_t done, total;		/* 100 % is total */
	double elapsed;
	double eta;
};

void
gauge_open(struct gauge *gauge, const struct meter *meter, double now)
{
	memset(gauge, 0, sizeof(*gauge));
	gauge->meter = meter;
	gauge->size = METER_UNKNOWN;
	gauge->start = now;
	rate_start(&gauge->logical, RATE_SPAN, now, 0);
	rate_start(&gauge->wire, RATE_SPAN, now, 0);
	rate_start(&gauge->trend, TREND_SPAN, now, 0);
	rate_start(&gauge->data_trend, TREND_SPAN, now, 0);
}

static uint64_t
load(const atomic_uint_fast64_t *where)
{
	return atomic_load_explicit(where, memory_order_relaxed);
}

/*
 * The progress of an image or a map is its position.  A delta jumps, so its progress is how far
 * the comparison has come, where its notes say it.  Else, and for an undo log, which goes back and
 * forth, it is counted in bytes of data; the header may say how many there are.
 */
static void
gauge_read(const struct gauge *gauge, double now, struct reading *reading)
{
	static const char *const kinds[] = { "raw", "image", "delta", "map", "undo" };
	const struct meter *meter = gauge->meter;
	int kind = atomic_load(&meter->kind);
	uint64_t size = load(&meter->size), data_total = load(&meter->data_total);

	reading->kind = kinds[kind];
	reading->stream = kind != 0;
	reading->map = kind == STREAM_MAP;
	reading->wire = load(&meter->wire);
	reading->data = load(&meter->data);
	reading->zero = load(&meter->zero);
	reading->position = reading->stream ? load(&meter->position) : reading->wire;
	reading->elapsed = now - gauge->start;
	reading->eta = -1;
	reading->compares = false;
	reading->done = reading->position;
	reading->total = size != METER_UNKNOWN ? size : gauge->size;
	reading->jumps = kind == STREAM_DELTA;
	if (kind == STREAM_DELTA && load(&meter->compared_total) != METER_UNKNOWN) {
		reading->done = load(&meter->compared);
		reading->total = load(&meter->compared_total);
		reading->compares = true;
	} else if (kind == STREAM_UNDO || (kind == STREAM_DELTA && data_total != METER_UNKNOWN)) {
		reading->done = reading->data;
		reading->total = data_total;
	}
}

/*
 * How much of so many bytes to come is data: as the header estimates it, else the share that it
 * was so far.  There one lump of zeros counts no more than all data before it: a single large
 * hole says little about the rest.
 */
static double
gauge_data_left(const struct gauge *gauge, const struct reading *reading, double left)
{
	uint64_t expected = load(&gauge->meter->data_total);
	double data = (double)reading->data;

	if (reading->done != reading->position)
		return left;
	if (expected != METER_UNKNOWN && expected > reading->data)
		return fmin((double)(expected - reading->data), left);
	return left * data / (data + gauge->lumps);
}

/* Zeros and data pass at rates of their own.  For a stream of nothing but zeros use the position. */
static double
gauge_eta(const struct gauge *gauge, const struct reading *reading)
{
	double rate = rate_value(&gauge->data_trend), left, data, zero_time = 0;

	if (reading->total == METER_UNKNOWN)
		return -1;
	if (reading->done >= reading->total)
		return 0;
	if (reading->jumps && !reading->compares && reading->done == reading->position)
		return -1;
	if (!reading->stream || reading->compares || reading->data == 0)
		return rate_eta(&gauge->trend, reading->total - reading->done);
	if (rate <= 0)
		return -1;
	left = (double)(reading->total - reading->done);
	data = gauge_data_left(gauge, reading, left);
	if (reading->zero > 0)
		zero_time = (left - data) * gauge->zero_seconds / (double)reading->zero;
	return data / rate + zero_time;
}

/* Learn from the zeros since the last measurement; while nothing else passes the time is theirs. */
static void
gauge_measure_zero(struct gauge *gauge, double now, const struct reading *reading)
{
	double lump = reading->zero > gauge->zero_seen ? (double)(reading->zero - gauge->zero_seen) : 0;

	gauge->lumps += fmin(lump, (double)reading->data);
	gauge->zero_seen = reading->zero;
	if (reading->data != gauge->data_trend.position || lump <= 0)
		return;
	if (now > gauge->data_trend.last)
		gauge->zero_seconds += now - gauge->data_trend.last;
	rate_skip(&gauge->data_trend, now);
}

static void
gauge_measure(struct gauge *gauge, double now, struct reading *reading)
{
	gauge_read(gauge, now, reading);
	gauge_measure_zero(gauge, now, reading);
	rate_measure(&gauge->logical, now, reading->done);
	rate_measure(&gauge->wire, now, reading->wire);
	rate_measure(&gauge->trend, now, reading->done);
	rate_measure(&gauge->data_trend, now, reading->data);
	reading->eta = gauge_eta(gauge, reading);
}

/* --- JSON -------------------------------------------------------------------------- */

/* A text that grows until it is full. */
struct text {
	char *out;
	size_t size, used;
};

static void text_add(struct text *, const char *, ...) __attribute__((format(printf, 2, 3)));

static void
text_add(struct text *text, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(text->out + text->used, text->size - text->used, format, arguments);
	va_end(arguments);
	text->used += (size_t)length;
	if (text->used >= text->size)
		text->used = text->size - 1;
}

/* Length in bytes of the UTF-8 character that begins here; 0 if none does. */
static size_t
utf8_length(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t length = *p < 0x80 ? 1 : *p < 0xc2 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 :
	    *p < 0xf5 ? 4 : 0;

	for (size_t i = 1; i < length; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) ||
	    (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))
		return 0;
	return length;
}

static void
text_add_string(struct text *text, const char *string)
{
	size_t length;

	if (string == NULL) {
		text_add(text, "null");
		return;
	}
	text_add(text, "\"");
	for (; *string != '\0'; string += length > 0 ? length : 1) {
		length = utf8_length(string);
		if (length == 0)
			text_add(text, "\\ufffd");
		else if (*string == '"' || *string == '\\')
			text_add(text, "\\%c", *string);
		else if (length == 2 && (unsigned char)string[0] == 0xc2 && (unsigned char)string[1] < 0xa0)
			text_add(text, "\\u%04x", (unsigned)(unsigned char)string[1]);
		else if ((unsigned char)*string < ' ' || *string == 0x7f)
			text_add(text, "\\u%04x", (unsigned)(unsigned char)*string);
		else
			text_add(text, "%.*s", (int)length, string);
	}
	text_add(text, "\"");
}

/* A key and a number; a number below 0 becomes null. */
static void
text_add_number(struct text *text, const char *key, int digits, double value)
{
	if (value < 0)
		text_add(text, ",\"%s\":null", key);
	else
		text_add(text, ",\"%s\":%.*f", key, digits, value);
}

static void
text_add_bytes(struct text *text, const char *key, uint64_t value)
{
	if (value == METER_UNKNOWN)
		text_add(text, ",\"%s\":null", key);
	else
		text_add(text, ",\"%s\":%ju", key, (uintmax_t)value);
}

static double
reading_percent(const struct reading *reading)
{
	if (reading->total == METER_UNKNOWN)
		return -1;
	return reading->total == 0 ? 100 : (double)reading->done * 100 / (double)reading->total;
}

static void
gauge_json(const struct gauge *gauge, const struct reading *reading, const char *state,
    char *out, size_t size)
{
	struct text text = { .out = out, .size = size };

	text_add(&text, "{\"name\":");
	text_add_string(&text, gauge->name);
	text_add(&text, ",\"state\":\"%s\",\"kind\":\"%s\"", state, reading->kind);
	text_add_bytes(&text, "position", reading->done);
	text_add_bytes(&text, "size", reading->total);
	text_add_number(&text, "percent", 1, reading_percent(reading));
	text_add_number(&text, "logical_rate", 0, rate_value(&gauge->logical));
	text_add_bytes(&text, "wire_bytes", reading->wire);
	text_add_number(&text, "wire_rate", 0, rate_value(&gauge->wire));
	text_add_number(&text, "ratio", 3, !reading->stream || reading->wire == 0 ? -1 :
	    (double)reading->done / (double)reading->wire);
	text_add_bytes(&text, "data_bytes", reading->stream ? reading->data : METER_UNKNOWN);
	text_add_bytes(&text, "zero_bytes", reading->stream ? reading->zero : METER_UNKNOWN);
	text_add_number(&text, "eta", 1, reading->eta);
	text_add_number(&text, "elapsed", 3, reading->elapsed);
	text_add(&text, "}");
}

/* --- lines ------------------------------------------------------------------------- */

static void
gauge_people(const struct gauge *gauge, const struct reading *reading, char *out, size_t size,
    unsigned width)
{
	struct line_view view = {
		/* In a log the line stands among those of other programs. */
		.name = gauge->name == NULL && width == 0 ? "blkmeter" : gauge->name,
		.done = reading->done,
		.total = reading->total,
		.wire = reading->stream ? reading->wire : PROGRESS_UNKNOWN,
		.elapsed = reading->elapsed,
		.eta = reading->eta,
		.rate = rate_value(&gauge->logical),
		.wire_rate = rate_value(&gauge->wire),
	};

	if (reading->stream) {
		view.zero = reading->zero;
		view.data = reading->map ? 0 : reading->data;
	}

	line_render(out, size, width, &view);
}

void
gauge_leave_out(struct gauge *gauge, double seconds)
{
	gauge->start += seconds;
	rate_leave_out(&gauge->logical, seconds);
	rate_leave_out(&gauge->wire, seconds);
	rate_leave_out(&gauge->trend, seconds);
	rate_leave_out(&gauge->data_trend, seconds);
}

void
gauge_line(struct gauge *gauge, double now, const char *state, char *out, size_t size,
    unsigned width)
{
	struct reading reading;
	char time[32] = "";

	gauge_measure(gauge, now, &reading);
	if (gauge->timer)
		snprintf(time, sizeof(time), "%.4f ", reading.elapsed);
	if (gauge->style == GAUGE_JSON)
		gauge_json(gauge, &reading, state, out, size);
	else if (gauge->style == GAUGE_PERCENT && reading.total != METER_UNKNOWN)
		snprintf(out, size, "%s%u", time, line_percent(reading.done, reading.total));
	else if (gauge->style != GAUGE_LINE)
		snprintf(out, size, "%s%ju", time, (uintmax_t)reading.done);
	else
		gauge_people(gauge, &reading, out, size, width);
}

char *
gauge_summary(const struct gauge *gauge, double now, char *out, size_t size)
{
	struct text text = { .out = out, .size = size };
	struct reading reading;
	char number[16], words[32];

	gauge_read(gauge, now, &reading);
	text_add(&text, "%s (%ju bytes) in ", size_format(number, sizeof(number), reading.done),
	    (uintmax_t)reading.done);
	if (reading.elapsed < 59.95)
		text_add(&text, "%.1f s", reading.elapsed);
	else
		text_add(&text, "%s", line_time(number, sizeof(number), reading.elapsed));
	text_add(&text, ", %s/s", size_format_rate(number, sizeof(number), reading.done,
	    reading.elapsed));
	if (!reading.stream)
		return out;
	text_add(&text, ", wire %s", size_format(number, sizeof(number), reading.wire));
	if (*line_holes(words, sizeof(words), reading.data, reading.zero) != '\0')
		text_add(&text, ", %s", words);
	if (!reading.map && *line_packed(words, sizeof(words), reading.data, reading.wire) != '\0')
		text_add(&text, ", %s", words);
	return out;
}
