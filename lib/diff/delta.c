/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/pool.h"
#include "diff/delta.h"
#include "hash/hash64.h"
#include "show/progress.h"

#define PAGES	(DELTA_CHUNK / DELTA_PAGE)

/* Zeros in a row are gathered up to this, or for a second, so that the pipe stays alive. */
#define ZEROS_MAX	(1ull << 30)

/* Seconds between notes of how far the comparison has come. */
#define NOTE_INTERVAL	0.25

/* Pages in a row that are sent as one record. */
struct run {
	uint32_t start, length;		/* bytes in the chunk */
	bool zero;
	uint64_t sum, old;
};

/* A part of a range. */
struct chunk {
	uint64_t offset, length;	/* of the source */
	bool hole;			/* of the source; with checked of the old bytes too */
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
	uint64_t solid_end;		/* no hole that need not be read begins before */
	uint64_t looked;		/* bytes of the ranges, in order */
	bool stopped;			/* give returned false */
	struct extent zeros;		/* found and not yet sent; unchecked */
	double zeros_since;
};

static uint64_t
smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Whether bytes up to *end need not be read.  *end moves to where that changes. */
static bool
nothing_to_read(const struct delta *delta, uint64_t offset, bool checked, uint64_t *end)
{
	uint64_t source_end, old_end;
	bool hole;

	if (checked && delta->old_source == NULL)
		return false;
	source_end = source_extent(delta->source, offset, *end, &hole);
	if (hole && checked) {
		old_end = source_extent(delta->old_source, offset, *end, &hole);
		source_end = hole ? smaller(source_end, old_end) : old_end;
	}
	*end = source_end;
	return hole;
}

static void
chunk_cut(struct delta_state *state, struct chunk *chunk, const struct extent *range)
{
	const struct delta *delta = state->delta;
	uint64_t limit = range->offset + range->length, end;

	if (state->at < range->offset)
		state->at = range->offset;
	chunk->offset = state->at;
	chunk->count = 0;
	chunk->hole = false;
	chunk->checked = (delta->old_source != NULL || delta->old_store != NULL) &&
	    chunk->offset < delta->old_end;
	if (chunk->checked)
		limit = smaller(limit, delta->old_end);
	end = smaller(limit, (chunk->offset / DELTA_CHUNK + 1) * DELTA_CHUNK);
	if (chunk->offset >= state->solid_end) {
		state->solid_end = limit;
		chunk->hole = nothing_to_read(delta, chunk->offset, chunk->checked, &state->solid_end);
		if (chunk->hole)
			end = state->solid_end;
	}
	chunk->length = end - chunk->offset;
	state->at = end;
}

static bool
take_chunk(void *context, void *job)
{
	struct delta_state *state = context;
	const struct extents *ranges = state->delta->ranges;
	const struct extent *range;

	if (state->index == ranges->count)
		return false;
	range = &ranges->list[state->index];
	chunk_cut(state, job, range);
	if (state->at == range->offset + range->length)
		state->index++;
	return true;
}

static bool
chunk_read(const struct delta *delta, struct chunk *chunk)
{
	size_t length = (size_t)chunk->length;

	if (!source_read_whole(delta->source, chunk->offset, chunk->data, length, &chunk->error))
		return false;
	if (!chunk->checked)
		return true;
	if (delta->old_source != NULL)
		return source_read_whole(delta->old_source, chunk->offset, chunk->before, length,
		    &chunk->error);
	return cow_read_old(delta->old_store, chunk->offset, chunk->before, length, &chunk->error);
}

/* Gather the pages that differ, or all, in runs of data and of zeros. */
static void
chunk_find_runs(struct chunk *chunk)
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

	if (chunk->hole || !chunk_read(state->delta, chunk))
		return;
	/* The common case, at the speed of memory. */
	if (chunk->checked && memcmp(chunk->data, chunk->before, chunk->length) == 0)
		return;
	chunk_find_runs(chunk);
	for (run = chunk->runs; run < chunk->runs + chunk->count; run++) {
		if (chunk->checked)
			run->old = hash64(chunk->before + run->start, run->length);
		if (!run->zero)
			run->sum = hash64(chunk->data + run->start, run->length);
	}
}

/* Keep why writing failed. */
static bool
sent(struct delta *delta, bool done)
{
	if (!done)
		delta->write_errno = errno;
	return done;
}

bool
delta_begin(struct delta *delta, int fd, struct stream_header *header)
{
	delta->sending = true;
	delta->noted = clock_seconds();
	header_encode(header);
	return sent(delta, stream_begin(&delta->stream, fd, header));
}

bool
delta_end(struct delta *delta, const unsigned char *digest, const unsigned char *base_digest)
{
	struct end_summary end;

	if (!delta->sending)
		return true;
	order_summary(&delta->stream.order, &end);
	if (digest != NULL)
		memcpy(end.digest, digest, BLK128_SIZE);
	if (base_digest != NULL)
		memcpy(end.base_digest, base_digest, BLK128_SIZE);
	return sent(delta, stream_put_end(&delta->stream, &end));
}

void
delta_abort(struct delta *delta, const char *why)
{
	if (delta->sending)
		(void)stream_put_abort(&delta->stream, why);
}

static bool
put_record(struct delta *delta, struct record *record, const void *payload)
{
	uint64_t offset = record->offset;

	if (delta->found != NULL && !delta->found(delta->found_context, offset, record->length))
		return false;
	record->offset = offset - delta->offset;
	if (!delta->sending)
		return true;
	return sent(delta, stream_put(&delta->stream, record, payload));
}

bool
delta_pass(struct delta *delta, uint64_t looked)
{
	double now = clock_seconds();
	char note[64];

	if (!delta->sending || now - delta->noted < NOTE_INTERVAL)
		return true;
	delta->noted = now;
	snprintf(note, sizeof(note), "compared=%ju/%ju", (uintmax_t)looked, (uintmax_t)delta->total);
	return sent(delta, stream_put_note(&delta->stream, note));
}

bool
delta_put(struct delta *delta, uint64_t offset, uint64_t length, const unsigned char *data,
    unsigned old_flag, uint64_t old)
{
	struct record record = {
		.type = data == NULL ? RECORD_ZERO : RECORD_DATA, .flags = old_flag, .old = old,
		.offset = offset, .length = length, .stored = data == NULL ? 0 : (uint32_t)length
	};

	record_seal(&record, data);
	return put_record(delta, &record, data);
}

static bool
give_zeros(struct delta_state *state)
{
	struct extent zeros = state->zeros;

	state->zeros.length = 0;
	return zeros.length == 0 ||
	    delta_put(state->delta, zeros.offset, zeros.length, NULL, 0, 0);
}

/* Zeros of which the old bytes are not known join those before. */
static bool
gather_zeros(struct delta_state *state, uint64_t offset, uint64_t length)
{
	struct extent *zeros = &state->zeros;

	if (zeros->length > 0 && (zeros->offset + zeros->length != offset ||
	    zeros->length >= ZEROS_MAX || clock_seconds() - state->zeros_since >= 1) &&
	    !give_zeros(state))
		return false;
	if (zeros->length == 0) {
		zeros->offset = offset;
		state->zeros_since = clock_seconds();
	}
	zeros->length += length;
	return true;
}

static bool
give_run(struct delta_state *state, const struct chunk *chunk, const struct run *run)
{
	struct record record = {
		.type = run->zero ? RECORD_ZERO : RECORD_DATA,
		.flags = chunk->checked ? RECORD_OLD_BYTES : 0, .old = run->old,
		.offset = chunk->offset + run->start, .length = run->length,
		.stored = run->zero ? 0 : run->length, .sum = run->sum,
		.stored_sum = (uint32_t)run->sum
	};

	if (run->zero && !chunk->checked)
		return gather_zeros(state, record.offset, record.length);
	if (run->zero)
		record_seal(&record, NULL);
	return give_zeros(state) && put_record(state->delta, &record, chunk->data + run->start);
}

static bool
give_chunk(void *context, void *job)
{
	struct delta_state *state = context;
	struct chunk *chunk = job;
	bool given = !chunk->error.set;
	unsigned i;

	if (given && state->delta->digest != NULL && !blk128_bytes(state->delta->digest,
	    chunk->hole ? NULL : chunk->data, chunk->length))
		given = error_errno(&chunk->error, "memory");
	if (given && chunk->hole && !chunk->checked)
		given = gather_zeros(state, chunk->offset, chunk->length);
	for (i = 0; given && i < chunk->count; i++)
		given = give_run(state, chunk, &chunk->runs[i]);
	state->looked += chunk->length;
	given = given && delta_pass(state->delta, state->looked);
	progress_add(chunk->length);
	if (!given) {
		state->stopped = true;
		*state->error = chunk->error;
	}
	return given;
}

static const struct pool_ops delta_ops = { take_chunk, work_chunk, give_chunk };

static void
chunks_destroy(struct chunk **chunks, unsigned count)
{
	unsigned i;

	for (i = 0; chunks != NULL && i < count; i++)
		if (chunks[i] != NULL) {
			free(chunks[i]->data);
			free(chunks[i]->before);
			free(chunks[i]);
		}
	free(chunks);
}

static struct chunk **
chunks_create(unsigned count)
{
	struct chunk **chunks = calloc(count, sizeof(*chunks));
	unsigned i;

	for (i = 0; chunks != NULL && i < count; i++) {
		struct chunk *chunk = chunks[i] = calloc(1, sizeof(*chunk));

		if (chunk == NULL || (chunk->data = buffer_create(DELTA_CHUNK)) == NULL ||
		    (chunk->before = buffer_create(DELTA_CHUNK)) == NULL) {
			chunks_destroy(chunks, count);
			errno = ENOMEM;
			return NULL;
		}
	}
	return chunks;
}

bool
delta_run(struct delta *delta, struct error *error)
{
	struct delta_state state = { .delta = delta, .error = error };
	unsigned jobs = pool_jobs(delta->jobs);
	struct chunk **chunks = chunks_create(jobs);
	bool done;

	if (chunks == NULL)
		return error_errno(error, "memory");
	done = pool_run_prompt(&delta_ops, &state, (void **)chunks, jobs, delta->jobs);
	if (!done && !state.stopped)
		error_errno(error, "threads");
	done = done && give_zeros(&state);
	chunks_destroy(chunks, jobs);
	return done;
}
