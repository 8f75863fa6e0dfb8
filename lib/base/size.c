/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/size.h"

static const char units[] = "KMGTPE";

/* The factor that a suffix stands for, or 0. */
static uint64_t
unit_factor(const char *suffix)
{
	const char *unit;
	uint64_t factor = 1, base;
	ptrdiff_t power;

	if (*suffix == '\0' || strcmp(suffix, "B") == 0)
		return 1;
	if (strcmp(suffix, "s") == 0)
		return 512;
	unit = strchr(units, toupper((unsigned char)*suffix));
	if (unit == NULL)
		return 0;
	suffix++;
	if (*suffix == '\0' || strcmp(suffix, "iB") == 0)
		base = 1024;
	else if (strcmp(suffix, "B") == 0)
		base = 1000;
	else
		return 0;
	for (power = unit - units; power >= 0; power--)
		factor *= base;
	return factor;
}

bool
size_parse(const char *text, uint64_t *bytes)
{
	uint64_t whole = 0, fraction = 0, scale = 1, factor;
	unsigned __int128 total;
	bool bare_point = false;
	const char *p = text;

	if (!isdigit((unsigned char)*p)) {
		errno = EINVAL;
		return false;
	}
	for (; isdigit((unsigned char)*p); p++) {
		if (whole > SIZE_LIMIT / 10) {
			errno = ERANGE;
			return false;
		}
		whole = whole * 10 + (uint64_t)(*p - '0');
	}
	if (*p == '.') {
		for (p++; isdigit((unsigned char)*p) && scale < 1000000000; p++) {
			fraction = fraction * 10 + (uint64_t)(*p - '0');
			scale *= 10;
		}
		bare_point = scale == 1;
	}
	factor = unit_factor(p);
	total = (unsigned __int128)fraction * factor;
	if (factor == 0 || bare_point || total % scale != 0) {
		errno = EINVAL;
		return false;
	}
	total = total / scale + (unsigned __int128)whole * factor;
	if (total > SIZE_LIMIT) {
		errno = ERANGE;
		return false;
	}
	*bytes = (uint64_t)total;
	return true;
}

char *
size_format(char *out, size_t size, uint64_t bytes)
{
	double value = (double)bytes;
	int unit = -1;

	while (value >= 1023.5 && unit < 5) {
		value /= 1024;
		unit++;
	}
	if (unit == -1)
		snprintf(out, size, "%ju B", (uintmax_t)bytes);
	else
		snprintf(out, size, "%.*f %ciB", value < 99.95 ? 1 : 0, value, units[unit]);
	return out;
}

uint64_t
size_from_double(double bytes)
{
	/* Converting a number that does not fit is undefined, and so is NaN. */
	return bytes >= 0x1p64 ? UINT64_MAX : bytes > 0 ? (uint64_t)bytes : 0;
}

char *
size_format_rate(char *out, size_t size, uint64_t bytes, double seconds)
{
	return size_format(out, size,
	    size_from_double((double)bytes / (seconds > 0.001 ? seconds : 0.001)));
}

bool
number_parse(const char *text, uint64_t low, uint64_t high, uint64_t *number)
{
	uint64_t value = 0;
	const char *p;

	if (*text == '\0') {
		errno = EINVAL;
		return false;
	}
	for (p = text; *p != '\0'; p++) {
		uint64_t digit = (uint64_t)(*p - '0');

		if (!isdigit((unsigned char)*p)) {
			errno = EINVAL;
			return false;
		}
		if (value > (UINT64_MAX - digit) / 10) {
			errno = ERANGE;
			return false;
		}
		value = value * 10 + digit;
	}
	if (value < low || value > high) {
		errno = ERANGE;
		return false;
	}
	*number = value;
	return true;
}
