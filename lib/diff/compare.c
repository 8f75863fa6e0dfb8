/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "diff/compare.h"
#include "hash/blk128.h"
#include "read/mapdiff.h"

bool
compare_devices(struct report *report, struct source *old, uint64_t limit, struct extents *ranges,
    unsigned char *digest, struct error *error)
{
	struct delta *delta = &report->delta;
	uint64_t base = old->size > delta->offset ? old->size - delta->offset : 0;
	bool done = true;

	if (base > limit)
		base = limit;
	report_compare(report, old, delta->offset + (base < delta->length ? base : delta->length));
	if (!extents_add(ranges, delta->offset, delta->length) ||
	    (digest != NULL && (delta->digest = blk128_create()) == NULL))
		return error_errno(error, "memory");
	/* Another length is a difference, as for cmp(1), and needs no reading. */
	if (report->options.form == REPORT_STATUS && base != delta->length)
		report->differs = true;
	else
		done = report_send(report, ranges, base, error);
	if (!error->set && digest != NULL)
		blk128_finish(delta->digest, digest);
	return done;
}

static bool
map_differs(void *context, const struct mapdiff_run *run)
{
	return report_put(context, run->offset, run->length, run->data,
	    run->checked ? RECORD_OLD_HASHES : 0, run->checked ? run->old : 0);
}

static bool
map_passed(void *context, uint64_t offset)
{
	struct report *report = context;

	return report_pass(report, offset - report->delta.offset);
}

bool
compare_map(struct report *report, struct map_reader *map, unsigned char digest[BLK128_SIZE],
    struct error *error)
{
	const struct stream_header *base = &map->stream.header;
	struct mapdiff mapdiff = {
		.source = report->delta.source, .map = map, .beyond = true,
		.offset = report->delta.offset, .length = report->delta.length,
		.jobs = report->options.jobs,
		.differs = map_differs, .passed = map_passed, .context = report
	};
	struct stream_header header;
	bool done;

	header_init(&header, STREAM_DELTA, report->delta.length);
	header.identity = report->identity;
	header.base_size = base->size;
	header.grid = base->grid;
	header.hash = base->hash;
	header.payload_max = base->grid > MAPDIFF_RUN ? base->grid : MAPDIFF_RUN;
	done = report_begin(report, &header) && mapdiff_run(&mapdiff, error);
	report->looked = mapdiff.length;
	memcpy(digest, mapdiff.digest, BLK128_SIZE);
	return done;
}

bool
compare_store(struct report *report, const struct cow *store, uint64_t size, bool pristine,
    struct extents *ranges, struct error *error)
{
	if (!cow_extents(store, size, ranges))
		return error_errno(error, "memory");
	if (pristine)
		report_compare_store(report, store, size);
	return report_send(report, ranges, report->delta.length, error);
}
