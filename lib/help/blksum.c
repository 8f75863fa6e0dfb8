/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "help/help.h"

const struct help help_blksum = {
	.usage = "blksum [option ...] [file ...]",
	.text =
	    "Print digests of disks and files, or check them with -c, as md5sum does. On\n"
	    "standard input a block stream gives the digest of the disk in it.\n"
	    "\n"
	    "usage: blksum [-bcqtwz] [-a algorithm] [-j jobs] [-l length] [-o offset]\n"
	    "              [--backing file] [--grid size] [--ignore-missing] [--map] [--medium]\n"
	    "              [--status] [--strict] [--tag] [file ...]\n"
	    "\n"
	    "  -a, --algorithm algorithm   blk128 (the default, on all processors), xxh128,\n"
	    "                              xxh64, md5, sha1, sha224, sha256, sha384, sha512\n"
	    "                              or b2; several print a line each\n"
	    "  -c, --check                 check the digests in a list, or compare a file\n"
	    "                              with a map\n"
	    "  -o, --offset offset         begin at this byte\n"
	    "  -l, --length length         read that many bytes only\n"
	    "  -j, --jobs jobs             threads, 1 to 64 (one more than processors)\n"
	    "  -b, --binary, -t, --text    an asterisk or a space before the name\n"
	    "  --tag                       print BSD lines: MD5 (file) = ...\n"
	    "  --map                       write the map of a disk instead, for blkdiff\n"
	    "                              --map\n"
	    "  --grid size                 the block size of the map (64K)\n"
	    "  --backing file              the file in which a FUSE server keeps what is\n"
	    "                              read\n"
	    "  --medium                    read the medium, not the page cache\n"
	    "  -q, --quiet                 with -c, print nothing for files that agree\n"
	    "  --status                    with -c, print nothing; the exit status tells\n"
	    "  --ignore-missing            with -c, skip files that do not exist\n"
	    "  --strict                    with -c, fail if a line of the list is malformed\n"
	    "  -w, --warn                  with -c, name each malformed line\n"
	    "  -z, --zero                  end lines with a zero byte, and escape no names\n"
	    HELP_OPTIONS
	    "\n"
	    "Examples:\n"
	    "  blksum disk.img | ssh new blksum -c\n"
	    "  ssh new blksum --map /dev/vg/web | blksum -c - /dev/vg/web     # where do they differ?\n"
	    "\n"
	    "The manual: man blksum\n",
};
