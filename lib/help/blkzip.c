/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "help/help.h"

const struct help help_blkzip = {
	.usage = "blkzip [option ...] [file]",
	.text =
	    "Compress or decompress a block stream, which stays one, or plain bytes, which\n"
	    "become gzip, on all processors. The output goes to standard output.\n"
	    "\n"
	    "usage: blkzip [-123456789cdrtv] [-j jobs] [-m method] [--adapt | --store] [file]\n"
	    "\n"
	    "  -1 to -9, --fast, --best    the level, from fastest (1, the default) to\n"
	    "                              smallest\n"
	    "  -c, --stdout                nothing: the output goes there anyway\n"
	    "  -d, --decompress            decompress\n"
	    "  -j, --jobs, --threads jobs  threads, 1 to 64 (one more than processors)\n"
	    "  -m, --method method         deflate (the default), or zstd, for block streams\n"
	    "  -r, --raw                   treat even a block stream as plain bytes\n"
	    "  -t, --test                  check the input, and write nothing\n"
	    "  -v, --verbose               at the end print bytes read and written, and the\n"
	    "                              time\n"
	    "  --adapt                     fit the level to the speed of the output\n"
	    "  --store                     compress nothing: check a stream and pass it on\n"
	    HELP_OPTIONS
	    "\n"
	    "Examples:\n"
	    "  blkread disk.img | blkzip >disk.blk\n"
	    "  blkread -r disk.img | blkzip | ssh new 'gunzip | dd of=/dev/vg/web bs=1M'\n"
	    "\n"
	    "The manual: man blkzip\n",
};
