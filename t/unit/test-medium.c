/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <err.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/io.h"
#include "check.h"
#include "device/medium.h"

/* Writes as to a device with O_DIRECT, compared with memory; a file serves as the device. */

#define SIZE	(1u << 20)

static unsigned char model[SIZE], seen[SIZE];
static int fd;

static void
begin(struct medium *medium, uint32_t sector, bool direct)
{
	char name[] = "/tmp/medium.XXXXXX";

	fd = mkstemp(name);
	if (fd == -1)
		err(2, "%s", name);
	unlink(name);
	memset(model, 0xaa, SIZE);
	if (!pwrite_full(fd, model, SIZE, 0))
		err(2, "%s", name);
	medium_init(medium, fd, "disk");
	medium->device = true;
	medium->direct = direct;
	medium->sector = sector;
	medium->size = SIZE;
}

static void
compare_and_end(void)
{
	CHECK(pread_full(fd, seen, SIZE, 0) == SIZE && memcmp(seen, model, SIZE) == 0);
	close(fd);
}

static uint64_t
below(uint64_t limit)
{
	static uint64_t state = 88172645463325252u;

	state ^= state << 13, state ^= state >> 7, state ^= state << 17;
	return state % limit;
}

/* Any offset, any length, from memory that is aligned or not. */
static void
any_range_is_written_and_nothing_else(uint32_t sector, bool direct)
{
	static unsigned char data[SIZE + 16] __attribute__((aligned(4096)));
	struct medium medium;
	struct error error = { 0 };

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 131 >> 3);
	begin(&medium, sector, direct);
	for (int round = 0; round < 400; round++) {
		size_t skew = below(2) ? 0 : below(16);
		size_t length = below(round % 3 ? 3 * sector : SIZE / 4) + 1;
		uint64_t at = below(SIZE - length + 1);

		if (round % 5 == 0)
			at -= at % sector;
		if (round % 7 == 3) {
			CHECK(medium_zero(&medium, at, length, &error));
			memset(model + at, 0, length);
			continue;
		}
		CHECK(medium_write(&medium, at, data + skew, length, &error));
		memcpy(model + at, data + skew, length);
	}
	CHECK(!error.set);
	compare_and_end();
}

static void
nothing_of_no_length_is_written(void)
{
	struct medium medium;
	struct error error = { 0 };

	begin(&medium, 512, true);
	CHECK(medium_write(&medium, 100, model, 0, &error));
	CHECK(medium_zero(&medium, 100, 0, &error));
	CHECK(medium_discard(&medium, 100, 0));
	CHECK(medium_zero(&medium, SIZE, 0, &error));
	compare_and_end();
}

/* A discard spares sectors that it covers only partly. */
static void
a_discard_takes_whole_sectors(void)
{
	struct medium medium;

	begin(&medium, 4096, true);
	medium.device = false;
	CHECK(medium_discard(&medium, 5000, 3000));
	medium.sector = 1;
	CHECK(medium_discard(&medium, 8192, 4096));
	memset(model + 8192, 0, 4096);
	compare_and_end();
}

static void
an_error_names_file_and_byte(void)
{
	struct medium medium;
	struct error error = { 0 };

	begin(&medium, 512, false);
	close(fd);
	medium.fd = open("/dev/full", O_WRONLY);
	CHECK(!medium_write(&medium, 70000, model, 4096, &error));
	CHECK_TEXT(error.text, "disk: at byte 70000: No space left on device");
	close(medium.fd);
	medium.fd = -1;
	CHECK(!medium.lost);
	error.set = false;
	CHECK(!medium_flush(&medium, &error));
	CHECK_TEXT(error.text, "disk: flush: Bad file descriptor");
	CHECK(medium.lost);
}

int
main(void)
{
	static const uint32_t sectors[] = { 512, 4096, 16384 };

	for (size_t i = 0; i < sizeof(sectors) / sizeof(*sectors); i++) {
		any_range_is_written_and_nothing_else(sectors[i], true);
		any_range_is_written_and_nothing_else(sectors[i], false);
	}
	nothing_of_no_length_is_written();
	a_discard_takes_whole_sectors();
	an_error_names_file_and_byte();
	return check_done();
}
