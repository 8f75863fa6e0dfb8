/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "finding.h"
#include "progress.h"

/* A range that differs; false ends the search. */
static bool
tell(void *context, uint64_t offset, uint64_t length)
{
	struct finding *finding = context;

	finding->differs = true;
	if (finding->form == FINDING_STATUS)
		return false;
	progress_pause();
	listing_add(&finding->listing, offset, length);
	progress_resume();
	return true;
}

bool
finding_begin(struct finding *finding, struct stream_header *header)
{
	struct delta *delta = &finding->delta;

	if (finding->form != FINDING_DELTA) {
		delta->found = tell;
		delta->found_context = finding;
		return true;
	}
	if (finding->id != NULL)
		memcpy(header->id, finding->id, STREAM_ID_SIZE);
	return delta_begin(delta, STDOUT_FILENO, header);
}

bool
finding_send(struct finding *finding, uint64_t base_size, struct error *error)
{
	struct delta *delta = &finding->delta;
	const struct extents *ranges = &finding->ranges;
	bool finer = delta->old_source != NULL || delta->old_store != NULL;
	struct stream_header header;
	bool more = true;
	size_t i;

	extents_settle(&finding->ranges, delta->offset, delta->offset + delta->length);
	/* Where nothing finer is known the list is the answer. */
	if (!finer && finding->form != FINDING_DELTA) {
		for (i = 0; more && i < ranges->count; i++)
			more = tell(finding, ranges->list[i].offset, ranges->list[i].length);
		return true;
	}
	delta->ranges = ranges;
	header_init(&header, STREAM_DELTA, delta->length);
	header.base_size = base_size;
	if (!finer)
		header.data = extents_total(ranges);
	if (!finding_begin(finding, &header))
		return false;
	progress_phase("reading", extents_total(ranges));
	return delta_run(delta, error);
}

bool
finding_end(struct finding *finding, const unsigned char *digest, const unsigned char *base_digest)
{
	if (finding->delta.write_errno != 0 || !delta_end(&finding->delta, digest, base_digest))
		return false;
	if (finding->form == FINDING_LIST)
		listing_finish(&finding->listing);
	return true;
}
