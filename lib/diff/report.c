/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "diff/report.h"
#include "show/progress.h"

/* A range that differs; false ends the search. */
static bool
tell(void *context, uint64_t offset, uint64_t length)
{
	struct report *report = context;

	report->differs = true;
	if (report->form == REPORT_STATUS)
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

	if (report->form != REPORT_DELTA) {
		delta->found = tell;
		delta->found_context = report;
		return true;
	}
	if (report->id != NULL)
		memcpy(header->id, report->id, STREAM_ID_SIZE);
	return delta_begin(delta, STDOUT_FILENO, header);
}

bool
report_send(struct report *report, uint64_t base_size, struct error *error)
{
	struct delta *delta = &report->delta;
	const struct extents *ranges = &report->ranges;
	bool finer = delta->old_source != NULL || delta->old_store != NULL;
	struct stream_header header;
	bool more = true;
	size_t i;

	extents_settle(&report->ranges, delta->offset, delta->offset + delta->length);
	/* Where nothing finer is known the list is the answer. */
	if (!finer && report->form != REPORT_DELTA) {
		for (i = 0; more && i < ranges->count; i++)
			more = tell(report, ranges->list[i].offset, ranges->list[i].length);
		return true;
	}
	delta->ranges = ranges;
	header_init(&header, STREAM_DELTA, delta->length);
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
	if (report->form == REPORT_LIST)
		listing_finish(&report->listing);
	return true;
}
