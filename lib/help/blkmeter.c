/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "help/help.h"

const struct help help_blkmeter = {
	.usage = "blkmeter [option ...]",
	.text =
	    "Copy standard input to standard output unchanged, and show the progress: of a\n"
	    "block stream by the position on the disk, compressed or not; of other bytes as\n"
	    "pv does.\n"
	    "\n"
	    "usage: blkmeter [-abefnpqrt] [-B bytes] [-i seconds] [-L rate | @file] [-N name]\n"
	    "                [-s size] [--json] [--raw] [--watchdog seconds]\n"
	    "\n"
	    "  -a, -e, -p, -r, -t, --average-rate, --eta, --progress, --rate, --timer\n"
	    "                              pv's parts of the line, which are shown anyway\n"
	    "  -B bytes, --buffer-size bytes\n"
	    "                              buffer in memory while the reader is slow\n"
	    "  -b, --bytes                 with -n, print bytes instead of percent\n"
	    "  -f, --force                 draw even if standard error is no terminal\n"
	    "  -i seconds, --interval seconds\n"
	    "                              time between updates (1)\n"
	    "  -L rate | @file, --rate-limit rate | @file\n"
	    "                              pass that many bytes a second; @file may change\n"
	    "                              meanwhile\n"
	    "  -N name, --name name        put a name before the line\n"
	    "  -n, --numeric               print percent as numbers, one a line\n"
	    "  -q, --quiet                 show nothing unless asked by SIGUSR1\n"
	    "  -s size, --size size        the number of bytes to expect\n"
	    "  --json                      print JSON objects, one a line\n"
	    "  --raw                       count bytes even of a block stream\n"
	    "  --watchdog seconds          fail if no byte has moved for so long\n"
	    HELP_OPTIONS
	    "\n"
	    "Examples:\n"
	    "  blkread /dev/vg/web | blkmeter | blkzip | ssh new blkwrite /dev/vg/web\n"
	    "  dd if=disk.img bs=1M | blkmeter -s 20G -L 50M >copy.img\n"
	    "\n"
	    "The manual: man blkmeter\n",
};
