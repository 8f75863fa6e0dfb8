/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Broken and hostile streams, against the project's reader and the oracle.
 *
 *	test-mutate [MUTATIONS]
 *
 * Without an argument a quick set; with one, every bit of every stream and that many
 * random mutations.
 */
#include <sys/resource.h>

#include "base/size.h"
#include "both.h"
#include "check.h"
#include "mutate.h"

#define CAPACITY	65536

/* A sanitizer's shadow takes all of the address space: nothing is bounded then. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif

#define PLANS	(sizeof(streams_plans) / sizeof(streams_plans[0]))

/* Each plan's stream is made once, when it is first asked for; made is the last one. */
static struct streams_made streams[PLANS], other;
static const struct streams_made *made;
static unsigned char bytes[CAPACITY];
static unsigned long good, refused;

/* Read bytes[0 … length - 1]: 1 good, 0 refused. */
static int
result(size_t length)
{
	int is = both_read(bytes, length);

	if (is == -1)
		check_that(false, both_wrong, __FILE__, __LINE__);
	good += is == 1;
	refused += is == 0;
	return is;
}

static struct mutation
start(const char *name)
{
	const struct streams_plan *plan = streams_find(name);
	struct streams_made *stream = &streams[plan - streams_plans];

	if (stream->plan == NULL)
		streams_make(stream, plan);
	made = stream;
	memcpy(bytes, made->bytes, made->length);
	check_case = made->plan->name;
	return (struct mutation){ .p = bytes, .length = made->length, .capacity = CAPACITY };
}

/* Streams that end well are accepted, and make the device that they should. */
static void
good_streams_are_applied(void)
{
	for (size_t i = 0; i < PLANS; i++) {
		const struct streams_plan *plan = &streams_plans[i];
		size_t length = start(plan->name).length;
		bool ends = strchr(plan->records, 'e') != NULL;

		CHECK_NUMBER(result(length), ends);
		if (plan->kind != STREAM_MAP && ends)
			CHECK(memcmp(both_ours.device, made->after, plan->size) == 0);
	}
}

/* No bit of a stream is without a sum over it, so there is no exception. */
static void
every_bit_is_guarded(const char *name)
{
	size_t length = start(name).length;

	for (size_t bit = 0; bit < 8 * length; bit++) {
		bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
		CHECK_NUMBER(result(length), 0);
		bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
}

static void
every_cut_is_seen(const char *name)
{
	size_t length = start(name).length;

	while (length-- > 0)
		CHECK_NUMBER(result(length), 0);
}

static void
nothing_may_follow_the_end(const char *name)
{
	size_t length = start(name).length;

	for (size_t more = 1; more < 5000; more = more * 3 + 1) {
		memset(bytes + length, 0, more);
		CHECK_NUMBER(result(length + more), 0);
	}
	memcpy(bytes + length, bytes, length);
	CHECK_NUMBER(result(2 * length), 0);
}

/*
 * Records swapped, repeated and dropped.  With sums and sequence numbers made right, a NOTE
 * may go or come twice, and in an undo log or a delta, whose ranges stand for themselves,
 * whole records may: the counts in END are what guards them.
 */
static void
records_cannot_be_shuffled(const char *name)
{
	struct mutation m = start(name);
	unsigned count = (mutate_index(&m), m.count);

	for (unsigned a = 0; a < count; a++)
		for (unsigned b = 0; b <= count; b++) {
			m = start(name);
			mutate_index(&m);
			if (b == a)
				mutate_splice(&m, m.at[a], m.at[a + 1] - m.at[a], m.p, 0);
			else
				mutate_splice(&m, m.at[b], 0, m.p + m.at[a], m.at[a + 1] - m.at[a]);
			CHECK_NUMBER(result(m.length), 0);
			mutate_repair(&m, MUTATE_EVERYTHING & ~MUTATE_COUNTS);
			CHECK_NUMBER(result(m.length), 0);
			mutate_repair(&m, MUTATE_EVERYTHING);
			result(m.length);
		}
}

/* A record of another stream, which differs in nothing but its id. */
static void
records_belong_to_their_stream(const char *name)
{
	struct mutation m = start(name), stranger = m;

	free(other.bytes);
	streams_make(&other, made->plan);
	other.bytes[32] ^= 1;
	stranger.p = other.bytes;
	mutate_repair(&stranger, MUTATE_HEADER | MUTATE_RECORD_SUMS);
	mutate_index(&m);
	for (unsigned i = 0; i < m.count; i++) {
		m = start(name);
		mutate_index(&m);
		memcpy(bytes + m.at[i], other.bytes + m.at[i], m.at[i + 1] - m.at[i]);
		CHECK_NUMBER(result(m.length), 0);
	}
	memcpy(bytes, other.bytes, m.length);
	CHECK_NUMBER(result(m.length), start(name).length > 0 && strchr(made->plan->records, 'e') != NULL);
}

/* Every field of a record is set to numbers that overflow something, and its sum made right. */
static void
numbers_that_overflow_are_refused(const char *name)
{
	static const uint64_t numbers[] = {
		SIZE_LIMIT, SIZE_LIMIT + 1, UINT64_MAX, UINT64_MAX - 65535, UINT32_MAX, STREAMS_DEVICE + 1,
		(UINT64_C(1) << 63) - 65536, (UINT64_C(1) << 32) + 65536,
	};
	static const int fields[] = { 8, 16, 24, 32 };
	struct mutation m = start(name);
	unsigned count = (mutate_index(&m), m.count);

	for (unsigned i = 0; i < count; i++)
		for (size_t n = 0; n < sizeof(numbers) / sizeof(numbers[0]); n++)
			for (size_t f = 0; f < 4; f++) {
				m = start(name);
				mutate_index(&m);
				if (fields[f] == 32)
					store32(bytes + m.at[i] + 32, (uint32_t)numbers[n] | 1u << 31);
				else
					store64(bytes + m.at[i] + (size_t)fields[f], numbers[n]);
				store64(bytes + m.at[i] + 56,
				    XXH3_64bits_withSeed(bytes + m.at[i], 56, load64(bytes + 32)));
				CHECK_NUMBER(result(m.length), 0);
			}
}

/*
 * The deflated record of a stream: it inflates to more or less than it says, or has more
 * bytes after it.
 */
static void
inflating_is_exact(void)
{
	static const int64_t wrong[] = { -4096, -1, 1, 4096, 65536 };
	struct mutation m = start("unsized");
	unsigned char *record;

	mutate_index(&m);
	record = bytes + m.at[0];
	CHECK_NUMBER(record[5], RECORD_DEFLATE);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		store64(record + 24, (uint64_t)(65536 + wrong[i]));
		mutate_repair(&m, MUTATE_EVERYTHING);
		CHECK_NUMBER(result(m.length), 0);
	}
	for (size_t junk = 1; junk <= 64; junk++) {
		m = start("unsized");
		mutate_index(&m);
		store32(record + 32, load32(record + 32) + (uint32_t)junk);
		memset(bytes + CAPACITY - 64, 0, 64);
		mutate_splice(&m, m.at[1], 0, bytes + CAPACITY - 64, junk);
		mutate_repair(&m, MUTATE_EVERYTHING);
		CHECK_NUMBER(result(m.length), 0);
	}
}

/* Whatever random changes make of a stream: both readers agree on it. */
static void
mutations_are_refused_or_consistent(unsigned long count)
{
	static char name[64];
	uint64_t random = 2;

	for (unsigned long i = 0; i < count; i++) {
		struct mutation m = start(streams_plans[i * 17 / 16 % PLANS].name);

		m.random = random;
		mutate(&m);
		random = m.random;
		snprintf(name, sizeof(name), "mutation %lu of %s", i, made->plan->name);
		check_case = name;
		result(m.length);
	}
}

/* Memory for two payloads of 16 MiB and for inflating must suffice. */
static void
bound_memory(void)
{
#ifndef SANITIZED
	struct rlimit limit;
	FILE *file = fopen("/proc/self/statm", "r");
	unsigned long pages;

	if (file == NULL || fscanf(file, "%lu", &pages) != 1)
		err(2, "/proc/self/statm");
	fclose(file);
	limit.rlim_cur = limit.rlim_max = pages * (rlim_t)sysconf(_SC_PAGESIZE) + (48 << 20);
	if (setrlimit(RLIMIT_AS, &limit) != 0)
		err(2, "setrlimit");
#endif
}

int
main(int argc, char **argv)
{
	static const char *const quick[] = { "example", "extended", "delta", "map", "undo" };
	uint64_t count = getenv("SANITIZER") != NULL ? 2500 : 10000;
	bool all = argc > 1;

	if (all && !number_parse(argv[1], 0, UINT32_MAX, &count))
		errx(2, "usage: test-mutate [mutations]");
	bound_memory();
	good_streams_are_applied();
	inflating_is_exact();
	for (size_t i = 0; i < (all ? PLANS : 5); i++) {
		const char *name = all ? streams_plans[i].name : quick[i];

		if (all || i < 3)
			every_bit_is_guarded(name);
		every_cut_is_seen(name);
		nothing_may_follow_the_end(name);
		records_cannot_be_shuffled(name);
		records_belong_to_their_stream(name);
		numbers_that_overflow_are_refused(name);
	}
	mutations_are_refused_or_consistent(count);
	check_case = "";
	printf("%lu streams refused, %lu accepted\n", refused, good);
	CHECK(good > count / 20 && refused > count / 2);
	for (size_t i = 0; i < PLANS; i++)
		free(streams[i].bytes);
	free(other.bytes);
	return check_done();
}
