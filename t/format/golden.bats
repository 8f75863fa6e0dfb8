#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What a real kernel and real tools wrote of the same writes to the same origin
# (t/files/README), read without a guest.

load ../helpers
load ../filters/delta

files=$root/t/files

setup() {
	test_begin
	gunzip -c "$files/cow-before.gz" >before
	gunzip -c "$files/cow-after.gz" >after
}

# store NAME: in the file $1; $chunk is its bytes in a chunk, $count the kernel's exceptions.
store() {
	gunzip -c "$files/cow-$1.gz" >"$1"
	chunk=$(($(od -An -t u4 -j 12 -N 4 "$1") * 512))
	count=$(awk -v name="$1" -v sectors=$((chunk / 512)) '$1 == name && $4 == "snapshot" {
		split($5, used, "/")
		print (used[1] - $6) / sectors }' "$files/cow-status")
}

# listed ARGUMENT ...: how many bytes blkdiff would send.
listed() {
	blkdiff --list "$@" | sed -n 's/^# [0-9]* ranges*, \([0-9]*\) bytes$/\1/p'
}

@test "each store lists as many chunks as the kernel counted" {
	for name in empty 4k 16k 64k 512k full written; do
		store "$name"

		bytes=$(listed --store "$name" after)

		echo "$name: the kernel counts $count; $bytes bytes in chunks of $chunk"
		[ $(((bytes + chunk - 1) / chunk)) = "$count" ]
	done
}

@test "the stores are what they are there for: three areas, a cut last chunk, no room left" {
	store 4k
	[ "$count" -gt 512 ]
	store 512k
	[ $(($(stat -c %s after) % chunk)) != 0 ]
	blkdiff --list --store 512k after |
		awk -v size="$(stat -c %s after)" '/^[0-9]/ { end = $1 + $2 } END { exit end != size }'
	awk '$1 == "full" { split($5, used, "/"); exit used[1] != used[2] }' "$files/cow-status"
}

@test "each store holds the old bytes of every page that differs" {
	for name in 4k 16k 64k 512k full; do
		echo "$name"
		store "$name"

		blkdiff --read-only --store "$name" after >delta

		records before <delta >list
		[ "$(grep -c unchecked list)" = 0 ]
		apply delta before
		cmp target after
		blkdiff before after | records before | cmp - list
	done
}

@test "whole chunks of each store do as well" {
	for name in 4k 16k 64k 512k full; do
		echo "$name"
		store "$name"

		blkdiff --store "$name" after >delta

		[ "$(records <delta | grep -c ' checked')" = 0 ]
		apply delta before
		cmp target after
	done
}

@test "of a snapshot that was written to its own writes are undone as well" {
	store written
	make_written

	blkdiff --store written after >delta

	apply delta snapshot
	cmp target after
}

# make_written: what that snapshot held at the end.
make_written() {
	local page

	cp before snapshot
	for page in 0 301 1000; do
		printf 'page 7 as it was after\n' | dd of=snapshot bs=4K seek=$page conv=notrunc,sync status=none
	done
}

@test "a store that has no chunk is no change" {
	store empty

	run -0 blkdiff -q --store empty after
}

@test "a store that overflowed is refused" {
	store overflowed
	grep -q '^overflowed .* snapshot Invalid$' "$files/cow-status"

	run -2 --separate-stderr blkdiff --store overflowed after

	[ -z "$output" ]
	[ "$stderr" = "blkdiff: overflowed: at byte 4: the snapshot is invalid, it overflowed or was dropped: its list is not whole (use blkdiff --map)" ]
}

@test "thin_delta, era_invalidate, nbdinfo and a store of the same chunks say the same" {
	store 64k
	blkdiff --list --store 64k after >expected

	for list in thin.xml thin-verbose.xml era.xml bitmap.txt; do
		echo "$list"
		blkdiff --list --era-block 64K --changes "$files/lists/tool-$list" after | diff expected -
	done
}

@test "what they list makes before into after" {
	for list in thin.xml thin-verbose.xml era.xml bitmap.txt; do
		echo "$list"
		blkdiff --era-block 64K --changes "$files/lists/tool-$list" after >delta

		apply delta before
		cmp target after
	done
}

@test "nbdinfo's map of what is allocated is refused" {
	run -2 --separate-stderr blkdiff --changes "$files/lists/tool-allocation.txt" after

	[ "$stderr" = "blkdiff: $files/lists/tool-allocation.txt: line 1: this map lists allocated ranges, not changes" ]
}
