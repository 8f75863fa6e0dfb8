/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "stream/id.h"
#include "stream/intake.h"
#include "write/opening.h"

/* Bytes of a gzip file without content: of gzip(1), and of blkzip with its subfield. */
#define GZIP_EMPTY_MIN	20
#define GZIP_EMPTY_MAX	48

static bool
is_gzip(const struct container *container)
{
	return strcmp(container->name, "gzip") == 0;
}

/* gzip of no bytes at all, as blkzip makes it after a program that failed. */
static bool
gzip_is_empty(struct input *input)
{
	const unsigned char *data;
	ssize_t n = input_peek(input, GZIP_EMPTY_MAX + 1, &data);

	return n >= GZIP_EMPTY_MIN && n <= GZIP_EMPTY_MAX && memcmp(data + n - 4, "\0\0\0\0", 4) == 0;
}

bool
opening_suits_stream(struct input *input, struct error *error)
{
	ssize_t n;
	const struct container *container = intake_mistaken(input, &n);

	if (n < STREAM_MAGIC_SIZE || (container != NULL && container->stream))
		return true;
	if (container == NULL)
		return error_set(error, "%s: stream byte 0: not a block stream: blkread makes one of a disk; -r "
		    "writes the plain bytes of a disk", input->name);
	if (container->image)
		return error_set(error, "%s: stream byte 0: not a block stream but %s: %s makes a disk of it, which "
		    "blkread reads", input->name, container->name, container->unpack);
	if (is_gzip(container) && gzip_is_empty(input))
		return error_set(error, "%s: only an empty gzip file arrived: the input of the compressor was "
		    "empty", input->name);
	return error_set(error, "%s: stream byte 0: not a block stream but %s: decompress it by %s; -r writes the "
	    "plain bytes of a disk", input->name, container->name,
	    is_gzip(container) ? "blkzip -d" : container->unpack);
}

bool
opening_suits_raw(struct input *input, bool empty, bool force, struct error *remark, struct error *error)
{
	ssize_t n;
	const struct container *container = intake_mistaken(input, &n);

	if (n == -1)
		return error_errno(error, "%s", input->name);
	if (n == 0 && !empty)
		return error_set(error, "%s: nothing came", input->name);
	if (container == NULL || (force && !container->image))
		return true;
	if (container->image) {
		error_set(remark, "%s: %s was written as it is, not the disk in it (%s makes one of it)", input->name,
		    container->name, container->unpack);
		return true;
	}
	if (container->stream)
		return error_set(error, "%s: this is a block stream, not a disk (leave out -r); --force writes it as "
		    "it is", input->name);
	return error_set(error, "%s: this is %s, not a disk (decompress it by %s); --force writes it as it is",
	    input->name, container->name, is_gzip(container) ? "blkzip -d" : container->unpack);
}

bool
opening_has_id(const char *wanted, const unsigned char *theirs, struct error *error)
{
	unsigned char id[STREAM_ID_SIZE];

	if (wanted == NULL)
		return true;
	if (!id_load(wanted, id, error))
		return false;
	if (memcmp(id, theirs, STREAM_ID_SIZE) != 0)
		return error_set(error, "standard input: the stream has another id than --id says");
	return true;
}
