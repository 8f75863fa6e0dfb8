/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "help/help.h"

const struct help help_blkzip = {
	.usage = "blkzip [option ...] [file]",
	.text =
	    "Compress or decompress a block stream, which stays one, or plain bytes, which\n"
	    "become gzip, on all processors. The output goes to standard output.\n"
	    "\n"
	    "usage: blkzip [-123456789cdfklnqrtv] [-j jobs] [-m method] [--single]\n"
	    "              [--adapt | --store] [file]\n"
	    "\n"
	    "  -1 to -9, --fast, --best    the level, from fastest (1, the default) to\n"
	    "                              smallest\n"
	    "  -c, -k, -n, -q, --stdout, --keep, --no-name, --quiet\n"
	    "                              nothing: gzip's letters for what is done anyway\n"
	    "  -d, --decompress            decompress\n"
	    "  -f, --force                 write compressed data even to a terminal\n"
	    "  -j, -p, --jobs, --processes, --threads jobs\n"
	    "                              threads, 1 to 64 (one more than processors)\n"
	    "  -l, --list                  check the input, and print its size and that of\n"
	    "                              what is in it\n"
	    "  -m, --method method         deflate (the default), or zstd, for block streams\n"
	    "  -r, --raw                   treat even a block stream as plain bytes\n"
	    "  -t, --test                  check the input, and write nothing\n"
	    "  -v, --verbose               at the end print bytes read and written, and the\n"
	    "                              time\n"
	    "  --adapt                     fit the level to the speed of the output\n"
	    "  --single                    one gzip member, for decoders that read no more\n"
	    "  --store                     compress nothing: check a stream and pass it on\n"
	    HELP_OPTIONS
	    "\n"
	    "Examples:\n"
	    "  blkread disk.img | blkzip >disk.blk\n"
	    "  blkread -r disk.img | blkzip | ssh new 'gunzip | dd of=/dev/vg/web bs=1M'\n"
	    "\n"
	    "The manual: man blkzip\n",
};
