/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "help/help.h"

const struct help help_blkread = {
	.usage = "blkread [option ...] [file]",
	.text =
	    "Read a disk, an image or a pipe, and write it to standard output as a block\n"
	    "stream, which blkwrite makes a disk of again. Zeros are sent as a length.\n"
	    "\n"
	    "usage: blkread [-rv] [-j jobs] [-l length] [-o offset] [--direct auto|always|never]\n"
	    "               [--force] [--id @file] [--live] [--partition number] [--skip-bad]\n"
	    "               [--trust-holes] [file]\n"
	    "\n"
	    "  -r, --raw                   write plain bytes: for dd, gzip, and hosts\n"
	    "                              without these programs\n"
	    "  -o, --offset offset         begin at this byte\n"
	    "  -l, --length length         read that many bytes; it is an error if there are\n"
	    "                              fewer\n"
	    "  -j, --jobs jobs             reads in flight, 1 to 64 (2; past the page cache\n"
	    "                              4)\n"
	    "  -v, --verbose               at the end print bytes, rate and digest\n"
	    "  --direct auto|always|never  whether to bypass the page cache (auto: on\n"
	    "                              devices)\n"
	    "  --force                     read a block stream, too, as if it were a disk\n"
	    "  --id @file                  the stream's id, for a blkwrite that takes no\n"
	    "                              other; or env:NAME\n"
	    "  --live                      do not warn that file is being written to\n"
	    "  --partition number          read only this partition of a disk or an image\n"
	    "  --skip-bad                  go on after bad sectors: zeros stand in their\n"
	    "                              place\n"
	    "  --trust-holes               trust every file system that reports a hole\n"
	    HELP_OPTIONS
	    "\n"
	    "Examples:\n"
	    "  blkread /dev/vg/web | blkmeter | blkzip | ssh new blkwrite --verify /dev/vg/web\n"
	    "  blkread disk.img | blkzip >disk.blk          # blkwrite disk.img <disk.blk restores it\n"
	    "\n"
	    "The manual: man blkread\n",
};
