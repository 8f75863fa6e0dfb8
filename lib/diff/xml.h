/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * xml: lists of changed blocks as thin_delta(8) and era_invalidate(8) write them.
 *
 * A subset of XML is enough and all that is taken: a document type, and with it every
 * entity, is refused.  Memory does not grow with the document.
 */
#ifndef XML_H
#define XML_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "pipe/input.h"

struct xml_sink {
	uint64_t era_block;		/* bytes of a block of era_invalidate's; 0: not known */

	/* A range of bytes, at most up to SIZE_LIMIT.  False stops: the error is filled. */
	bool (*add)(void *context, uint64_t offset, uint64_t length, struct error *);
	void *context;
};

/*
 * Read a whole document.  False: error names the input and, where it is the document
 * that is wrong, the line.
 */
bool xml_read(struct input *, const struct xml_sink *, struct error *);

#endif
