/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/size.h"
#include "diff/report.h"
#include "show/progress.h"

void
report_open(struct report *report, const struct report_options *options)
{
	memset(report, 0, sizeof(*report));
	report->options = *options;
	report->delta.jobs = options->jobs;
	report->listing.out = stdout;
	report->listing.json = options->json;
}

void
report_source(struct report *report, struct source *source, uint64_t offset, uint64_t length)
{
	report->delta.source = source;
	report->delta.offset = offset;
	report->delta.length = report->delta.total = length;
	identity_find(&report->identity, source->fd, offset);
}

void
report_compare(struct report *report, struct source *old, uint64_t end)
{
	report->delta.old_source = old;
	report->delta.old_end = end;
}

void
report_compare_store(struct report *report, const struct cow *store, uint64_t end)
{
	report->delta.old_store = store;
	report->delta.old_end = end;
}

/* A range that differs; false ends the search. */
static bool
report_range(void *context, uint64_t offset, uint64_t length)
{
	struct report *report = context;

	report->differs = true;
	report->listed += length;
	if (report->options.form == REPORT_STATUS)
		return false;
	progress_pause();
	listing_add(&report->listing, offset, length);
	progress_resume();
	return true;
}

bool
report_begin(struct report *report, struct stream_header *header)
{
	struct delta *delta = &report->delta;

	if (report->options.form != REPORT_DELTA) {
		delta->found = report_range;
		delta->found_context = report;
		return true;
	}
	if (report->options.id != NULL)
		memcpy(header->id, report->options.id, STREAM_ID_SIZE);
	return delta_begin(delta, STDOUT_FILENO, header);
}

bool
report_put(struct report *report, uint64_t offset, uint64_t length, const unsigned char *data,
    unsigned old_flag, uint64_t old)
{
	return delta_put(&report->delta, offset, length, data, old_flag, old);
}

bool
report_pass(struct report *report, uint64_t looked)
{
	return delta_pass(&report->delta, looked);
}

bool
report_send(struct report *report, struct extents *ranges, uint64_t base_size,
    struct error *error)
{
	struct delta *delta = &report->delta;
	bool finer = delta->old_source != NULL || delta->old_store != NULL;
	struct stream_header header;
	bool more = true;
	size_t i;

	extents_settle(ranges, delta->offset, delta->offset + delta->length);
	report->looked = extents_total(ranges);
	/* Where nothing finer is known the list is the answer. */
	if (!finer && report->options.form != REPORT_DELTA) {
		for (i = 0; more && i < ranges->count; i++)
			more = report_range(report, ranges->list[i].offset, ranges->list[i].length);
		return true;
	}
	delta->ranges = ranges;
	delta->total = report->looked;
	header_init(&header, STREAM_DELTA, delta->length);
	header.identity = report->identity;
	header.base_size = base_size;
	if (!finer)
		header.data = extents_total(ranges);
	if (!report_begin(report, &header))
		return false;
	progress_phase("reading", extents_total(ranges));
	return delta_run(delta, error);
}

bool
report_end(struct report *report, const unsigned char *digest, const unsigned char *base_digest)
{
	if (report->delta.write_errno != 0 || !delta_end(&report->delta, digest, base_digest))
		return false;
	if (report->options.form == REPORT_LIST)
		listing_finish(&report->listing);
	return true;
}

void
report_abort(struct report *report, const char *why)
{
	delta_abort(&report->delta, why);
}

void
report_line(const struct report *report, const unsigned char *digest, double seconds, char *line,
    size_t size)
{
	const struct order *order = &report->delta.stream.order;
	bool list = report->options.form == REPORT_LIST;
	uint64_t found = list ? report->listed : order->data + order->zero;
	char rate[16], hex[BLK128_HEX];
	int used;

	size_format_rate(rate, sizeof(rate), report->looked, seconds);
	used = snprintf(line, size, "%s: %ju bytes looked at, %ju of them %s, %.1f s, %s/s",
	    report->delta.source->name, (uintmax_t)report->looked, (uintmax_t)found,
	    list ? "listed" : "sent", seconds, rate);
	if (digest != NULL && used > 0 && (size_t)used < size)
		snprintf(line + used, size - (size_t)used, ", blk128:%s", blk128_hex(digest, hex));
}

int
report_errno(const struct report *report)
{
	return report->delta.write_errno;
}
