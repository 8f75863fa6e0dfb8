/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sum/checklist.h"
#include "sum/sumline.h"

static void __attribute__((format(printf, 3, 4)))
say(const struct checklist *list, enum checklist_about about, const char *format, ...)
{
	char text[5000];	/* of a path and more */
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	list->say(list->context, about, text);
}

static void
check_file(const struct checklist *list, const struct sumline *sum, struct tally *tally)
{
	char digits[CHECKSUM_HEX];
	struct error error = { 0 };

	tally->sums++;
	if (!list->digest(list->context, sum->name, sum->kind, digits, &error)) {
		if (list->ignore_missing && error.number == ENOENT)
			return;
		say(list, CHECKLIST_TROUBLE, "%s", error.text);
		tally->unreadable++;
		list->verdict(list->context, sum->name, "FAILED open or read", false);
	} else if (strcmp(digits, sum->digits) != 0) {
		tally->mismatched++;
		list->verdict(list->context, sum->name, "FAILED", false);
	} else {
		tally->matched++;
		list->verdict(list->context, sum->name, "OK", true);
	}
}

static bool
summarize(const struct checklist *list, const char *name, const struct tally *tally)
{
	char text[TALLY_TEXT];
	unsigned i;

	if (tally->sums == 0) {
		say(list, CHECKLIST_TROUBLE, tally->foreign != NULL ? "%s: no properly formatted checksum lines found: "
		    "%s is not read" : "%s: no properly formatted checksum lines found", name, tally->foreign);
		return false;
	}
	for (i = 0; i < TALLY_WARNINGS; i++)
		if (tally_warning(tally, i, text))
			say(list, CHECKLIST_SUMMARY, "%s", text);
	if (tally_files(tally) == 0)
		say(list, CHECKLIST_SUMMARY, "%s: no file was verified", name);
	return tally_files(tally) > 0 && (!list->strict || tally->malformed == 0);
}

bool
checklist_run(struct checklist *list, struct input *input)
{
	static char room[SUMLINE_MAX];
	struct tally tally = { 0 };
	struct sumline_style style = { .has_bare = list->has_kind, .bare = list->kind };
	enum sumline_found found;
	struct sumline sum;
	int number;

	while ((found = sumline_read(input, room, &style, &sum)) < SUMLINE_END) {
		tally.lines++;
		if (found == SUMLINE_SUM) {
			check_file(list, &sum, &tally);
		} else if (found == SUMLINE_MALFORMED) {
			tally.malformed++;
			tally.foreign = style.foreign != NULL ? style.foreign : tally.foreign;
			say(list, CHECKLIST_LINE, "%s: %ju: improperly formatted checksum line%s%s%s", input->name,
			    (uintmax_t)tally.lines, style.foreign != NULL ? ": " : "",
			    style.foreign != NULL ? style.foreign : "", style.foreign != NULL ? " is not read" : "");
		}
	}
	number = errno;
	tally_add(&list->total, &tally);
	if (found == SUMLINE_END)
		return summarize(list, input->name, &tally);
	say(list, CHECKLIST_TROUBLE, "%s: %s", input->name, strerror(number));
	return false;
}
