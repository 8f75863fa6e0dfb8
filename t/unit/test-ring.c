/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/io.h"
#include "check.h"
#include "pipe/ring.h"

#define TOTAL	(8 << 20)

struct flow_of_bytes {
	struct ring *ring;
	unsigned seed;
	int end;		/* how it is closed */
};

static unsigned char
byte_at(size_t position)
{
	return (unsigned char)(position * 2654435761u >> 13);
}

/* Fill in pieces of any size, then close. */
static void *
filler(void *argument)
{
	struct flow_of_bytes *flow = argument;
	size_t position = 0;

	while (position < TOTAL) {
		unsigned char *space;
		size_t n = ring_space(flow->ring, &space), most = (size_t)rand_r(&flow->seed) % 5000 + 1;

		if (!CHECK(n > 0))
			break;
		n = n < most ? n : most;
		n = n < TOTAL - position ? n : TOTAL - position;
		for (size_t i = 0; i < n; i++)
			space[i] = byte_at(position + i);
		ring_fill(flow->ring, n);
		position += n;
	}
	ring_close(flow->ring, flow->end);
	return NULL;
}

static void
bytes_come_out_as_they_went_in(size_t size, int end)
{
	struct flow_of_bytes flow = { .ring = ring_create(size), .seed = 1, .end = end };
	unsigned seed = 2;
	pthread_t thread;
	size_t position = 0;
	unsigned char *data;
	ptrdiff_t n;

	if (flow.ring == NULL || pthread_create(&thread, NULL, filler, &flow) != 0)
		err(2, "ring");
	while ((n = ring_data(flow.ring, &data, -1)) > 0) {
		size_t most = (size_t)rand_r(&seed) % 7000 + 1, length = (size_t)n < most ? (size_t)n : most;

		if (!CHECK((size_t)n <= size))
			break;
		for (size_t i = 0; i < length; i++)
			if (!CHECK(data[i] == byte_at(position + i)))
				return;
		ring_empty(flow.ring, length);
		position += length;
	}
	CHECK_NUMBER(position, TOTAL);
	CHECK(end == 0 ? n == 0 : n == -1 && errno == end);
	pthread_join(thread, NULL);
	ring_destroy(flow.ring);
}

static void
silence_ends_the_wait(void)
{
	struct ring *ring = ring_create(4096);
	unsigned char *data;
	double start = clock_seconds(), waited;

	CHECK(ring_data(ring, &data, 150) == -1 && errno == ETIMEDOUT);
	waited = clock_seconds() - start;
	CHECK(waited >= 0.149 && waited < 5);
	ring_destroy(ring);
}

int
main(void)
{
	bytes_come_out_as_they_went_in(4096, 0);
	bytes_come_out_as_they_went_in(5000, EIO);
	bytes_come_out_as_they_went_in(1 << 20, 0);
	silence_ends_the_wait();
	return check_done();
}
