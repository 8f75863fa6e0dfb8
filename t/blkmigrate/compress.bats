#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkmigrate --compress: what compresses a disk on its way.

load ../helpers
load migrate

setup() {
	migrate_begin
}

@test "--compress: each method arrives, and is what the pipe says" {
	declare -A part=([none]='old.img | ' [deflate]='old.img | blkzip | ' [zstd]='old.img | blkzip -m zstd | '
		[adapt]='old.img | blkzip --adapt | ')
	blkzip --version | grep -q 'codecs:.* zstd' || unset 'part[zstd]'

	for method in "${!part[@]}"; do
		run -0 --separate-stderr migrate copy -v --create --compress "$method" old.img new:"$dir/$method.img"
		cmp old.img "$method.img"
		[[ $stderr == *"${part[$method]}"* ]]
	done

	run -64 --separate-stderr migrate copy --create --compress gzip old.img new:"$dir/gzip.img"
	[ "$stderr" = "blkmigrate: --compress is none, deflate, zstd or adapt" ]
}

@test "zstd is refused before anything is made where a host's program lacks it; others are not" {
	for program in blkzip blkwrite; do
		break_program "$program" '[ "$1" != --version ] || { echo "block stream version 1.1, codecs: stored, deflate"; exit; }
			exec "'"$BIN/$program"'" "$@"'
		host="this host"
		[ "$program" = blkzip ] || host=new

		run -2 --separate-stderr migrate copy --create --compress zstd old.img new:"$dir/new.img"

		[ "${stderr##*$'\n'}" = "blkmigrate: $program on $host was built without zstd: --compress adapt, or install one that has it" ]
		[ ! -e new.img ]
		rm "broken/$program"
	done
}

@test "with --compress none the old host needs no blkzip" {
	break_program blkzip 'echo "blkzip ran" >&2; exit 2'

	run -2 --separate-stderr migrate copy --create old.img new:"$dir/new.img"
	[[ $stderr == *'blkzip ran'* ]]
	run -0 migrate copy --compress none old.img new:"$dir/new.img"

	cmp old.img new.img
}
