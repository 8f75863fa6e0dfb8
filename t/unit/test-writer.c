/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <pthread.h>
#include <sys/wait.h>

#include "disk.h"
#include "stream/intake.h"
#include "write/writer.h"

/* Operations that record their calls, and fail where the trial says so. */

#define PIECES	40u
#define PIECE	((uint64_t)INTAKE_RAW)
#define NONE	UINT64_MAX

struct trial {
	const char *fails;		/* the operation that does */
	uint64_t refused;		/* the piece that is not admitted */
	uint64_t spoilt;		/* the piece that is written otherwise */
	bool accept;			/* broken input is the end */
	bool stop;			/* writer_stop is called while commit is at work */
	char calls[256];
	atomic_uint_fast64_t last;	/* piece that was written, and how many were */
	atomic_uint_fast64_t count;
	pthread_t stopper;
	struct writer writer;
};

static bool
call(struct trial *trial, const char *operation, struct error *failure)
{
	strcat(strcat(trial->calls, operation), " ");
	return strcmp(trial->fails, operation) != 0 || error_set(failure, "%s fails", operation);
}

static bool
trial_begin(void *context, struct error *failure)
{
	struct trial *trial = context;

	return call(trial, "begin", failure) &&
	    target_prepare(trial->writer.target, PIECES * PIECE, true, failure);
}

static bool
trial_admit(void *context, const struct piece *piece, struct error *failure)
{
	struct trial *trial = context;

	return piece->offset / PIECE != trial->refused || error_set(failure, "not admitted");
}

static void
trial_write(void *context, struct writer_job *job)
{
	struct trial *trial = context;
	struct piece *piece = job->piece;
	uint64_t n = piece->offset / PIECE, last = atomic_load(&trial->last);
	uint64_t kept = writer_head_part(&trial->writer, piece->offset, piece->length);
	const unsigned char *data = n == trial->spoilt ? filled(0x55) : piece->data;

	while (n > last && !atomic_compare_exchange_weak(&trial->last, &last, n))
		;
	atomic_fetch_add(&trial->count, 1);
	job->wrote = target_write(trial->writer.target, piece->offset + kept, data + kept,
	    (size_t)(piece->length - kept), &piece->error);
}

static bool
trial_accept_broken(void *context, struct piece *piece)
{
	struct trial *trial = context;

	CHECK(piece->error.set);
	return trial->accept;
}

static void
trial_given(void *context, const struct piece *piece)
{
	struct trial *trial = context;

	CHECK(piece->offset / PIECE < trial->refused);
}

static bool
trial_settle(void *context, struct error *failure)
{
	return call(context, "settle", failure);
}

static void *
stop(void *context)
{
	struct trial *trial = context;
	char now[16];

	CHECK(writer_stop(&trial->writer, now, sizeof(now)));
	CHECK_TEXT(now, "stopped");
	pthread_mutex_unlock(&trial->writer.settling);
	return NULL;
}

static bool
trial_commit(void *context, struct error *failure)
{
	struct trial *trial = context;

	if (trial->stop) {
		if (pthread_create(&trial->stopper, NULL, stop, trial) != 0)
			err(2, "thread");
		usleep(50000);
	}
	return call(trial, "commit", failure);
}

static bool
trial_finish(void *context, struct error *failure)
{
	return call(context, "finish", failure);
}

static void
trial_revoke(void *context)
{
	struct error ignored = { 0 };

	call(context, "revoke", &ignored);
}

static void
trial_abandon(void *context)
{
	struct error ignored = { 0 };

	call(context, "abandon", &ignored);
}

static bool
trial_describe(void *context, bool stopped, char *out, size_t size)
{
	(void)context;
	snprintf(out, size, "%s", stopped ? "stopped" : "failed");
	return true;
}

static const struct writer_ops ops = {
	.phase = "trying", .room = 4096, .begin = trial_begin, .admit = trial_admit,
	.write = trial_write, .accept_broken = trial_accept_broken, .given = trial_given,
	.settle = trial_settle, .commit = trial_commit, .finish = trial_finish,
	.revoke = trial_revoke, .abandon = trial_abandon, .describe = trial_describe,
};

/*
 * Where the input fails, a thread may still be in take when writer_run returns, and what it
 * looks at must live on.  Such a trial has a process of its own, which ends without cleaning up.
 */
static bool in_child;

static void
in_process(void (*trial)(unsigned), unsigned i)
{
	pid_t child = fork();
	int status;

	if (child == -1)
		err(2, "fork");
	if (child == 0) {
		in_child = true;
		check_failures = 0;
		trial(i);
		_exit(check_failures != 0);
	}
	CHECK(waitpid(child, &status, 0) == child && status == 0);
}

/* Run it over a file of size bytes, of which PIECES pieces were promised. */
static bool
run(struct trial *trial, unsigned jobs, bool verify, uint64_t size)
{
	static unsigned char bytes[INTAKE_RAW];
	static struct input input;
	static struct intake intake;
	struct writer_options options = { .jobs = jobs, .verify = verify };
	int fd = memfd_create("input", MFD_CLOEXEC);
	bool done;

	for (uint64_t at = 0; at < size; at += PIECE) {
		memset(bytes, (int)(at / PIECE + 1), PIECE);
		if (!pwrite_full(fd, bytes, size - at < PIECE ? size - at : PIECE, at))
			err(2, "input");
	}
	CHECK(begin(0, (struct target_options){ .length = UINT64_MAX }));
	input_open(&input, fd, -1, "input");
	CHECK(intake_open_raw(&intake, &input, PIECES * PIECE, &error));
	CHECK(writer_create(&trial->writer, &ops, trial, &options, &intake, &target, &error));
	trial->writer.head_length = 1 << 20;
	done = writer_run(&trial->writer, &error);
	CHECK(done != error.set);
	if (trial->stop)
		pthread_join(trial->stopper, NULL);
	if (done || !in_child) {
		blk128_destroy(intake.digest);
		close(fd);
	}
	return done;
}

static void
finish(struct trial *trial, bool done)
{
	if (done || !in_child)
		writer_destroy(&trial->writer);
	error = (struct error){ 0 };
	if (!done)
		CHECK(target_close(&target, &error));
}

static const struct trial usual = { .fails = "", .refused = NONE, .spoilt = NONE };

static void
a_failure_ends_the_sequence_and_is_cleaned_up_after(void)
{
	static const struct { const char *fails, *calls; } cases[] = {
		{ "", "begin settle commit finish " }, { "begin", "begin abandon " },
		{ "settle", "begin settle abandon " },
		{ "commit", "begin settle commit revoke abandon " },
		{ "finish", "begin settle commit finish revoke abandon " },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct trial trial = usual;
		bool done;

		trial.fails = cases[i].fails;
		done = run(&trial, 1 + i % 3, i % 2 == 0, PIECES * PIECE);
		check_case = cases[i].fails;
		CHECK(done == (i == 0));
		CHECK_TEXT(trial.calls, cases[i].calls);
		CHECK(i == 0 || strncmp(error.text, cases[i].fails, strlen(cases[i].fails)) == 0);
		CHECK_NUMBER(trial.count, i == 1 ? 0 : PIECES);
		finish(&trial, done);
	}
	check_case = "";
}

static void
refuse_a_piece(unsigned i)
{
	struct trial trial = usual;
	bool done;

	trial.refused = i % 7;
	done = run(&trial, 1 + i % 8, false, PIECES * PIECE);
	CHECK(!done);
	CHECK_TEXT(error.text, "not admitted");
	CHECK_TEXT(trial.calls, "begin abandon ");
	CHECK_NUMBER(trial.count, i % 7);
	CHECK(trial.count == 0 || trial.last == i % 7 - 1);
	finish(&trial, done);
}

/* Others wait for the next piece while the one that is refused is on its way. */
static void
behind_a_piece_that_is_not_admitted_nothing_is_written(void)
{
	for (unsigned i = 0; i < 150; i++)
		in_process(refuse_a_piece, i);
}

static void
break_input(unsigned jobs)
{
	struct trial strict = usual;
	bool done = run(&strict, jobs, false, 10 * PIECE + 5);

	CHECK(!done && strstr(error.text, "input: ended after 2621445 bytes") != NULL);
	CHECK_TEXT(strict.calls, "begin abandon ");
	finish(&strict, done);
}

static void
broken_input_is_the_end_only_where_that_is_accepted(void)
{
	for (unsigned jobs = 1; jobs <= 4; jobs++) {
		struct trial lenient = usual;
		bool done;

		in_process(break_input, jobs);
		lenient.accept = true;
		done = run(&lenient, jobs, false, 10 * PIECE + 5);
		CHECK(done);
		CHECK_TEXT(lenient.calls, "begin settle commit finish ");
		finish(&lenient, done);
	}
}

static void
what_reads_back_otherwise_keeps_it_from_being_committed(void)
{
	struct verify_range list[VERIFY_LISTED];
	struct trial trial = usual;
	uint64_t bytes;
	bool more, done;

	trial.spoilt = 7;
	done = run(&trial, 2, true, PIECES * PIECE);
	CHECK(!done && trial.writer.differs);
	CHECK(strstr(error.text, ": 262144 bytes read back otherwise") != NULL);
	CHECK_TEXT(trial.calls, "begin settle abandon ");
	CHECK_NUMBER(writer_differences(&trial.writer, list, &more, &bytes), 1);
	CHECK(list[0].offset == 7 * PIECE && list[0].length == PIECE && bytes == PIECE && !more);
	finish(&trial, done);
}

static void
the_first_mebibyte_is_left_to_the_commit(void)
{
	struct trial trial = usual;
	bool done = run(&trial, 3, true, PIECES * PIECE);

	CHECK(done && holds(0, 1 << 20, 0) && holds(4 * PIECE, PIECE, 5));
	CHECK_NUMBER(writer_head_part(&trial.writer, 0, 5), 5);
	CHECK_NUMBER(writer_head_part(&trial.writer, 1048570, 100), 6);
	CHECK_NUMBER(writer_head_part(&trial.writer, 1048576, 100), 0);
	finish(&trial, done);
}

static void
a_stop_waits_for_the_commit(void)
{
	struct trial trial = usual;
	bool done;

	trial.stop = true;
	done = run(&trial, 2, false, PIECES * PIECE);
	CHECK(done);
	CHECK_TEXT(trial.calls, "begin settle commit finish abandon ");
	finish(&trial, done);
}

static void
without_reading_back_nothing_differs(void)
{
	struct verify_range list[VERIFY_LISTED];
	struct trial trial = usual;
	char now[16];
	uint64_t bytes;
	bool more, done;

	trial.fails = "finish";
	done = run(&trial, 1, false, PIECES * PIECE);
	CHECK_NUMBER(writer_differences(&trial.writer, list, &more, &bytes), 0);
	CHECK(writer_describe(&trial.writer, now, sizeof(now)));
	CHECK_TEXT(now, "failed");
	finish(&trial, done);
}

int
main(void)
{
	disk_folder();
	a_failure_ends_the_sequence_and_is_cleaned_up_after();
	behind_a_piece_that_is_not_admitted_nothing_is_written();
	broken_input_is_the_end_only_where_that_is_accepted();
	what_reads_back_otherwise_keeps_it_from_being_committed();
	the_first_mebibyte_is_left_to_the_commit();
	a_stop_waits_for_the_commit();
	without_reading_back_nothing_differs();
	return disk_done();
}
