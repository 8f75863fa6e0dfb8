#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The map of a target that is made while it is written: the next pass reads the old side alone, unless
# something else has written to the target since.  Both hosts are this one.

load ../helpers
load migrate

setup() {
	migrate_begin
	tell blksum
}

# tell PROGRAM [TEXT]: each call of it is noted in the file told; TEXT is done after it.
tell() {
	break_program "$1" "echo $1 >>'$dir/told'
		'$BIN/$1' \"\$@\" || exit
		${2:-}"
}

# copy [STATE]: again, after a change of the old disk; $told has the programs that were called.
copy() {
	rm -f told
	printf 'change %s' "$RANDOM" | dd of=old.img bs=1M seek=2 conv=notrunc status=none
	run -0 --separate-stderr migrate copy --create old.img new:"$dir/new.img"
	told=$(cat told 2>/dev/null || true)
	cmp old.img new.img
}

# scribble: as another program does that gives the file its times back.
scribble() {
	touch -r new.img times
	printf 'another' | dd of=new.img bs=1M seek=3 conv=notrunc status=none
	touch -r times new.img
}

@test "the pass after a copy does not read the target, the one after that does" {
	copy
	[ -z "$told" ]
	[ "$(stat -c %a state/to/*/disk.map)" = 600 ]

	copy
	[ -z "$told" ]
	[[ $stderr != *'made again'* ]]

	copy
	[ "$told" = blksum ]
	[[ $stderr != *'made again'* ]]
}

@test "a map is made again where something has written to the target since" {
	copy
	scribble

	copy

	[ "$told" = blksum ]
	[[ $stderr == *"disk: something has changed $dir/new.img on new since it was copied: its map is made again"* ]]
}

@test "a map is not kept where something has written to the target before it is recorded" {
	tell blkwrite "[ -e '$dir/scribbled' ] || {
		sleep 0.05
		touch '$dir/scribbled'
		printf another | dd of='$dir/new.img' bs=1M seek=3 conv=notrunc status=none
	}"
	rm -f told
	run -0 migrate copy --create old.img new:"$dir/new.img"
	run -1 cmp old.img new.img

	copy

	[[ $told == *blksum* ]]
}

@test "a target that has taken the place of another is read" {
	copy
	cp new.img other.img
	scribble
	mv other.img new.img
	ln -f new.img ".new.img.blkmigrate-$(basename state/to/*)"

	copy

	[ "$told" = blksum ]
}

@test "where there is no room for a map the disk is copied without one" {
	break_program df 'echo Avail; echo 1000'

	copy
	[ -z "$(find state -name '*.map*')" ]

	copy
	[ "$told" = blksum ]
}
