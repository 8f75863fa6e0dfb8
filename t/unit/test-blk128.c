/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The digests here were computed by python3-xxhash from the words of blkstream(5):
 *
 *	hashes = b"".join(xxh3_128_digest(block) for block in blocks)
 *	xxh3_128_hexdigest(hashes + len(data).to_bytes(8, "little"))
 */
#include <stdlib.h>

#include "check.h"
#include "hash/blk128.h"

struct known {
	uint64_t size;
	const char *pattern, *zeros;
};

static const struct known known[] = {
	{ 0, "2c0a8a99dc147d5445c3b49d035665b2", "2c0a8a99dc147d5445c3b49d035665b2" },
	{ 1, "78dc71f1613a3d954c6772ce20003542", "78dc71f1613a3d954c6772ce20003542" },
	{ 512, "4fe2bd1d096a1be8b55f5afa603e8725", "1e0df64dd03d99543ce4b9b0481bd616" },
	{ 65535, "5c9033b0bfae65103875d6048dc68d3a", "129812235feb276c0dfc8ab94a718b13" },
	{ 65536, "360c7346cb2d99a69339f93fbe911dbf", "0701e81bcdf7205ca92b875d11816023" },
	{ 65537, "8822cf4f400a7259ef23594677c2b82a", "827a09035227bc94d1944c013966d10d" },
	{ 131072, "385647a141f0f84d8599f369937406ef", "1faa8a4fbe68d479083e3e8c9e38da94" },
	{ 200000, "4506fb3a353a218e51720e3dca89e818", "e7b733807e041d58ced425aac8bf1b29" },
	{ 1048576, "79b21b4f54844a5ed976671649a03ddd", "c75865dce1bd2b426bf81c48154eaa99" },
};

static unsigned char data[1 << 20], zeros[1 << 20];
static unsigned char hashes[BLK128_BLOCKS(sizeof(data)) * BLK128_SIZE];

static struct blk128 *
start(void)
{
	struct blk128 *digest = blk128_create();

	if (digest == NULL)
		err(2, "digest");
	return digest;
}

/* The digest so far, in hexadecimal. */
static const char *
text(const struct blk128 *digest)
{
	static char out[BLK128_HEX];
	unsigned char bytes[BLK128_SIZE];

	blk128_finish(digest, bytes);
	return blk128_hex(bytes, out);
}

static void
known_devices_have_known_digests(void)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		struct blk128 *pattern = start(), *zero = start(), *hole = start();

		blk128_blocks(data, known[i].size, hashes);
		blk128_add(pattern, hashes, known[i].size);
		blk128_blocks(zeros, known[i].size, hashes);
		blk128_add(zero, hashes, known[i].size);
		blk128_add_zeros(hole, known[i].size);

		CHECK_TEXT(text(pattern), known[i].pattern);
		CHECK_TEXT(text(zero), known[i].zeros);
		CHECK_TEXT(text(hole), known[i].zeros);
		CHECK_NUMBER(blk128_size(hole), known[i].size);
		blk128_destroy(pattern);
		blk128_destroy(zero);
		blk128_destroy(hole);
	}
}

static void
a_sparse_tebibyte_has_its_known_digest(void)
{
	struct blk128 *digest = start();

	blk128_add_zeros(digest, (UINT64_C(1) << 40) + 5);

	CHECK_TEXT(text(digest), "c79d1b6362c4afdb51c6e97846e9f508");
	CHECK_NUMBER(blk128_size(digest), (UINT64_C(1) << 40) + 5);
	blk128_destroy(digest);
}

static void
a_device_may_come_in_pieces(void)
{
	struct blk128 *digest = start();

	blk128_blocks(data, 65536, hashes);
	blk128_add(digest, hashes, 65536);
	CHECK_TEXT(text(digest), "360c7346cb2d99a69339f93fbe911dbf");
	blk128_blocks(data + 65536, 134464, hashes);
	blk128_add(digest, hashes, 134464);

	CHECK_TEXT(text(digest), "4506fb3a353a218e51720e3dca89e818");
	blk128_destroy(digest);
}

static void
hashes_are_canonical(void)
{
	static const unsigned char zero[] = {
		0xfd, 0x5e, 0xe0, 0x61, 0xc8, 0x43, 0x3a, 0x0f,
		0x33, 0xb2, 0x02, 0xd3, 0x02, 0xb6, 0x5c, 0xaa,
	};
	unsigned char hash[BLK128_SIZE];

	blk128_zero_block(BLK128_BLOCK, hash);
	CHECK(memcmp(hash, zero, sizeof(zero)) == 0);
	blk128_blocks(zeros, BLK128_BLOCK, hash);
	CHECK(memcmp(hash, zero, sizeof(zero)) == 0);
}

static void
a_digest_is_compared_with_a_known_one(void)
{
	unsigned char wanted[BLK128_SIZE] = { 0 };
	struct blk128 *digest = blk128_create();
	struct error error = { 0 };

	CHECK(blk128_check(digest, wanted, &error) && !error.set);
	blk128_finish(digest, wanted);
	CHECK(blk128_check(digest, wanted, &error) && !error.set);
	wanted[0] ^= 1;
	CHECK(!blk128_check(digest, wanted, &error));
	CHECK(strncmp(error.text, "the digest of what came is blk128:", 34) == 0);
	blk128_destroy(digest);
}

/* Bytes and zeros in pieces of any length make the digest of the whole. */
static void
bytes_may_come_in_any_pieces(void)
{
	static unsigned char bytes[5 * BLK128_BLOCK + 77];
	static const size_t cuts[] = { 1, 4096, 65535, 65536, 65537, 200000, sizeof(bytes) };
	unsigned char sums[6 * BLK128_SIZE], whole[BLK128_SIZE], made[BLK128_SIZE];
	struct blk128 *sum = blk128_create();

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = i < 100000 || i >= 290000 ? (unsigned char)(i * 2654435761u >> 13) : 0;
	blk128_blocks(bytes, sizeof(bytes), sums);
	blk128_add(sum, sums, sizeof(bytes));
	blk128_finish(sum, whole);
	blk128_destroy(sum);
	for (size_t i = 0; i < sizeof(cuts) / sizeof(*cuts); i++) {
		sum = blk128_create();
		for (size_t at = 0, n; at < sizeof(bytes); at += n) {
			n = sizeof(bytes) - at < cuts[i] ? sizeof(bytes) - at : cuts[i];
			CHECK(blk128_bytes(sum, at >= 100000 && at + n <= 290000 ? NULL : bytes + at, n));
		}
		CHECK_NUMBER(blk128_size(sum), sizeof(bytes));
		blk128_finish(sum, made);
		CHECK(memcmp(made, whole, BLK128_SIZE) == 0);
		blk128_destroy(sum);
	}
}

int
main(void)
{
	bytes_may_come_in_any_pieces();
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 7 + (i >> 8) * 13 + (i >> 16) * 31);
	known_devices_have_known_digests();
	a_sparse_tebibyte_has_its_known_digest();
	a_device_may_come_in_pieces();
	hashes_are_canonical();
	a_digest_is_compared_with_a_known_one();
	blk128_destroy(NULL);
	return check_done();
}
