/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "write/verify.h"

/* A block of data with its hash, or a range of zeros. */
struct entry {
	uint64_t offset, length;
	bool zero;
	unsigned char hash[BLK128_SIZE];
};

struct verify {
	struct target *target;
	pthread_mutex_t lock;
	struct entry *ring;
	size_t room, first, count;
	uint64_t pending;		/* bytes in the ring */
	size_t covered;			/* entries of the window that is being read back; 0: none is */
	uint64_t window;		/* its number, from 1 */
	pthread_mutex_t refreshing;
	uint64_t refreshed;		/* number of the last window that target_refresh was called for */
	struct verify_range differs[VERIFY_LISTED];
	unsigned differs_count;
	bool differs_more;		/* there are more than the list holds */
	uint64_t differs_bytes;
};

/* A window of single blocks has that many entries. */
#define WINDOW_ENTRIES	(VERIFY_WINDOW / BLK128_BLOCK)

struct verify *
verify_create(struct target *target)
{
	struct verify *verify = calloc(1, sizeof(*verify));

	if (verify == NULL)
		return NULL;
	verify->target = target;
	verify->room = 2 * WINDOW_ENTRIES;
	verify->ring = calloc(verify->room, sizeof(*verify->ring));
	if (verify->ring == NULL) {
		free(verify);
		return NULL;
	}
	pthread_mutex_init(&verify->lock, NULL);
	pthread_mutex_init(&verify->refreshing, NULL);
	return verify;
}

void
verify_destroy(struct verify *verify)
{
	if (verify == NULL)
		return;
	pthread_mutex_destroy(&verify->lock);
	pthread_mutex_destroy(&verify->refreshing);
	free(verify->ring);
	free(verify);
}

/* Under the lock. */
static struct entry *
ring_at(struct verify *verify, size_t index)
{
	return &verify->ring[(verify->first + index) % verify->room];
}

static bool
ring_grow(struct verify *verify)
{
	struct entry *larger = calloc(2 * verify->room, sizeof(*larger));
	size_t i;

	if (larger == NULL)
		return false;
	for (i = 0; i < verify->count; i++)
		larger[i] = *ring_at(verify, i);
	free(verify->ring);
	verify->ring = larger;
	verify->first = 0;
	verify->room *= 2;
	return true;
}

static bool
ring_push(struct verify *verify, const struct entry *entry)
{
	if (verify->count == verify->room && !ring_grow(verify))
		return false;
	verify->count++;
	*ring_at(verify, verify->count - 1) = *entry;
	verify->pending += entry->length;
	return true;
}

bool
verify_push(struct verify *verify, uint64_t offset, uint64_t length, const unsigned char *hashes)
{
	struct entry entry = { .offset = offset, .length = length, .zero = hashes == NULL };
	bool pushed = true;

	pthread_mutex_lock(&verify->lock);
	if (entry.zero)
		pushed = ring_push(verify, &entry);
	while (!entry.zero && pushed && length > 0) {
		entry.offset = offset;
		entry.length = length < BLK128_BLOCK ? length : BLK128_BLOCK;
		memcpy(entry.hash, hashes, BLK128_SIZE);
		pushed = ring_push(verify, &entry);
		offset += entry.length;
		length -= entry.length;
		hashes += BLK128_SIZE;
	}
	pthread_mutex_unlock(&verify->lock);
	return pushed;
}

/* Take the first entry, or the first bytes of a large range of zeros. */
static void
ring_take(struct verify *verify, uint64_t length)
{
	struct entry *entry = ring_at(verify, 0);

	verify->pending -= length;
	entry->offset += length;
	entry->length -= length;
	if (entry->length > 0)
		return;
	verify->first = (verify->first + 1) % verify->room;
	verify->count--;
	verify->covered--;
}

/* Under the lock, with something in the ring. */
static void
job_fill(struct verify *verify, struct verify_job *job)
{
	struct entry *entry = ring_at(verify, 0);
	unsigned blocks = 0;

	job->offset = entry->offset;
	job->zero = entry->zero;
	job->window = verify->window;
	job->length = 0;
	if (entry->zero) {
		job->length = entry->length < VERIFY_ZEROS ? entry->length : VERIFY_ZEROS;
		ring_take(verify, job->length);
		return;
	}
	while (verify->covered > 0 && blocks < VERIFY_BLOCKS) {
		entry = ring_at(verify, 0);
		/* A short block ends the job: the next one would be off the job's grid. */
		if (entry->zero || entry->offset != job->offset + job->length ||
		    job->length % BLK128_BLOCK != 0)
			break;
		memcpy(job->hashes + blocks++ * BLK128_SIZE, entry->hash, BLK128_SIZE);
		job->length += entry->length;
		ring_take(verify, entry->length);
	}
}

bool
verify_pop(struct verify *verify, bool drain, struct verify_job *job)
{
	bool popped;

	pthread_mutex_lock(&verify->lock);
	if (verify->covered == 0 && verify->count > 0 && (drain ||
	    verify->pending >= VERIFY_WINDOW || verify->count >= WINDOW_ENTRIES)) {
		verify->covered = verify->count;
		verify->window++;
	}
	popped = verify->covered > 0;
	if (popped)
		job_fill(verify, job);
	pthread_mutex_unlock(&verify->lock);
	return popped;
}

/* Under the lock: forget a range of the list. */
static void
list_remove(struct verify *verify, unsigned i)
{
	verify->differs_count--;
	memmove(verify->differs + i, verify->differs + i + 1,
	    (verify->differs_count - i) * sizeof(*verify->differs));
}

/* Under the lock: make room for a range; a full list loses its last. */
static bool
list_insert(struct verify *verify, unsigned i)
{
	verify->differs_more = verify->differs_more || verify->differs_count == VERIFY_LISTED;
	if (i == VERIFY_LISTED)
		return false;
	if (verify->differs_count == VERIFY_LISTED)
		verify->differs_count--;
	memmove(verify->differs + i + 1, verify->differs + i,
	    (verify->differs_count - i) * sizeof(*verify->differs));
	verify->differs_count++;
	return true;
}

/* Threads find differences in any order; keep the list ascending and merged. */
static void
note_difference(struct verify *verify, uint64_t offset, uint64_t length)
{
	struct verify_range *list = verify->differs;
	unsigned i = 0;

	pthread_mutex_lock(&verify->lock);
	verify->differs_bytes += length;
	while (i < verify->differs_count && list[i].offset + list[i].length < offset)
		i++;
	if (i < verify->differs_count && list[i].offset + list[i].length == offset) {
		list[i].length += length;
		if (i + 1 < verify->differs_count && list[i + 1].offset == offset + length) {
			list[i].length += list[i + 1].length;
			list_remove(verify, i + 1);
		}
	} else if (i < verify->differs_count && list[i].offset == offset + length) {
		list[i].offset = offset;
		list[i].length += length;
	} else if (list_insert(verify, i))
		list[i] = (struct verify_range){ offset, length };
	pthread_mutex_unlock(&verify->lock);
}

/* Note the blocks that are not zero. */
static void
note_not_zero(struct verify *verify, uint64_t offset, const unsigned char *data, uint64_t length)
{
	uint64_t block;

	for (; length > 0; offset += block, data += block, length -= block) {
		block = BLK128_BLOCK - offset % BLK128_BLOCK;
		if (block > length)
			block = length;
		if (!bytes_are_zero(data, (size_t)block))
			note_difference(verify, offset, block);
	}
}

/* Check a range of zeros: holes need not be read. */
static bool
work_zeros(struct verify *verify, struct verify_job *job)
{
	uint64_t at = job->offset, end = job->offset + job->length, extent, block;
	bool hole;

	while (at < end) {
		extent = target_extent(verify->target, at, end, &hole);
		for (; !hole && at < extent; at += block) {
			block = extent - at < VERIFY_CHUNK ? extent - at : VERIFY_CHUNK;
			if (!target_read(verify->target, at, job->room, (size_t)block, &job->error))
				return false;
			note_not_zero(verify, at, job->room, block);
		}
		at = extent;
	}
	return true;
}

/* Once for each window, while the other jobs of it wait. */
static bool
refresh(struct verify *verify, struct verify_job *job)
{
	bool done = true;

	pthread_mutex_lock(&verify->refreshing);
	if (verify->refreshed < job->window)
		done = target_refresh(verify->target, &job->error);
	if (done && verify->refreshed < job->window)
		verify->refreshed = job->window;
	pthread_mutex_unlock(&verify->refreshing);
	return done;
}

void
verify_work(struct verify *verify, struct verify_job *job)
{
	unsigned char hash[BLK128_SIZE];
	uint64_t at, block;
	const unsigned char *expected = job->hashes;

	if (!refresh(verify, job))
		return;
	if (job->zero) {
		(void)work_zeros(verify, job);
		return;
	}
	if (!target_read(verify->target, job->offset, job->room, (size_t)job->length, &job->error))
		return;
	for (at = 0; at < job->length; at += block, expected += BLK128_SIZE) {
		block = job->length - at < BLK128_BLOCK ? job->length - at : BLK128_BLOCK;
		blk128_blocks(job->room + at, (size_t)block, hash);
		if (memcmp(hash, expected, BLK128_SIZE) != 0)
			note_difference(verify, job->offset + at, block);
	}
}

uint64_t
verify_pending(struct verify *verify)
{
	uint64_t pending;

	pthread_mutex_lock(&verify->lock);
	pending = verify->pending;
	pthread_mutex_unlock(&verify->lock);
	return pending;
}

unsigned
verify_differences(struct verify *verify, struct verify_range *list, bool *more, uint64_t *bytes)
{
	unsigned count;

	pthread_mutex_lock(&verify->lock);
	count = verify->differs_count;
	memcpy(list, verify->differs, count * sizeof(*list));
	*more = verify->differs_more;
	*bytes = verify->differs_bytes;
	pthread_mutex_unlock(&verify->lock);
	return count;
}
