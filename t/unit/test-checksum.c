/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "check.h"
#include "hash/checksum.h"

/* Of nothing, and of "abc", as the standards and xxhsum(1) give them. */
static const struct vector {
	enum checksum_kind kind;
	const char *text, *digits;
} vectors[] = {
	{ CHECKSUM_MD5, "", "d41d8cd98f00b204e9800998ecf8427e" },
	{ CHECKSUM_MD5, "abc", "900150983cd24fb0d6963f7d28e17f72" },
	{ CHECKSUM_SHA1, "", "da39a3ee5e6b4b0d3255bfef95601890afd80709" },
	{ CHECKSUM_SHA1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d" },
	{ CHECKSUM_SHA256, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
	{ CHECKSUM_SHA256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
	{ CHECKSUM_SHA512, "abc", "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
	    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f" },
	{ CHECKSUM_SHA224, "abc", "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7" },
	{ CHECKSUM_SHA384, "abc", "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
	    "8086072ba1e7cc2358baeca134c825a7" },
	{ CHECKSUM_B2, "", "786a02f742015903c6c6fd852552d272912f4740e15847618a86e217f71f5419"
	    "d25e1031afee585313896444934eb04b903a685b1448b755d56f701afe9be2ce" },
	{ CHECKSUM_B2, "abc", "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
	    "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923" },
	{ CHECKSUM_XXH64, "", "ef46db3751d8e999" },
	{ CHECKSUM_XXH64, "abc", "44bc2cf5ad770999" },
	{ CHECKSUM_XXH128, "", "99aa06d3014798d86001c324468d497f" },
	{ CHECKSUM_XXH128, "abc", "06b05ab6733a618578af5f94892f3950" },
};

static void
digests_are_those_of_the_standards(void)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
		struct checksum *sum = checksum_create(vectors[i].kind);
		char digits[CHECKSUM_HEX];

		check_case = checksum_name(vectors[i].kind);
		checksum_add(sum, vectors[i].text, strlen(vectors[i].text));
		checksum_finish(sum, digits);
		CHECK_TEXT(digits, vectors[i].digits);
		CHECK_NUMBER(checksum_digits(vectors[i].kind), strlen(vectors[i].digits));
		checksum_destroy(sum);
	}
	check_case = "";
}

/* However the bytes are cut, and whether zeros are given or counted. */
static void
pieces_and_zeros_make_no_difference(void)
{
	static unsigned char data[200000];
	char whole[CHECKSUM_HEX], cut[CHECKSUM_HEX];

	for (size_t i = 0; i < 50000; i++)
		data[i] = (unsigned char)(i * 2654435761u >> 13);
	for (int kind = CHECKSUM_XXH128; kind < CHECKSUM_KINDS; kind++) {
		struct checksum *sum = checksum_create((enum checksum_kind)kind);

		check_case = checksum_name((enum checksum_kind)kind);
		checksum_add(sum, data, sizeof(data));
		checksum_finish(sum, whole);
		checksum_destroy(sum);
		sum = checksum_create((enum checksum_kind)kind);
		for (size_t at = 0, step = 1; at < 50000; at += step, step += 97)
			checksum_add(sum, data + at, at + step < 50000 ? step : 50000 - at);
		checksum_add_zeros(sum, 0);
		checksum_add_zeros(sum, 65536);
		checksum_add_zeros(sum, sizeof(data) - 50000 - 65536);
		checksum_finish(sum, cut);
		CHECK_TEXT(cut, whole);
		checksum_destroy(sum);
	}
	check_case = "";
}

static void
names_are_found_in_both_spellings(void)
{
	enum checksum_kind kind;

	for (int want = 0; want < CHECKSUM_KINDS; want++) {
		const char *name = checksum_name((enum checksum_kind)want);
		const char *tag = checksum_tag((enum checksum_kind)want);

		CHECK(checksum_find(name, strlen(name), &kind) && kind == (enum checksum_kind)want);
		CHECK(checksum_find(tag, strlen(tag), &kind) && kind == (enum checksum_kind)want);
		CHECK(!checksum_find(name, strlen(name) - 1, &kind));
	}
	CHECK(checksum_find("SHA2-256", 8, &kind) && kind == CHECKSUM_SHA256);
	CHECK(checksum_find("BLAKE2B-512", 11, &kind) && kind == CHECKSUM_B2);
	CHECK(!checksum_find("SHA2-256x", 9, &kind));
	CHECK(!checksum_find("", 0, &kind));
	CHECK(!checksum_find("Md5", 3, &kind));
}

static void
bare_digests_are_guessed_by_their_length(void)
{
	enum checksum_kind kind;

	for (int want = CHECKSUM_XXH64; want < CHECKSUM_B2; want++)
		CHECK(checksum_guess(checksum_digits((enum checksum_kind)want), &kind) &&
		    kind == (enum checksum_kind)want);
	CHECK(!checksum_guess(0, &kind));
	CHECK(!checksum_guess(33, &kind));
}

int
main(void)
{
	digests_are_those_of_the_standards();
	pieces_and_zeros_make_no_difference();
	names_are_found_in_both_spellings();
	bare_digests_are_guessed_by_their_length();
	return check_done();
}
