/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
#include "base/pool.h"
#include "base/size.h"
#include "show/progress.h"
#include "write/opening.h"
#include "write/plain.h"

static bool
plain_take(void *context, void *job)
{
	struct plain *plain = context;

	return intake_take(&plain->intake, job);
}

static void
plain_work(void *context, void *job)
{
	struct plain *plain = context;

	intake_work(&plain->intake, job);
}

static bool
put_zeros(uint64_t length)
{
	static const unsigned char zeros[256 << 10];

	while (length > 0) {
		size_t part = length < sizeof(zeros) ? (size_t)length : sizeof(zeros);

		if (!write_full(STDOUT_FILENO, zeros, part))
			return false;
		progress_add(part);
		length -= part;
	}
	return true;
}

static bool
plain_put(struct plain *plain, const struct piece *piece)
{
	if (piece->zero) {
		plain->zero += piece->length;
		return put_zeros(piece->length);
	}
	if (!write_full(STDOUT_FILENO, piece->data, (size_t)piece->length))
		return false;
	progress_add(piece->length);
	return true;
}

static bool
plain_give(void *context, void *job)
{
	struct plain *plain = context;
	struct piece *piece = job;

	if (!intake_give(&plain->intake, piece)) {
		*plain->error = piece->error;
		return false;
	}
	if (piece->length == 0)
		return true;
	if (!plain_put(plain, piece)) {
		plain->write_errno = errno;
		return error_errno(plain->error, "standard output");
	}
	plain->written += piece->length;
	return true;
}

static const struct pool_ops plain_ops = { plain_take, plain_work, plain_give };

bool
plain_run(struct plain *plain, const char *id, unsigned jobs, struct error *error)
{
	plain->error = error;
	input_open(&plain->input, STDIN_FILENO, STDOUT_FILENO, "standard input");
	if (id != NULL)
		plain->input.timeout = OPENING_SILENCE;
	if (isatty(STDIN_FILENO))
		return error_set(error, "standard input: a terminal, not a block stream");
	if (!opening_suits_stream(&plain->input, error) ||
	    !intake_open_stream(&plain->intake, &plain->input, INTAKE_IMAGE, error) ||
	    !opening_has_id(id, plain->intake.reader.header.id, error))
		return false;
	progress_phase("writing", plain->intake.reader.header.size);
	if (!intake_run(&plain->intake, &plain_ops, plain, jobs, error))
		return false;
	return plain->intake.whole || error_set(error, "standard input: the stream did not end");
}

char *
plain_line(const struct plain *plain, double seconds, char *out, size_t size)
{
	unsigned char digest[BLK128_SIZE];
	char hex[BLK128_HEX], rate[16];

	blk128_finish(plain->intake.digest, digest);
	size_format_rate(rate, sizeof(rate), plain->written, seconds);
	snprintf(out, size, "standard output: %ju bytes, %ju of them zero, %.1f s, %s/s, blk128:%s",
	    (uintmax_t)plain->written, (uintmax_t)plain->zero, seconds, rate, blk128_hex(digest, hex));
	return out;
}
