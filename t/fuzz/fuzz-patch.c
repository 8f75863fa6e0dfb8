/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz-patch: a delta or an undo log, applied to a target as blkwrite applies it.
 *
 * What comes of it is what the oracle makes of it in memory: from a pipe, and from a file,
 * where a delta that is refused must leave the target as it was.  The undo log that is
 * made on the way restores the target, whether the delta came to its end or not.
 */
#include <fcntl.h>

/* Small devices, too, are larger than the part that is written last. */
#include "write/commit.h"
#undef COMMIT_SIZE
#define COMMIT_SIZE	12288u
#include "write/patch.c"

#include "../unit/both.h"
#include "../unit/check.h"
#include "mutator.h"

#define GUARD	4096u

static int disk = -1;			/* the target, with a guard after it */
static char disk_name[64], log_name[64];
static unsigned char fresh[STREAMS_DEVICE + GUARD];
static size_t fresh_size;		/* of a target that grows, less */

/* How a stream is applied, and what became of it. */
struct trial {
	bool file;			/* all is checked before */
	const char *undo;
	bool cut;			/* an undo log whose beginning alone was good */
	struct error error;
};

static void
renew_disk(void)
{
	if (disk == -1) {
		disk = memfd_create("disk", MFD_CLOEXEC);
		snprintf(disk_name, sizeof(disk_name), "/proc/self/fd/%d", disk);
		snprintf(log_name, sizeof(log_name), "/dev/shm/fuzz-patch.%d", (int)getpid());
		memset(fresh, 0xee, sizeof(fresh));
		streams_fill(fresh, STREAMS_DEVICE, 'A');
	}
	if (ftruncate(disk, 0) != 0 || !pwrite_full(disk, fresh, fresh_size, 0))
		err(2, "disk");
}

static unsigned char now[sizeof(fresh)];

static bool
disk_is_fresh(void)
{
	return pread_full(disk, now, sizeof(now), 0) == (ssize_t)fresh_size &&
	    memcmp(now, fresh, fresh_size) == 0;
}

/* The disk holds this at its beginning, and the guard, unless it was cut off. */
static bool
disk_holds(const unsigned char *device, uint64_t size)
{
	ssize_t n = pread_full(disk, now, sizeof(now), 0);

	return n >= (ssize_t)size && memcmp(now, device, size) == 0 &&
	    (n <= (ssize_t)STREAMS_DEVICE || memcmp(now + STREAMS_DEVICE, fresh + STREAMS_DEVICE,
	    (size_t)n - STREAMS_DEVICE) == 0);
}

/* Free what blkwrite leaves until the process ends. */
static void
trial_end(struct patch *patch, struct target *target, struct intake intake[2], bool good)
{
	unsigned i;

	writer_destroy(&patch->writer);
	overlap_free(&patch->seen);
	free(patch->head);
	free(patch->head_before);
	for (i = 0; i < 2; i++)
		blk128_destroy(intake[i].digest);
	if (!good && patch->undo.stream.fd > 0)
		close(patch->undo.stream.fd);
	if (!good && target->readable)
		source_close(&target->readback);
	if (!good && target->medium.fd != -1)
		close(target->medium.fd);
}

/* As the filter does it, from the header on. */
static bool
trial_patch(struct trial *trial, struct patch *patch, struct intake intake[2],
    struct target *target, struct input *input)
{
	struct patch_options how = {
		.writer = { .jobs = 1, .verify = trial->file, .sync = true }, .undo = trial->undo,
		.once = !trial->file, .cut_at = UINT64_MAX
	};
	struct error *error = &trial->error;

	if (!patch_create(patch, &how, &intake[0], target, error))
		return false;
	if (!trial->file)
		return writer_run(&patch->writer, error);
	if (!patch_check(patch, error) || lseek(input->fd, 0, SEEK_SET) != 0)
		return false;
	input_open(input, input->fd, -1, "stream");
	patch->writer.intake = &intake[1];
	return intake_open_stream(&intake[1], input, INTAKE_PATCH, error) &&
	    writer_run(&patch->writer, error);
}

static bool
trial_run(struct trial *trial, const uint8_t *data, size_t size)
{
	static struct patch patch;
	static struct intake intake[2];
	static struct input input;
	struct target target;
	struct target_options where = { .length = UINT64_MAX };
	int fd = check_file(data, size);
	bool good;

	memset(intake, 0, sizeof(intake));
	memset(&patch, 0, sizeof(patch));
	input_open(&input, fd, -1, "stream");
	good = intake_open_stream(&intake[0], &input, INTAKE_PATCH, &trial->error);
	if (good && intake[0].reader.header.kind == STREAM_DELTA)
		where = (struct target_options){ .length = STREAMS_DEVICE, .confined = true };
	if (!target_open(&target, disk_name, &where, &trial->error))
		errx(2, "%s", trial->error.text);
	good = good && trial_patch(trial, &patch, intake, &target, &input);
	trial->cut = good && patch.cut.set;
	CHECK(good != trial->error.set);
	CHECK(strpbrk(trial->error.text, "\n\r\033") == NULL);
	trial_end(&patch, &target, intake, good);
	close(fd);
	return good;
}

/* The log restores the old data. */
static void
check_undo(void)
{
	static unsigned char log[4 << 20];
	struct trial trial = { .file = true };
	int fd = open(log_name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd == -1) {
		/* It was removed, or never made: then nothing was written. */
		CHECK(disk_is_fresh());
		return;
	}
	n = pread_full(fd, log, sizeof(log), 0);
	close(fd);
	unlink(log_name);
	CHECK(n > 0 && trial_run(&trial, log, (size_t)n));
	check_case = trial.error.text;
	CHECK(disk_is_fresh());
}

/* Whether ranges of an undo log overlap: 1 or 0; -1 for more records than can be told. */
static int
ranges_overlap(const uint8_t *data, size_t size)
{
	static unsigned char seen[STREAMS_DEVICE];
	struct mutation m = { .p = (unsigned char *)(uintptr_t)data, .length = size };
	unsigned i;

	memset(seen, 0, sizeof(seen));
	mutate_index(&m);
	for (i = 0; i < m.count; i++) {
		uint64_t offset = load64(data + m.at[i] + 16), length = load64(data + m.at[i] + 24);

		if (m.p[m.at[i] + 4] != RECORD_DATA && m.p[m.at[i] + 4] != RECORD_ZERO)
			continue;
		if (offset > sizeof(seen) || length > sizeof(seen) - offset)
			return 0;
		if (memchr(seen + offset, 1, length) != NULL)
			return 1;
		memset(seen + offset, 1, length);
	}
	return m.count == MUTATE_RECORDS ? -1 : 0;
}

static void
check_delta(const struct oracle *oracle, bool expected, const uint8_t *data, size_t size)
{
	struct trial pipe = { .undo = log_name }, file = { .file = true };

	/* The digest is of all of the device, which nobody reads who applies a delta. */
	if (strcmp(oracle->why, "digest") == 0)
		expected = oracle->p == oracle->end;
	if (oracle->base_size == UINT64_MAX && fresh_size < oracle->size)
		return;		/* whether all that is missing comes is not asked here */
	if (fresh_size < oracle->base_size && fresh_size < oracle->size)
		expected = false;
	check_case = pipe.error.text;
	CHECK(trial_run(&pipe, data, size) == expected);
	CHECK(!expected || disk_holds(both_theirs.device, oracle->size));
	check_undo();
	renew_disk();
	check_case = file.error.text;
	CHECK(trial_run(&file, data, size) == expected);
	CHECK(expected ? disk_holds(both_theirs.device, oracle->size) : disk_is_fresh());
}

/* An overlap is refused before anything is written, unless the log breaks off before it. */
static void
check_overlap(const uint8_t *data, size_t size)
{
	struct trial file = { .file = true };

	check_case = file.error.text;
	if (trial_run(&file, data, size))
		CHECK(file.cut);
	else
		CHECK(disk_is_fresh());
}

/*
 * Everything before the fault is put back; from a file only where the log just ends there,
 * else nothing.
 */
static void
check_log(const struct oracle *oracle, bool whole, const uint8_t *data, size_t size)
{
	bool expected = strcmp(oracle->why, "old") != 0 && fresh_size >= oracle->size;
	struct trial pipe = { 0 }, file = { .file = true };

	check_case = pipe.error.text;
	CHECK(trial_run(&pipe, data, size) == expected);
	CHECK(!expected || (pipe.cut == !whole && disk_holds(both_theirs.device, oracle->size)));
	renew_disk();
	check_case = file.error.text;
	if (trial_run(&file, data, size))
		CHECK(expected && file.cut == !whole && disk_holds(both_theirs.device, oracle->size));
	else
		CHECK((!expected || !whole) && disk_is_fresh());
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct oracle oracle = {
		.device = both_theirs.device, .capacity = STREAMS_DEVICE, .hashes = both_theirs.hashes,
	};
	bool good;

	both_prepare();
	fresh_size = size % 4 == 0 ? 70000 : sizeof(fresh);
	if (fresh_size < STREAMS_DEVICE)
		memset(both_theirs.device + fresh_size, 0, STREAMS_DEVICE - fresh_size);
	good = oracle_read(&oracle, data, size);
	if (size < STREAM_HEADER_MIN || oracle.sequence == 0 ||
	    oracle.kind % 2 != 0)
		return 0;
	renew_disk();
	if (oracle.kind == STREAM_DELTA)
		check_delta(&oracle, good, data, size);
	else if (ranges_overlap(data, size) == 1)
		check_overlap(data, size);
	else if (ranges_overlap(data, size) == 0)
		check_log(&oracle, good, data, size);
	if (check_failures > 0) {
		fprintf(stderr, "oracle: %s\n", oracle.why);
		abort();
	}
	return 0;
}
