#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What is in a cache is no evidence: a page whose write-back failed stays clean in the page cache,
# and reads as if it had been written.

load ../helpers

# cached FILE: how many bytes of it the page cache holds.
cached() {
	fincore -nb -o RES "$1" | tr -d ' '
}

@test "what could not be written is dropped from the cache, and the repair by map gives the right file" {
	require fincore
	full_medium
	make_noise image 12M
	blkread image >image.blk

	run -2 --separate-stderr blkwrite --create --verify "$mounted/copy" <image.blk

	[[ $stderr == *'/copy: '*'No space left on device ('*' is incomplete: '* ]]
	[ "$(cached "$mounted/copy")" = 0 ]

	make_room
	blksum --map "$mounted/copy" | blkdiff --map - image | blkwrite --verify -v "$mounted/copy" 2>said

	[[ $(<said) == *', verified' ]]
	cmp image <(on_medium "$mounted/copy")
	cmp image "$mounted/copy"
}

@test "a write that another program lost is found by map, by digest and by comparison" {
	full_medium
	make_noise image 12M
	blksum --map image >image.map
	lose_writes image "$mounted/copy"

	run -1 blksum -c image.map "$mounted/copy"
	run -1 blksum -c <<<"$(blksum -a md5 image | sed "s,image,$mounted/copy,")"
	run -1 blkdiff -q image "$mounted/copy"
	run -1 blkdiff -q "$mounted/copy" image
	run -1 blkdiff -q --map image.map "$mounted/copy"
	run -0 blksum --medium "$mounted/copy"
	[ "${output%% *}" != "$(blksum <image)" ]

	cmp image "$mounted/copy"	# the cache still says something else
}

@test "a delta repairs what another program's lost write has left, for readers of the cache too" {
	full_medium
	make_noise image 12M
	lose_writes image "$mounted/copy"

	blkdiff "$mounted/copy" image | blkwrite --verify -v "$mounted/copy" 2>said

	[[ $(<said) == *', verified' ]]
	cmp image <(on_medium "$mounted/copy")
	cmp image "$mounted/copy"
}

@test "pages that are wrong in the cache only are gone once a delta was applied" {
	full_medium
	make_noise image 12M
	cp image old
	dd if=/dev/zero of=image bs=1M seek=6 count=5 conv=notrunc status=none
	make_room
	blkread image | blkwrite --create "$mounted/copy"
	dd if=/dev/zero of="$folder/filler" bs=1M 2>dd.err || true
	# The medium of a file system that writes in place takes no more where it has holes.
	run dd if=old of="$mounted/copy" bs=1M conv=notrunc,fsync status=none
	[ "$status" = 1 ]
	make_room
	run -1 cmp -s image "$mounted/copy"

	blksum --map "$mounted/copy" | blkdiff --map - image | blkwrite "$mounted/copy"

	cmp image "$mounted/copy"
	cmp image <(on_medium "$mounted/copy")
}

@test "dirty pages of a file that is read as evidence are written, not lost" {
	make_noise image 4M
	cp image copy

	blksum --map copy >copy.map
	cmp image copy
	run -0 blksum -c copy.map image
}

@test "where there is no medium, one note says that only a cache was read" {
	mount_tmpfs 32M
	make_noise image 2M
	cp image "$folder/a"
	cp image "$folder/b"
	cd "$folder"
	note="a: only a cache was read, not the medium: its file system is in memory"
	blksum a b >sums

	run -0 --separate-stderr blksum -c sums
	[ "$stderr" = "blksum: a and 1 other file${note#a}" ]
	run -0 --separate-stderr blksum -c --status sums
	[ "$stderr" = "" ]
	blksum --map a 2>err >map
	[ "$(<err)" = "blksum: $note" ]
	run -0 --separate-stderr blksum --medium a
	[ "$stderr" = "blksum: $note" ]
	run -0 --separate-stderr blksum a b
	[ "$stderr" = "" ]
	run -0 --separate-stderr blkdiff --list a b
	[ "$stderr" = "blkdiff: a and 1 other file${note#a}" ]
	run -0 --separate-stderr blkdiff -q a b
	[ "$stderr" = "" ]

	blkread a >../a.blk
	run -0 --separate-stderr blkwrite --verify -v b <../a.blk
	[ "${stderr_lines[0]}" = "blkwrite: b${note#a}" ]
	[[ ${stderr_lines[1]} == *'/s, read back from a cache only, blk128:'* ]]
	[ ${#stderr_lines[@]} = 2 ]
	run -0 --separate-stderr blkwrite b <../a.blk
	[ "$stderr" = "" ]
}

@test "a file of FUSE is verified as far as its server tells" {
	make_noise image 2M
	truncate -s 2M disk
	attach_faulty disk
	losetup -d "$device"
	blkread image >image.blk

	run -0 --separate-stderr blkwrite --verify -v "$faulty" <image.blk

	[ "${stderr_lines[0]}" = "blkwrite: $faulty: the server of its file system was read, which may have a cache of its own" ]
	[[ ${stderr_lines[1]} == *'/s, read back from a server, blk128:'* ]]
	cmp image disk

	run -0 --separate-stderr blkwrite --verify -v --backing disk "$faulty" <image.blk
	[[ $stderr == *'/s, verified, blk128:'* ]]
	[ "${#stderr_lines[@]}" = 1 ]
	run -0 --separate-stderr blksum --medium --backing disk "$faulty"
	[ "$stderr" = "" ]
	run -2 --separate-stderr blkwrite --backing nothing "$faulty" <image.blk
	[ "$stderr" = "blkwrite: nothing: No such file or directory" ]
}

# on_loop: a loop device, $device, over a file of 12 MiB on a medium that is full.
on_loop() {
	full_medium
	truncate -s 12M "$mounted/backing"
	attach "$mounted/backing"
}

@test "what a file behind a loop device has lost is found, and repaired" {
	on_loop
	make_noise image 12M
	blkread image >image.blk

	run -2 --separate-stderr blkwrite --verify "$device" <image.blk
	[[ $stderr == *' is incomplete: '* ]]

	make_room
	blksum --map "$device" | blkdiff --map - image | blkwrite --verify -v "$device" 2>said

	[[ $(<said) == *', verified' ]]
	cmp image <(on_medium "$mounted/backing")
	cmp image "$device"
}

@test "what another program's write has lost behind a loop device is found by map, digest and comparison" {
	on_loop
	make_noise image 12M
	blksum --map image >image.map
	run -1 dd if=image of="$device" bs=1M oflag=direct conv=fsync status=none
	make_room
	cmp image <(on_medium "$device")

	run -1 blksum -c image.map "$device"
	run -1 cmp -s image <(on_medium "$device")
	run -0 blksum --medium "$device"
	[ "${output%% *}" != "$(blksum <image)" ]
	run -1 blkdiff -q image "$device"
}

@test "what is read back from a loop device is what its file's medium has" {
	require strace
	full_medium
	make_room
	make_noise image 12M
	truncate -s 12M "$mounted/disk"
	attach "$mounted/disk"
	blkread image >image.blk

	run -0 --separate-stderr strace -f -y -qq -e trace=fadvise64 -o trace blkwrite --verify -v "$device" <image.blk

	# Before the first write, before the rest is read back, and before the first MiB is.
	[ "$(grep -c "<$mounted/disk>, 0, 0, POSIX_FADV_DONTNEED) = 0" trace)" -ge 3 ]
	[[ $stderr == *', verified, '* ]]
	cmp image "$mounted/disk"
}
