/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>

#include "check.h"
#include "diff/listing.h"

/* List these ranges, the last of length 0; free the text. */
static char *
list(bool json, const struct extent *ranges)
{
	struct listing listing = { .json = json };
	char *text = NULL;
	size_t size;

	listing.out = open_memstream(&text, &size);
	if (listing.out == NULL)
		err(2, "memory");
	for (; ranges->length > 0; ranges++)
		listing_add(&listing, ranges->offset, ranges->length);
	listing_finish(&listing);
	fclose(listing.out);
	return text;
}

static void
check_list(bool json, const struct extent *ranges, const char *wanted)
{
	char *text = list(json, ranges);

	CHECK_TEXT(text, wanted);
	free(text);
}

static const struct extent some[] = {
	{ 0, 4096 }, { 4096, 4096 }, { 65536, 512 }, { 1ull << 62, 4096 }, { 0, 0 }
};
static const struct extent none[] = { { 0, 0 } };

int
main(void)
{
	check_list(false, some, "0 8192\n65536 512\n4611686018427387904 4096\n"
	    "# 3 ranges, 12800 bytes\n");
	check_list(true, some, "{\"offset\":0,\"length\":8192}\n{\"offset\":65536,\"length\":512}\n"
	    "{\"offset\":4611686018427387904,\"length\":4096}\n{\"ranges\":3,\"bytes\":12800}\n");
	check_list(false, none, "# 0 ranges, 0 bytes\n");
	check_list(true, none, "{\"ranges\":0,\"bytes\":0}\n");
	return check_done();
}
