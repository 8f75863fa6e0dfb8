/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "delta.h"
#include "io.h"
#include "pool.h"
#include "progress.h"

#define PAGES	(DELTA_CHUNK / DELTA_PAGE)

/* Pages in a row that are sent as one record. */
struct run {
	uint32_t start, length;		/* bytes in the chunk */
	bool zero;
	uint64_t sum, old;
};

struct chunk {
	uint64_t offset, length;	/* of the source */
	bool same;			/* both sides have a hole here */
	bool checked;			/* old bytes are there */
	unsigned char *data, *before;
	struct run runs[PAGES];
	unsigned count;
	struct error error;
};

struct delta_state {
	struct delta *delta;
	struct error *error;
	size_t index;			/* of the range that chunks are cut from */
	uint64_t at;			/* where in it */
};

static uint64_t
smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* True if both sides have a hole at offset; *end is where that ends. */
static bool
both_holes(struct delta *delta, uint64_t offset, uint64_t *end)
{
	bool hole;
	uint64_t ends;

	if (delta->old_source == NULL || offset >= delta->old_end)
		return false;
	ends = source_extent(delta->source, offset, *end, &hole);
	if (!hole)
		return false;
	ends = smaller(ends, source_extent(delta->old_source, offset, smaller(*end, delta->old_end),
	    &hole));
	*end = ends;
	return hole;
}

static bool
take_chunk(void *context, void *job)
{
	struct delta_state *state = context;
	struct delta *delta = state->delta;
	struct chunk *chunk = job;
	const struct extent *range;
	uint64_t end;

	if (state->index == delta->ranges->count)
		return false;
	range = &delta->ranges->list[state->index];
	if (state->at < range->offset)
		state->at = range->offset;
	chunk->offset = state->at;
	chunk->count = 0;
	end = range->offset + range->length;
	chunk->same = both_holes(delta, chunk->offset, &end);
	if (!chunk->same) {
		end = smaller(range->offset + range->length,
		    (chunk->offset / DELTA_CHUNK + 1) * DELTA_CHUNK);
		if (chunk->offset < delta->old_end)
			end = smaller(end, delta->old_end);
	}
	chunk->checked = delta->old != NULL && chunk->offset < delta->old_end;
	chunk->length = end - chunk->offset;
	state->at = end;
	if (end == range->offset + range->length)
		state->index++;
	return true;
}

static bool
chunk_read(struct delta *delta, struct chunk *chunk)
{
	struct source *source = delta->source;
	struct source_bad bad;
	ssize_t n = source_read(source, chunk->offset, chunk->data, (size_t)chunk->length);

	if (n == -1) {
		if (source_salvage(source, chunk->offset, chunk->data, (size_t)chunk->length, &bad, 1) > 0) {
			errno = bad.number;
			return error_errno(&chunk->error, "%s: at byte %ju", source->name,
			    (uintmax_t)(chunk->offset + bad.start));
		}
	} else if ((size_t)n < chunk->length)
		return error_set(&chunk->error, "%s: at byte %ju: it ends here now", source->name,
		    (uintmax_t)(chunk->offset + (uint64_t)n));
	return !chunk->checked || delta->old(delta->old_context, chunk->offset, chunk->before,
	    (size_t)chunk->length, &chunk->error);
}

/* Cut the pages that differ, or all, into runs of data and of zeros. */
static void
chunk_cut(struct chunk *chunk)
{
	struct run *run = NULL;
	uint32_t at, page;

	for (at = 0; at < chunk->length; at += page) {
		bool zero;

		page = DELTA_PAGE - (uint32_t)((chunk->offset + at) % DELTA_PAGE);
		page = (uint32_t)smaller(page, chunk->length - at);
		if (chunk->checked && memcmp(chunk->data + at, chunk->before + at, page) == 0) {
			run = NULL;
			continue;
		}
		zero = bytes_are_zero(chunk->data + at, page);
		if (run == NULL || run->zero != zero) {
			run = &chunk->runs[chunk->count++];
			*run = (struct run){ .start = at, .zero = zero };
		}
		run->length += page;
	}
}

static void
work_chunk(void *context, void *job)
{
	struct delta_state *state = context;
	struct chunk *chunk = job;
	struct run *run;

	if (chunk->same || !chunk_read(state->delta, chunk))
		return;
	/* The common case, at the speed of memory. */
	if (chunk->checked && memcmp(chunk->data, chunk->before, chunk->length) == 0)
		return;
	chunk_cut(chunk);
	for (run = chunk->runs; run < chunk->runs + chunk->count; run++) {
		if (chunk->checked)
			run->old = sum64(chunk->before + run->start, run->length);
		if (!run->zero)
			run->sum = sum64(chunk->data + run->start, run->length);
	}
}

static bool
put_record(struct delta *delta, struct record *record, const void *payload)
{
	if (delta->writer == NULL || stream_put(delta->writer, record, payload))
		return true;
	delta->write_errno = errno;
	return false;
}

static bool
give_chunk(void *context, void *job)
{
	struct delta_state *state = context;
	struct delta *delta = state->delta;
	struct chunk *chunk = job;
	struct run *run;

	*state->error = chunk->error;
	if (chunk->error.set)
		return false;
	progress_add(chunk->length);
	for (run = chunk->runs; run < chunk->runs + chunk->count; run++) {
		uint64_t offset = chunk->offset + run->start;
		struct record record = {
			.type = run->zero ? RECORD_ZERO : RECORD_DATA,
			.flags = chunk->checked ? RECORD_OLD_BYTES : 0, .old = run->old,
			.offset = offset - delta->offset, .length = run->length,
			.stored = run->zero ? 0 : run->length, .sum = run->sum,
			.stored_sum = (uint32_t)run->sum
		};

		if (run->zero)
			record_seal(&record, "");
		if (delta->found != NULL && !delta->found(delta->found_context, offset, run->length))
			return false;
		if (!put_record(delta, &record, chunk->data + run->start))
			return false;
	}
	return true;
}

bool
delta_put(struct delta *delta, uint64_t offset, uint64_t length, const unsigned char *data,
    unsigned old_flag, uint64_t old)
{
	struct record record = {
		.type = data == NULL ? RECORD_ZERO : RECORD_DATA, .flags = old_flag, .old = old,
		.offset = offset - delta->offset, .length = length,
		.stored = data == NULL ? 0 : (uint32_t)length
	};

	record_seal(&record, data);
	if (delta->found != NULL && !delta->found(delta->found_context, offset, length))
		return false;
	return put_record(delta, &record, data);
}

static const struct pool_ops delta_ops = { take_chunk, work_chunk, give_chunk };

bool
delta_run(struct delta *delta, struct error *error)
{
	struct delta_state state = { .delta = delta, .error = error };
	struct chunk **chunks = calloc(delta->jobs, sizeof(*chunks));
	bool done = chunks != NULL;
	unsigned i;

	for (i = 0; done && i < delta->jobs; i++) {
		chunks[i] = calloc(1, sizeof(**chunks));
		done = chunks[i] != NULL &&
		    (chunks[i]->data = buffer_create(DELTA_CHUNK + SOURCE_ALIGN)) != NULL &&
		    (chunks[i]->before = buffer_create(DELTA_CHUNK + SOURCE_ALIGN)) != NULL;
	}
	if (!done)
		return error_errno(error, "memory");
	done = pool_run(&delta_ops, &state, (void **)chunks, delta->jobs);
	for (i = 0; i < delta->jobs; i++) {
		free(chunks[i]->data);
		free(chunks[i]->before);
		free(chunks[i]);
	}
	free(chunks);
	return done;
}
