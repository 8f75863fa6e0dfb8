/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <expat.h>
#include <libdeflate.h>
#include <stdio.h>
#include <xxhash.h>
#include <zlib.h>
#ifdef HAVE_ZSTD
#include <zstd.h>
#endif
#ifdef HAVE_ISAL
#include <isa-l.h>
#endif

#include "help/version.h"
#include "stream/header.h"

/* Both come from make. */
#ifndef VERSION
#define VERSION	"(unknown)"
#endif
#ifndef COMMIT
#define COMMIT	"unknown"
#endif

#define QUOTE(number)	#number
#define WORDS(number)	QUOTE(number)

/*
 * The headers' versions: naming a library here must not link it to a filter that does without.
 * Names and versions are apart, for tools that look for a copy of zlib in a program take
 * "deflate 1.2" for its mark.
 */
static const char *const libraries[][2] = {
	{ "zlib", ZLIB_VERSION },
	{ "libdeflate", LIBDEFLATE_VERSION_STRING },
	{ "xxHash", WORDS(XXH_VERSION_MAJOR) "." WORDS(XXH_VERSION_MINOR) "." WORDS(XXH_VERSION_RELEASE) },
#ifdef HAVE_ZSTD
	{ "zstd", ZSTD_VERSION_STRING },
#endif
#ifdef HAVE_ISAL
	{ "ISA-L", WORDS(ISAL_MAJOR_VERSION) "." WORDS(ISAL_MINOR_VERSION) "." WORDS(ISAL_PATCH_VERSION) },
#endif
	{ "expat", WORDS(XML_MAJOR_VERSION) "." WORDS(XML_MINOR_VERSION) "." WORDS(XML_MICRO_VERSION) },
};

#ifdef HAVE_ZSTD
static const char codecs[] = "stored, deflate, zstd";
#else
static const char codecs[] = "stored, deflate";
#endif

char *
version_text(char *out, size_t size)
{
	size_t length, i;

	length = (size_t)snprintf(out, size, "%s %s (blk-filters, commit %s)\n"
	    "block stream version %d.%d, codecs: %s\n"
	    "built with ", program_invocation_short_name, VERSION, COMMIT, STREAM_MAJOR, STREAM_MINOR, codecs);
	for (i = 0; i < sizeof libraries / sizeof *libraries && length < size; i++)
		length += (size_t)snprintf(out + length, size - length, "%s %s, ", libraries[i][0], libraries[i][1]);
	if (length < size)
		snprintf(out + length, size - length, "libmd\n");
	return out;
}
