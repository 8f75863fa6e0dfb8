/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "help/help.h"

const struct help help_blkwrite = {
	.usage = "blkwrite [option ...] target <stream",
	.text =
	    "Write the block stream on standard input to a device or a file. Status 0 means\n"
	    "that the stream was whole, every checksum held, and the data is on the target.\n"
	    "\n"
	    "usage: blkwrite [-rv] [-j jobs] [-l length] [-o offset] [--backing file] [--create]\n"
	    "                [--discard] [--force] [--id @file] [--map file] [--no-sync]\n"
	    "                [--partition number] [--progress] [--resize] [--undo file] [--verify]\n"
	    "                [--zeroed] target\n"
	    "\n"
	    "  -r, --raw                   read the plain bytes of a disk instead of a block\n"
	    "                              stream\n"
	    "  -o, --offset offset         begin at this byte of the target\n"
	    "  -l, --length length         write at most that many bytes; with -r exactly\n"
	    "  -j, --jobs jobs             threads, 1 to 64 (one for each processor)\n"
	    "  -v, --verbose               at the end print bytes, rate and digest\n"
	    "  --backing file              the file in which a FUSE server keeps the target\n"
	    "  --create                    create the file if there is none\n"
	    "  --discard                   discard the device's range first\n"
	    "  --force                     write what is refused otherwise: see the manual\n"
	    "                              first\n"
	    "  --id @file                  accept no stream but the one with this id; or\n"
	    "                              env:NAME\n"
	    "  --map file                  make the map of the image, for the next blkdiff\n"
	    "                              --map\n"
	    "  --no-sync                   do not flush\n"
	    "  --partition number          write only this partition of a disk or an image\n"
	    "  --progress                  print a line each second even without a terminal\n"
	    "  --resize                    cut a larger file to the size of the image\n"
	    "  --undo file                 save what a delta overwrites in a new file\n"
	    "  --verify                    read back what was written, and compare\n"
	    "  --zeroed                    the target reads as zeros already: skip zeros\n"
	    HELP_OPTIONS
	    "\n"
	    "Examples:\n"
	    "  blkread disk.img | blkwrite --create --verify copy.img\n"
	    "  blkwrite --undo before.blk disk.img <delta.blk   # undone: blkwrite disk.img <before.blk\n"
	    "\n"
	    "The manual: man blkwrite\n",
};
