/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>

#include "base/bytes.h"
#include "check.h"
#include "hash/hash64.h"
#include "stream/stream.h"
#include "zip/zip.h"

#define BLOCK	BLK128_BLOCK

/* A file in memory, all of it. */
struct file {
	unsigned char *data;
	size_t length;
};

static struct file
file_of(int fd)
{
	struct file file = { .length = (size_t)lseek(fd, 0, SEEK_END) };

	file.data = malloc(file.length + 1);
	if (file.data == NULL || pread(fd, file.data, file.length, 0) != (ssize_t)file.length)
		err(2, "file");
	close(fd);
	return file;
}

static bool
same(struct file a, struct file b)
{
	return a.length == b.length && memcmp(a.data, b.data, a.length) == 0;
}

/* --- streams to begin with ---------------------------------------------------------- */

static unsigned char text[4 * BLOCK], noise[4 * BLOCK];

static void
fill(void)
{
	uint64_t state = 88172645463325252u;

	for (size_t i = 0; i < sizeof(text); i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		noise[i] = (unsigned char)(state >> 32);
		text[i] = "etaoin shrdlu"[noise[i] % 13];
	}
}

static void
put(struct stream_writer *writer, struct record record, const void *payload)
{
	record_seal(&record, payload);
	if (!stream_put(writer, &record, payload))
		err(2, "stream_put");
}

static void
put_data(struct stream_writer *writer, uint64_t offset, uint32_t length, const void *payload)
{
	put(writer, (struct record){ .type = RECORD_DATA, .offset = offset, .length = length,
	    .stored = length }, payload);
}

/* Parts of a header that this version does not know pass too. */
static void
header_extend(struct stream_header *header)
{
	static const char extra[] = "of a later version";
	unsigned char *p = header->bytes;

	store16(p + 10, 7);
	store32(p + 12, STREAM_HEADER_MIN + sizeof(extra) + 8);
	store64(p + 24, 0xf00f);
	p[100] = 0x5a;
	store64(p + 120, hash64(p, 120));
	memcpy(p + STREAM_HEADER_MIN, extra, sizeof(extra));
	store64(p + STREAM_HEADER_MIN + sizeof(extra), hash64(extra, sizeof(extra)));
	header->length = STREAM_HEADER_MIN + sizeof(extra) + 8;
}

static int
begin(struct stream_writer *writer, enum stream_kind kind, uint64_t size, uint32_t grid)
{
	struct stream_header header;
	int fd = check_file("", 0);

	header_init(&header, kind, size);
	header.grid = grid;
	header_encode(&header);
	if (kind == STREAM_IMAGE)
		header_extend(&header);
	if (!stream_begin(writer, fd, &header))
		err(2, "stream_begin");
	return fd;
}

/* END with a digest; for an image, with more after it than this version knows. */
static void
end(struct stream_writer *writer, const struct blk128 *digest, bool longer)
{
	unsigned char payload[RECORD_END_SIZE + 16];
	struct record record = { .type = RECORD_END, .stored = RECORD_END_SIZE };
	struct end_summary summary;

	order_summary(&writer->order, &summary);
	if (digest != NULL)
		blk128_finish(digest, summary.digest);
	memset(payload, 0x77, sizeof(payload));
	end_encode(&summary, payload);
	if (longer)
		record.stored = sizeof(payload);
	put(writer, record, payload);
}

static struct file
image(bool right_digest)
{
	struct blk128 *digest = blk128_create();
	struct stream_writer writer;
	unsigned char hashes[4 * BLK128_SIZE];
	int fd = begin(&writer, STREAM_IMAGE, STREAM_UNKNOWN, BLOCK);

	stream_put_note(&writer, "host=here");
	put_data(&writer, 0, 4 * BLOCK, text);
	blk128_blocks(text, 4 * BLOCK, hashes);
	blk128_add(digest, hashes, 4 * BLOCK);
	stream_put_range(&writer, RECORD_BAD, 4 * BLOCK + 512, 1024);
	stream_put_range(&writer, RECORD_ZERO, 4 * BLOCK, 1ull << 40);
	blk128_add_zeros(digest, 1ull << 40);
	put_data(&writer, 4 * BLOCK + (1ull << 40), 4 * BLOCK, noise);
	blk128_blocks(noise, 4 * BLOCK, hashes);
	blk128_add(digest, hashes, 4 * BLOCK);
	stream_put_note(&writer, "");
	put_data(&writer, 8 * BLOCK + (1ull << 40), 1000, text);
	blk128_blocks(text, right_digest ? 1000 : 999, hashes);
	blk128_add(digest, hashes, 1000);
	end(&writer, digest, true);
	blk128_destroy(digest);
	return file_of(fd);
}

static struct file
delta(enum stream_kind kind)
{
	struct stream_writer writer;
	int fd = begin(&writer, kind, 1 << 30, BLOCK);

	put(&writer, (struct record){ .type = RECORD_DATA, .offset = 512, .length = 3000,
	    .stored = 3000, .flags = RECORD_OLD_BYTES, .old = 0x1234567890abcdef }, text);
	if (kind == STREAM_DELTA)
		stream_put_range(&writer, RECORD_BAD, 8192, 512);
	put(&writer, (struct record){ .type = RECORD_ZERO, .offset = BLOCK, .length = BLOCK,
	    .flags = RECORD_OLD_HASHES, .old = 42 }, "");
	put_data(&writer, 4 * BLOCK, 2, "xx");
	put_data(&writer, 5 * BLOCK, 1, "x");
	end(&writer, NULL, false);
	return file_of(fd);
}

/* Maps of a grid of 4 KiB have no blk128; they pass all the same. */
static struct file
map(uint32_t grid, bool right_digest)
{
	struct blk128 *digest = blk128_create();
	struct stream_writer writer;
	unsigned char hashes[64 * BLK128_SIZE];
	int fd = begin(&writer, STREAM_MAP, 128ull * grid + 10, grid);

	for (int i = 0; i < 64; i++)
		memset(hashes + i * BLK128_SIZE, i / 8, BLK128_SIZE);
	put(&writer, (struct record){ .type = RECORD_MAP, .length = 64ull * grid,
	    .stored = sizeof(hashes) }, hashes);
	blk128_add(digest, hashes, 64ull * BLOCK);
	stream_put_range(&writer, RECORD_ZERO, 64ull * grid, 32ull * grid);
	blk128_add_zeros(digest, 32ull * BLOCK);
	put(&writer, (struct record){ .type = RECORD_MAP, .offset = 96ull * grid,
	    .length = 32ull * grid + 10, .stored = 33 * BLK128_SIZE }, hashes);
	blk128_add(digest, hashes + (right_digest ? 0 : BLK128_SIZE), 32ull * BLOCK + 10);
	end(&writer, digest, false);
	blk128_destroy(digest);
	return file_of(fd);
}

/* --- what is checked ------------------------------------------------------------------ */

static struct file
recode(enum zip_action action, int level, struct file in, struct error *error)
{
	struct zip zip = { .action = action, .method = RECORD_DEFLATE, .level = level, .threads = 1 };
	static struct input input;
	int out = check_file("", 0), fd = check_file(in.data, in.length);

	error->set = false;
	input_open(&input, fd, -1, "in");
	zip.input = &input;
	zip.output = out;
	CHECK(recode_run(&zip, error) == !error->set);
	close(fd);
	return file_of(out);
}

static struct file
recode_good(enum zip_action action, int level, struct file in)
{
	struct error error;
	struct file out = recode(action, level, in, &error);

	if (error.set)
		CHECK_TEXT(error.text, "");
	return out;
}

/* Read a stream to its last record, which is given; counts the deflated ones. */
static enum record_type
last_record(struct file file, unsigned *deflated, char note[RECORD_NOTE_MAX + 1])
{
	static unsigned char payload[STREAM_PAYLOAD_MAX];
	static struct stream_reader reader;
	static struct input input;
	struct record record;
	struct error error = { 0 };
	int fd = check_file(file.data, file.length);

	*deflated = 0;
	input_open(&input, fd, -1, "out");
	if (!CHECK(stream_open(&reader, &input, &error)))
		return 0;
	do {
		if (!stream_next(&reader, &record, payload, &error)) {
			CHECK_TEXT(error.text, "");
			return 0;
		}
		*deflated += record.codec == RECORD_DEFLATE;
	} while (record.type != RECORD_END && record.type != RECORD_ABORT);
	CHECK_NUMBER(input.position, file.length);
	memcpy(note, payload, record.stored);
	note[record.stored] = '\0';
	close(fd);
	return record.type;
}

/* There and back, once and twice, and nothing but codec, payload and sums changes. */
static void
check_stream(const char *name, struct file plain, unsigned deflates)
{
	struct file packed, again, back, stored, nothing;
	char note[RECORD_NOTE_MAX + 1];
	unsigned deflated;

	check_case = name;
	packed = recode_good(ZIP_COMPRESS, 1, plain);
	CHECK(last_record(packed, &deflated, note) == RECORD_END);
	CHECK_NUMBER(deflated, deflates);
	CHECK(packed.length <= plain.length);
	again = recode_good(ZIP_COMPRESS, 9, packed);
	CHECK(same(again, packed));
	back = recode_good(ZIP_DECOMPRESS, 1, packed);
	CHECK(same(back, plain));
	free(back.data);
	back = recode_good(ZIP_DECOMPRESS, 1, plain);
	CHECK(same(back, plain));
	stored = recode_good(ZIP_COMPRESS, 0, plain);
	CHECK(same(stored, plain));
	nothing = recode_good(ZIP_TEST, 0, plain);
	CHECK_NUMBER(nothing.length, 0);
	free(nothing.data);
	nothing = recode_good(ZIP_TEST, 0, packed);
	CHECK_NUMBER(nothing.length, 0);
	free(nothing.data);
	free(packed.data);
	free(again.data);
	free(back.data);
	free(stored.data);
	free(plain.data);
}

/* A digest that is not that of the records is seen by a test, and by nothing else. */
static void
check_digest(const char *name, struct file wrong, bool seen)
{
	struct file packed, nothing;
	struct error error;

	check_case = name;
	packed = recode_good(ZIP_COMPRESS, 1, wrong);
	nothing = recode(ZIP_TEST, 0, packed, &error);
	CHECK(error.set == seen);
	CHECK(!seen || strstr(error.text, ": the digest of what came is blk128:") != NULL);
	CHECK_NUMBER(nothing.length, 0);
	free(nothing.data);
	free(packed.data);
	free(wrong.data);
}

static void
check_broken(const char *name, enum zip_action action, size_t at, const char *reason)
{
	struct file bad = image(true), out;
	struct error error;
	char note[RECORD_NOTE_MAX + 1], want[2000];
	unsigned deflated;

	check_case = name;
	bad.data[at] ^= 1;
	out = recode(action, 1, bad, &error);
	CHECK(error.set);
	CHECK_TEXT(error.text, reason);
	snprintf(want, sizeof(want), "blkzip: %s", reason);
	CHECK(last_record(out, &deflated, note) == RECORD_ABORT);
	CHECK_TEXT(note, want);
	free(out.data);
	out = recode(ZIP_TEST, 1, bad, &error);
	CHECK_TEXT(error.text, reason);
	CHECK_NUMBER(out.length, 0);
	free(out.data);
	free(bad.data);
}

static void
an_abort_is_passed_on(void)
{
	struct stream_writer writer;
	struct file in, out;
	struct error error;
	char note[RECORD_NOTE_MAX + 1];
	unsigned deflated;
	int fd = begin(&writer, STREAM_DELTA, 1 << 30, BLOCK);

	check_case = "abort";
	put_data(&writer, 0, 100, text);
	stream_put_abort(&writer, "the disk\033[2J burns");
	in = file_of(fd);
	out = recode(ZIP_COMPRESS, 0, in, &error);

	CHECK(error.set);
	CHECK_TEXT(error.text, "in: stream byte 292, device byte 100: "
	    "the sending side gave up: the disk?[2J burns");
	CHECK(same(in, out));
	CHECK(last_record(out, &deflated, note) == RECORD_ABORT);
	CHECK_TEXT(note, "the disk\033[2J burns");
	free(in.data);
	free(out.data);
}

static void
nothing_follows_what_is_cut(void)
{
	struct file in = image(true), out;
	struct error error;
	char note[RECORD_NOTE_MAX + 1];
	unsigned deflated;
	size_t header = load32(in.data + 12);

	for (size_t cut = 0; cut < in.length; cut += cut < 1000 ? 1 : 4001) {
		struct file part = { in.data, cut };

		check_case = "cut";
		out = recode(ZIP_COMPRESS, 1, part, &error);
		CHECK(error.set);
		if (cut < header)
			CHECK_NUMBER(out.length, 0);
		else
			CHECK(last_record(out, &deflated, note) == RECORD_ABORT);
		free(out.data);
	}
	free(in.data);
}

int
main(void)
{
	fill();
	check_stream("image", image(true), 2);
	check_stream("delta", delta(STREAM_DELTA), 1);
	check_stream("undo", delta(STREAM_UNDO), 1);
	check_stream("map", map(BLOCK, true), 2);
	check_stream("map of 4 KiB", map(4096, true), 2);
	check_digest("image", image(false), true);
	check_digest("map", map(BLOCK, false), true);
	check_digest("map of 4 KiB", map(4096, false), false);
	check_broken("payload", ZIP_COMPRESS, 155 + 73 + 64 + 5000, "in: stream byte 228, "
	    "device byte 0: DATA record with a wrong checksum");
	check_broken("record", ZIP_DECOMPRESS, 155 + 73 + 20, "in: stream byte 228, "
	    "device byte 0: record header with a wrong checksum");
	an_abort_is_passed_on();
	nothing_follows_what_is_cut();
	return check_done();
}
