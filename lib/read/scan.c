/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/pool.h"
#include "read/scan.h"

struct scan_state {
	struct scan *scan;
	struct error *error;
	struct scan_chunk **chunks;
	unsigned threads, jobs;	/* chunks are made for jobs */
	bool stopped;		/* give returned false */
	uint64_t next;		/* where the next chunk begins */
	uint64_t extent_end;	/* data is known to reach up to here */
	bool ended;
};

bool
scan_bound(struct scan *scan, struct error *error)
{
	const struct source *source = scan->source;

	if (source->pipe) {
		if (scan->offset != 0)
			return error_set(error, "%s: an offset needs a device or a file", source->name);
		return true;
	}
	if (source->device && source->size == 0)
		return error_set(error, "%s: a device of 0 bytes: it has no medium or is not set up",
		    source->name);
	if (scan->offset > source->size)
		return error_set(error, "%s: offset %ju lies behind its end at %ju", source->name,
		    (uintmax_t)scan->offset, (uintmax_t)source->size);
	if (scan->length == UINT64_MAX)
		scan->length = source->size - scan->offset;
	if (scan->length > source->size - scan->offset)
		return error_set(error, "%s: %ju bytes from %ju are asked for, but it ends at %ju",
		    source->name, (uintmax_t)scan->length, (uintmax_t)scan->offset,
		    (uintmax_t)source->size);
	return true;
}

/* A pipe is read where the turn to read it is held. */
static void
chunk_read_pipe(struct scan_state *state, struct scan_chunk *chunk)
{
	struct source *source = state->scan->source;
	ssize_t n = source_read(source, 0, chunk->data, (size_t)chunk->length);

	if (n == -1) {
		error_errno(&chunk->error, "%s: at byte %ju", source->name,
		    (uintmax_t)chunk->offset);
		state->ended = true;
	} else if ((size_t)n < chunk->length) {
		state->ended = true;
		if (state->scan->length != UINT64_MAX)
			error_set(&chunk->error, "%s: ended at byte %ju, %ju were asked for",
			    source->name, (uintmax_t)chunk->offset + (uintmax_t)n,
			    (uintmax_t)state->scan->length);
		chunk->length = (uint64_t)n;
	}
}

/* How far the chunk at state->next reaches, and whether it is a hole. */
static void
chunk_measure(struct scan_state *state, struct scan_chunk *chunk)
{
	const struct scan *scan = state->scan;
	uint64_t end, whole, grid = scan->grid;
	bool hole = false;

	if (state->next >= state->extent_end && !scan->source->pipe) {
		end = source_extent(scan->source, scan->offset + state->next,
		    scan->offset + scan->length, &hole) - scan->offset;
		whole = end == scan->length ? end : end - end % grid;
		if (hole && whole > state->next) {
			chunk->hole = true;
			chunk->length = whole - state->next;
			return;
		}
		/* Data, or a hole that is smaller than a block: read whole blocks of it. */
		state->extent_end = (end + grid - 1) / grid * grid;
	}
	end = state->extent_end < scan->length && !scan->source->pipe ?
	    state->extent_end : scan->length;
	chunk->length = end - state->next < scan->chunk ? end - state->next : scan->chunk;
}

static bool
scan_take(void *context, void *job)
{
	struct scan_state *state = context;
	struct scan_chunk *chunk = job;

	if (state->ended || state->next == state->scan->length)
		return false;
	chunk->offset = state->next;
	chunk->hole = false;
	chunk->bad_count = 0;
	chunk_measure(state, chunk);
	if (state->scan->source->pipe) {
		chunk_read_pipe(state, chunk);
		if (chunk->length == 0 && !chunk->error.set)
			return false;
	}
	state->next += chunk->length;
	return true;
}

/* Errors that tell of a place on the medium; others are of the whole device, or of us. */
static bool
errno_is_of_medium(int number)
{
	switch (number) {
	case EIO:
	case ENODATA:
	case EILSEQ:
	case EREMOTEIO:
	case ETIMEDOUT:
	case EBADMSG:
	case EUCLEAN:
		return true;
	default:
		return false;
	}
}

/* Read the chunk; unreadable ranges are listed, or are an error that names the byte. */
static void
chunk_read(const struct scan *scan, struct scan_chunk *chunk)
{
	struct source *source = scan->source;
	uint64_t at = scan->offset + chunk->offset;
	ssize_t n = source_read(source, at, chunk->data, (size_t)chunk->length);
	const struct source_bad *bad;

	if (n == (ssize_t)chunk->length)
		return;
	if (n >= 0) {
		error_set(&chunk->error, "%s: at byte %ju: it ends here now, but had %ju bytes when opened",
		    source->name, (uintmax_t)(at + (uint64_t)n), (uintmax_t)source->size);
		return;
	}
	chunk->bad_count = source_salvage(source, at, chunk->data, (size_t)chunk->length,
	    chunk->bad, scan->skip_bad ? SCAN_BAD : 1);
	for (bad = chunk->bad; bad < chunk->bad + chunk->bad_count; bad++) {
		if (scan->skip_bad && errno_is_of_medium(bad->number))
			continue;
		errno = bad->number;
		error_errno(&chunk->error, "%s: at byte %ju", source->name,
		    (uintmax_t)(at + bad->start));
		return;
	}
}

static void
scan_work(void *context, void *job)
{
	struct scan_state *state = context;
	struct scan_chunk *chunk = job;
	size_t i, block;

	if (chunk->error.set)
		return;
	if (!chunk->hole && !state->scan->source->pipe)
		chunk_read(state->scan, chunk);
	if (chunk->error.set)
		return;
	for (i = 0; state->scan->hash && !chunk->hole && i * BLK128_BLOCK < chunk->length; i++) {
		const unsigned char *data = chunk->data + i * BLK128_BLOCK;

		block = chunk->length - i * BLK128_BLOCK;
		if (block > BLK128_BLOCK)
			block = BLK128_BLOCK;
		chunk->zero[i] = bytes_are_zero(data, block);
		if (chunk->zero[i])
			blk128_zero_block(block, chunk->hashes + i * BLK128_SIZE);
		else
			blk128_blocks(data, block, chunk->hashes + i * BLK128_SIZE);
	}
	if (state->scan->work != NULL)
		state->scan->work(state->scan->context, chunk);
}

static bool
scan_give(void *context, void *job)
{
	struct scan_state *state = context;
	struct scan_chunk *chunk = job;

	state->stopped = !state->scan->give(state->scan->context, chunk) || chunk->error.set;
	if (state->stopped)
		*state->error = chunk->error;
	return !state->stopped;
}

static void
state_destroy(struct scan_state *state)
{
	unsigned i;

	for (i = 0; i < state->jobs; i++)
		if (state->chunks[i] != NULL) {
			free(state->chunks[i]->data);
			free(state->chunks[i]->user);
			free(state->chunks[i]);
		}
	free(state->chunks);
	free(state);
}

static bool
chunk_create(struct scan_chunk **chunk, size_t size, size_t user_size)
{
	*chunk = calloc(1, sizeof(**chunk));
	if (*chunk == NULL)
		return false;
	(*chunk)->data = buffer_create(size);
	(*chunk)->user = calloc(1, user_size > 0 ? user_size : 1);
	return (*chunk)->data != NULL && (*chunk)->user != NULL;
}

/* No more threads than chunks.  NULL with errno set. */
static struct scan_state *
state_create(struct scan *scan)
{
	uint64_t chunks = scan->length / scan->chunk + 1;
	size_t size = scan->length < scan->chunk ? (size_t)scan->length : scan->chunk;
	struct scan_state *state = calloc(1, sizeof(*state));
	unsigned jobs;

	if (state == NULL)
		return NULL;
	state->scan = scan;
	state->threads = chunks < scan->jobs ? (unsigned)chunks : scan->jobs;
	jobs = pool_jobs(state->threads);
	state->chunks = calloc(jobs, sizeof(*state->chunks));
	for (; state->chunks != NULL && state->jobs < jobs; state->jobs++)
		if (!chunk_create(&state->chunks[state->jobs], size, scan->user_size))
			break;
	if (state->chunks != NULL && state->jobs == jobs)
		return state;
	state_destroy(state);
	errno = ENOMEM;
	return NULL;
}

bool
scan_run(struct scan *scan, struct error *error)
{
	static const struct pool_ops ops = { scan_take, scan_work, scan_give };
	struct scan_state *state;
	bool done;

	if (scan->chunk == 0)
		scan->chunk = SCAN_CHUNK;
	if (scan->grid == 0)
		scan->grid = BLK128_BLOCK;
	state = state_create(scan);
	if (state == NULL)
		return error_errno(error, "%s", scan->source->name);
	state->error = error;
	done = (scan->source->pipe ? pool_run : pool_run_prompt)(&ops, state,
	    (void **)state->chunks, state->jobs, state->threads);
	if (!done && !state->stopped)
		error_errno(error, "%s: threads", scan->source->name);
	if (!done && scan->source->pipe)
		scan->kept = state;
	else
		state_destroy(state);
	return done;
}
