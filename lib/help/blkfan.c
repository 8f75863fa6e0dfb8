/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "help/help.h"

const struct help help_blkfan = {
	.usage = "blkfan [option ...] command [argument ...]",
	.text =
	    "Start a command several times and deal the records of the block stream on\n"
	    "standard input to them: several connections, where one is held back by its\n"
	    "window. The blkwrite at their ends puts the stream together again.\n"
	    "\n"
	    "usage: blkfan [-v] [-n lanes] command [argument ...]\n"
	    "\n"
	    "  -n, --lanes lanes           how many, 1 to 64 (4)\n"
	    "  -v, --verbose               at the end print what went over each lane\n"
	    HELP_OPTIONS
	    "\n"
	    "Examples:\n"
	    "  blkread /dev/vg/web | blkzip | blkfan ssh new blkwrite --verify /dev/vg/web\n"
	    "  blkread disk.img | blkmeter | blkzip | blkfan -n 8 -v ssh new blkwrite --create disk.img\n"
	    "\n"
	    "The manual: man blkfan\n",
};
