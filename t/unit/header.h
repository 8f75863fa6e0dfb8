/* SPDX-License-Identifier: GPL-3.0-or-later */
/* header: one that is good, for tests of headers and records to change. */
#include "base/bytes.h"
#include "check.h"
#include "hash/hash64.h"
#include "stream/record.h"

#define KIB	UINT64_C(1024)
#define FAR	(UINT64_C(1) << 63)

/* A device of 1 MiB and a base of 1 MiB - 512. */
static struct stream_header
header_of(enum stream_kind kind)
{
	struct stream_header header;

	header_init(&header, kind, 1024 * KIB);
	for (int i = 0; i < STREAM_ID_SIZE; i++)
		header.id[i] = (unsigned char)(0xa0 + i);
	if (kind == STREAM_DELTA)
		header.base_size = 1024 * KIB - 512;
	return header;
}

#define SAME(field)	CHECK_NUMBER(in.field, out.field)
