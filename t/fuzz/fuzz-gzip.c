/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz-gzip: bytes, decompressed by the inflater of blkzip and by zlib's gunzip.
 *
 * zlib accepts whatever ours accepts, with the same bytes.  Without members of our own,
 * which must come in order and to the last, zlib accepts no more than ours.  Bytes that
 * ours writes before it fails are the beginning of zlib's output.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <zlib.h>

#include "base/bytes.h"
#include "base/io.h"
#include "zip/gzip.h"
#include "zip/zip.h"

#define PLAIN_MAX	(4u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t capacity);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed);

static unsigned char ours[PLAIN_MAX], theirs[PLAIN_MAX];

/* zlib's result: plain bytes, and whether all was good. */
struct gunzip {
	size_t length;
	bool good;
	bool of_ours;		/* a member is one of our own */
	bool full;		/* more than PLAIN_MAX */
};

static struct gunzip
gunzip(const unsigned char *data, size_t size)
{
	struct gunzip result = { .good = true };
	z_stream z = { .next_in = (unsigned char *)data, .avail_in = (unsigned)size,
	    .next_out = theirs, .avail_out = PLAIN_MAX };
	bool any = false;
	int status;

	if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
		err(2, "zlib");
	while (result.good && (!any || !bytes_are_zero(z.next_in, z.avail_in))) {
		result.of_ours = result.of_ours || gzip_is_ours(z.next_in, z.avail_in);
		status = gzip_begins(z.next_in, z.avail_in) ? inflate(&z, Z_FINISH) : Z_DATA_ERROR;
		result.full = z.avail_out == 0;
		result.good = status == Z_STREAM_END;
		any = true;
		inflateReset(&z);
	}
	result.length = PLAIN_MAX - z.avail_out;
	inflateEnd(&z);
	return result;
}

/* The inflater on one thread, which is this one.  Returns the bytes that it wrote. */
static size_t
decompress(const unsigned char *data, size_t size, bool *good)
{
	static int in = -1, out = -1;
	static struct input input;
	struct zip zip = { .action = ZIP_DECOMPRESS, .input = &input, .threads = 1 };
	struct error error = { 0 };
	ssize_t n;

	if (in == -1) {
		in = memfd_create("in", MFD_CLOEXEC);
		out = memfd_create("out", MFD_CLOEXEC);
	}
	if (ftruncate(in, 0) != 0 || ftruncate(out, 0) != 0 || lseek(in, 0, SEEK_SET) != 0 ||
	    lseek(out, 0, SEEK_SET) != 0 || !pwrite_full(in, data, size, 0))
		err(2, "memfd");
	input_open(&input, in, -1, "input");
	zip.output = out;
	*good = inflater_run(&zip, &error);
	if (*good == error.set)
		errx(2, "result %d with the error \"%s\"", *good, error.text);
	n = pread_full(out, ours, sizeof(ours), 0);
	if (n == -1)
		err(2, "memfd");
	return (size_t)n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool good;
	size_t length = decompress(data, size, &good);
	struct gunzip wanted = gunzip(data, size);
	const char *wrong = NULL;

	if (wanted.full)
		return 0;
	if (good && !wanted.good)
		wrong = "accepted, though zlib refuses it";
	else if (!good && wanted.good && !wanted.of_ours)
		wrong = "refused, though zlib accepts it";
	else if (length > wanted.length || (good && length < wanted.length) ||
	    memcmp(ours, theirs, length) != 0)
		wrong = "the bytes differ";
	if (wrong != NULL) {
		fprintf(stderr, "%s: %zu and %zu bytes\n", wrong, length, wanted.length);
		abort();
	}
	return 0;
}

/* Where the deflate data of a member begins, or 0. */
static size_t
member_data(const uint8_t *p, size_t size)
{
	size_t at = 10;

	if (size < 10 || !gzip_begins(p, size))
		return 0;
	if ((p[3] & 4) != 0 && size >= at + 2)
		at += 2 + load16(p + at);
	for (unsigned flag = 8; flag <= 16; flag *= 2)
		if ((p[3] & flag) != 0) {
			while (at < size && p[at] != '\0')
				at++;
			at++;
		}
	if ((p[3] & 2) != 0)
		at += 2;
	return at < size ? at : 0;
}

/* Make lengths and sums right, member by member, as far as they inflate. */
static void
repair(uint8_t *p, size_t size)
{
	uint64_t offset = 0;
	size_t at;

	while ((at = member_data(p, size)) != 0) {
		z_stream z = { .next_in = p + at, .avail_in = (unsigned)(size - at),
		    .next_out = theirs, .avail_out = PLAIN_MAX };
		size_t plain;
		int status;

		if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
			err(2, "zlib");
		status = inflate(&z, Z_FINISH);
		inflateEnd(&z);
		if (status != Z_STREAM_END || z.avail_in < GZIP_TRAILER)
			return;
		plain = PLAIN_MAX - z.avail_out;
		gzip_trailer_encode(gzip_crc(0, theirs, plain), (uint32_t)plain, z.next_in);
		if (gzip_is_ours(p, size)) {
			store32(p + 16, (uint32_t)(size - at - z.avail_in));
			store64(p + 24, offset);
			offset += plain;
		}
		p = z.next_in + GZIP_TRAILER;
		size = z.avail_in - GZIP_TRAILER;
	}
}

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed)
{
	size = LLVMFuzzerMutate(data, size, capacity);
	if (seed % 4 != 0)
		repair(data, size);
	return size;
}
