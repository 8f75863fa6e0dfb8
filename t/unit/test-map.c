/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include <sha2.h>
#include <xxhash.h>

#include "base/io.h"
#include "check.h"
#include "stream/map.h"

#define HASHES	4096

/* A device as a map describes it: each block has a hash or is zero. */
struct device {
	uint64_t size;
	uint32_t grid;
	enum stream_hash hash;
	size_t blocks, hash_size;
	bool zero[HASHES];
	unsigned char hashes[HASHES * MAP_HASH_MAX];
};

static struct map_writer writer;
static struct map_reader reader;
static struct input input;
static const unsigned char digest[BLK128_SIZE] = { 1, 2, 3 };

static void
device_make(struct device *device, uint64_t size, uint32_t grid, enum stream_hash hash,
    unsigned zeros_of_eight)
{
	device->size = size;
	device->grid = grid;
	device->hash = hash;
	device->hash_size = map_hash_size(hash);
	device->blocks = (size_t)((size + grid - 1) / grid);
	for (size_t i = 0; i < device->blocks; i++)
		device->zero[i] = (i * 2654435761u >> 9) % 8 < zeros_of_eight;
	for (size_t i = 0; i < sizeof(device->hashes); i++)
		device->hashes[i] = (unsigned char)(i * 2654435761u >> 15);
}

static uint64_t
block_length(const struct device *device, size_t i)
{
	uint64_t left = device->size - (uint64_t)i * device->grid;

	return left < device->grid ? left : device->grid;
}

/* END's digest: that of the hashes, or where they make none any. */
static void
device_digest(const struct device *device, unsigned char out[BLK128_SIZE])
{
	struct blk128 *sum = blk128_create();

	memcpy(out, digest, BLK128_SIZE);
	for (size_t i = 0; i < device->blocks; i++)
		if (device->zero[i])
			blk128_add_zeros(sum, block_length(device, i));
		else
			blk128_add(sum, device->hashes + i * device->hash_size, block_length(device, i));
	if (device->grid == BLK128_BLOCK && device->hash == STREAM_XXH3_128)
		blk128_finish(sum, out);
	blk128_destroy(sum);
}

/* Write the map, `step` hashed blocks at a time where so many lie together. */
static int
device_write_as(const struct device *device, uint64_t said, size_t step)
{
	int fd = memfd_create("map", 0);
	unsigned char end[BLK128_SIZE];

	device_digest(device, end);
	CHECK(map_begin(&writer, fd, said, device->grid, device->hash, "a disk"));
	for (size_t i = 0, n; i < device->blocks; i += n) {
		uint64_t length = block_length(device, i);

		for (n = 1; n < step && i + n < device->blocks && device->zero[i + n] == device->zero[i]; n++)
			length += block_length(device, i + n);
		CHECK(map_put(&writer, length,
		    device->zero[i] ? NULL : device->hashes + i * device->hash_size));
	}
	CHECK(map_end(&writer, end));
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

static int
device_write(const struct device *device, size_t step)
{
	return device_write_as(device, device->size, step);
}

/* Read it back, at most `want` blocks at a time, and compare. */
static void
device_check(const struct device *device, int fd, size_t want)
{
	struct error error = { 0 };
	const unsigned char *hashes;
	unsigned char end[BLK128_SIZE];
	uint64_t length, at = 0;

	input_open(&input, fd, -1, "map");
	CHECK(map_open(&reader, &input, &error));
	CHECK_TEXT(reader.name, "a disk");
	CHECK_NUMBER(reader.stream.header.size, device->size);
	for (;;) {
		size_t i = (size_t)(at / device->grid);

		if (!CHECK(map_next(&reader, (uint64_t)want * device->grid, &length, &hashes, &error)))
			errx(1, "%s", error.text);
		if (length == 0)
			break;
		CHECK(length <= (uint64_t)want * device->grid && length <= device->size - at);
		CHECK(length % device->grid == 0 || at + length == device->size);
		for (at += length; (uint64_t)i * device->grid < at; i++) {
			CHECK(device->zero[i] == (hashes == NULL));
			if (hashes != NULL) {
				CHECK(memcmp(hashes, device->hashes + i * device->hash_size, device->hash_size) == 0);
				hashes += device->hash_size;
			}
		}
	}
	CHECK_NUMBER(at, device->size);
	CHECK(reader.ended);
	device_digest(device, end);
	CHECK(memcmp(reader.end.digest, end, BLK128_SIZE) == 0);
	CHECK(map_next(&reader, device->grid, &length, &hashes, &error) && length == 0);
	map_close(&reader);
	close(fd);
}

static void
a_written_map_is_read_back(void)
{
	static const uint64_t sizes[] = { 0, 1, 4096, 65536, 65537, 1 << 20, 10000001 };
	static const uint32_t grids[] = { 4096, 65536, 1 << 20 };
	static const unsigned zeros[] = { 0, 1, 4, 7, 8 };
	static const size_t steps[] = { 1, 3, 5000 };
	static struct device device;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		for (size_t j = 0; j < sizeof(grids) / sizeof(*grids); j++)
			for (size_t k = 0; k < sizeof(zeros) / sizeof(*zeros); k++)
				for (size_t n = 0; n < sizeof(steps) / sizeof(*steps); n++) {
					device_make(&device, sizes[i], grids[j],
					    k % 2 ? STREAM_SHA256 : STREAM_XXH3_128, zeros[k]);
					device_check(&device, device_write(&device, steps[n]), 1 + 2 * n);
					device_check(&device, device_write(&device, steps[n]), 1 << 20);
					device_check(&device, device_write_as(&device, STREAM_UNKNOWN, steps[n]), 3);
				}
}

/* More hashes than a record holds, followed by a terabyte of zeros. */
static void
large_maps_take_several_records_and_zeros_one(void)
{
	static struct device device;
	struct error error = { 0 };
	const unsigned char *hashes;
	uint64_t length;
	int fd = memfd_create("map", 0);

	device_make(&device, HASHES * 4096, 4096, STREAM_SHA256, 0);
	device_check(&device, device_write(&device, 5000), 5000);

	CHECK(map_begin(&writer, fd, 1ull << 40, 65536, STREAM_XXH3_128, NULL));
	CHECK(map_put(&writer, 1ull << 39, NULL));
	CHECK(map_put(&writer, 1ull << 39, NULL));
	CHECK(map_end(&writer, digest));
	CHECK(lseek(fd, 0, SEEK_CUR) < 400);
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	input_open(&input, fd, -1, "map");
	CHECK(map_open(&reader, &input, &error));
	CHECK_TEXT(reader.name, "");
	CHECK(map_next(&reader, 1ull << 50, &length, &hashes, &error));
	CHECK_NUMBER(length, 1ull << 40);
	CHECK(hashes == NULL);
	map_close(&reader);
	close(fd);
}

/* Its size is written last, where the map begins; until then it is refused. */
static void
a_map_whose_size_is_not_known_needs_a_file(void)
{
	struct error error = { 0 };
	unsigned char byte[3];
	int fd = memfd_create("map", 0), ends[2];

	CHECK(write_full(fd, "abc", 3));
	CHECK(map_begin(&writer, fd, STREAM_UNKNOWN, 65536, STREAM_XXH3_128, NULL));
	CHECK(map_put(&writer, 100000, NULL));
	CHECK(lseek(fd, 3, SEEK_SET) == 3);
	input_open(&input, fd, -1, "map");
	CHECK(!map_open(&reader, &input, &error));
	CHECK_TEXT(error.text, "map: stream byte 0: map that does not say the size of its device");
	CHECK(lseek(fd, 0, SEEK_END) > 3 && map_end(&writer, digest));
	CHECK(pread_full(fd, byte, 3, 0) == 3 && memcmp(byte, "abc", 3) == 0);
	CHECK(lseek(fd, 3, SEEK_SET) == 3);
	error = (struct error){ 0 };
	input_open(&input, fd, -1, "map");
	CHECK(map_open(&reader, &input, &error));
	CHECK_NUMBER(reader.stream.header.size, 100000);
	map_close(&reader);
	close(fd);

	CHECK(pipe(ends) == 0 && !map_can_wait(ends[1]));
	CHECK(!map_begin(&writer, ends[1], STREAM_UNKNOWN, 65536, STREAM_XXH3_128, NULL));
	CHECK_NUMBER(errno, ESPIPE);
	close(ends[0]);
	close(ends[1]);
	fd = memfd_create("map", 0);
	CHECK(fcntl(fd, F_SETFL, O_APPEND) == 0 && !map_can_wait(fd));
	close(fd);
}

static void
a_map_that_was_cut_or_changed_is_no_map(void)
{
	static struct device device;
	unsigned char bytes[8192];
	struct error error;
	const unsigned char *hashes;
	uint64_t length;
	ssize_t size;
	int fd;

	device_make(&device, 1 << 20, 65536, STREAM_XXH3_128, 2);
	fd = device_write(&device, 1);
	size = pread_full(fd, bytes, sizeof(bytes), 0);
	CHECK(size > 500 && size < (ssize_t)sizeof(bytes));
	close(fd);
	for (ssize_t cut = 0; cut < 2 * size; cut++) {
		bool changed = cut >= size, good;

		if (changed)
			bytes[cut - size] ^= 0x10;
		fd = check_file(bytes, (size_t)(changed ? size : cut));
		input_open(&input, fd, -1, "map");
		error = (struct error){ 0 };
		good = map_open(&reader, &input, &error);
		do
			good = good && map_next(&reader, 1 << 30, &length, &hashes, &error);
		while (good && length > 0);
		CHECK(!good && error.set && strncmp(error.text, "map: ", 5) == 0);
		map_close(&reader);
		close(fd);
		if (changed)
			bytes[cut - size] ^= 0x10;
	}
}

static void
block_hashes_are_those_of_the_libraries(void)
{
	static unsigned char data[150000];
	unsigned char hashes[3 * MAP_HASH_MAX], sha[SHA256_DIGEST_LENGTH];
	XXH128_canonical_t canonical;
	SHA2_CTX context;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 2654435761u >> 13);
	map_hash_blocks(STREAM_XXH3_128, 65536, data, sizeof(data), hashes);
	XXH128_canonicalFromHash(&canonical, XXH3_128bits(data + 131072, sizeof(data) - 131072));
	CHECK(memcmp(hashes + 2 * BLK128_SIZE, &canonical, BLK128_SIZE) == 0);
	map_hash_blocks(STREAM_SHA256, 65536, data, sizeof(data), hashes);
	SHA256Init(&context);
	SHA256Update(&context, data + 65536, 65536);
	SHA256Final(sha, &context);
	CHECK(memcmp(hashes + SHA256_DIGEST_LENGTH, sha, sizeof(sha)) == 0);
}

int
main(void)
{
	a_written_map_is_read_back();
	large_maps_take_several_records_and_zeros_one();
	a_map_whose_size_is_not_known_needs_a_file();
	a_map_that_was_cut_or_changed_is_no_map();
	block_hashes_are_those_of_the_libraries();
	return check_done();
}
