#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The disk that is both ends of a pipe, by whatever name: a forgotten "ssh HOST" does no harm.

load ../helpers

# harmless READER WRITER: the two shell commands, as a pipe, end with 2 and a line that says
# why, and the disk is as it was.
harmless() {
	run -2 --separate-stderr timeout 60 bash -c "$1 | $2"
	mapfile -t said < <(no_cache_note <<<"$stderr")
	[[ ${said[-1]} == blkwrite:\ *"(is an \"ssh HOST\" missing in the pipe?)"* ]]
	[ "${#said[@]}" = 1 ]
	cmp disk before
}

# A disk of 24 MiB, more than a pipe holds, and a copy of its contents.
make_disk() {
	make_noise disk 24M
	cp disk before
}

@test "a file is not written while it is read, by any of its names" {
	make_disk
	ln -s disk soft
	ln disk hard

	for name in disk soft hard "$dir/disk" ./hard; do
		harmless "blkread disk" "blkwrite $name"
	done
	harmless "blkread hard | blkmeter 2>/dev/null | blkzip | blkmeter 2>/dev/null" "blkwrite --verify disk"
	harmless "blkread disk" "blkwrite -j1 --zeroed --no-sync --create soft"
	harmless "blkread -r soft" "blkwrite -r hard"
	harmless "blkread -r disk | gzip -1 | gzip -d" "blkwrite -r -l 24M disk"
}

@test "a small file that was read completely before the writer looks is not written either" {
	make_noise disk 16K
	cp disk before

	harmless "blkread disk" "{ sleep 0.3; blkwrite disk; }"
}

@test "a device is not written while it, or the device below it, is read" {
	make_disk
	attach disk
	mknod node b 7 "${device#/dev/loop}"

	for name in "$device" "$dir/node"; do
		harmless "blkread $device" "blkwrite $name"
		harmless "blkread node" "blkwrite $name"
		harmless "blkread disk" "blkwrite $name"
	done
	harmless "blkread -r node" "blkwrite -r $device"
	harmless "blkread -r disk" "blkwrite -r node"
}

@test "parts of a disk: those that share bytes are refused, others are written" {
	make_disk
	attach disk
	whole=$device
	first=$(losetup -f --show -o 1M disk)
	at_end losetup -d "$first"
	second=$(losetup -f --show -o 10M --sizelimit 10M "$first")
	at_end losetup -d "$second"

	harmless "blkread $first" "blkwrite $whole"
	harmless "blkread $second" "blkwrite -o 20M $whole"
	harmless "blkread -o 11M -l 1M disk" "blkwrite $second"
	harmless "blkread -o 12M -l 2M $whole" "blkwrite -o 13M $whole"
	harmless "blkread -o 2M -l 2M $whole" "blkwrite -o 3M $whole"

	blkread -l 10M "$first" | blkwrite --verify "$second"
	blkread -o 20M "$whole" | blkwrite -o 0 "$whole"
	cp before expected
	dd if=before of=expected bs=1M skip=1 seek=11 count=10 conv=notrunc status=none
	dd if=expected of=expected bs=1M skip=20 count=4 conv=notrunc status=none
	cmp disk expected
	blkread -o 0 -l 8M expected | blkwrite -o 8M expected
	cmp -n 8M -i 0:8M expected expected
}

@test "a delta is not written to the disk that it was read from, but to its base" {
	make_disk
	cp disk base
	printf changed | dd of=disk seek=5000000 bs=1 conv=notrunc status=none
	cp disk before
	ln disk hard

	harmless "blkdiff base disk" "blkwrite hard"
	harmless "blksum --map base | blkdiff --map - disk" "blkwrite hard"
	harmless "echo 4096000 1048576 | blkdiff --changes - disk" "blkwrite disk"
	blkdiff base disk >delta
	harmless "cat delta" "blkwrite --undo log disk"
	harmless "true" "blkwrite disk <delta"
	[ ! -e log ]
	# Small, so that the comparison ends before its first NOTE, even on a busy machine.
	head -c 64K disk >small
	blkdiff small small >delta
	blkwrite small <delta
	blkdiff base disk | blkwrite --undo log base
	cmp disk base
	blkwrite base <log
	blksum --map base | blkdiff --map - disk | blkwrite --verify base
	cmp disk base
}

@test "a stream that was saved is restored to where it came from" {
	make_disk
	blkread disk >saved
	stale=$(printf '%01000d' 7)
	echo "$stale" | dd of=disk conv=notrunc status=none

	blkwrite --verify disk <saved
	cmp disk before
	harmless "cat saved" "blkwrite disk"
	blkread -r disk >saved
	blkwrite -r disk <saved
	cat saved | blkwrite -r disk
	cmp disk before
}

@test "--force writes to the disk that is read, and says what is lost by that" {
	make_noise disk 300K
	cp disk before

	for raw in "" -r; do
		run -0 --separate-stderr bash -c "blkread $raw disk | { sleep 0.5; blkwrite $raw --force disk; }"
		[ "$stderr" = "blkwrite: disk: written while it is in use, for --force says so: after a failure neither the old content nor the new is whole" ] || [ -n "$raw" ]
		cmp disk before
	done
}

@test "the target is locked while it is written, and a lock is respected" {
	make_image image 2M
	truncate -s 2M file
	attach file
	mkfifo pipe
	truncate -s 2M other

	for target in other "$device"; do
		background bash -c "blkwrite $target <pipe"
		exec 5>pipe
		head -c 200 <(blkread image) >&5
		wait_for 20 grep -q "FLOCK .* WRITE .*:$(stat -c %i "$target") " /proc/locks
		run -1 flock -n -s "$target" true
		exec 5>&-
		wait "$pid" || true

		blkread image >stream
		flock "$target" sleep 20 &
		at_end kill $!
		wait_for 20 grep -q "FLOCK .* WRITE .*:$(stat -c %i "$target") " /proc/locks
		run -2 --separate-stderr blkwrite "$target" <stream
		[ "$stderr" = "blkwrite: $target: in use: another program has locked it for writing; --force writes it anyway" ]
		run -0 --separate-stderr blkread "$target"
		[ "$stderr" = "blkread: $target: another program has locked it for writing: the copy may be torn" ]
		pkill -P $! sleep || kill $!
		wait $! || true
		flock "$target" bash -c "blkwrite '$target' <stream"
		flock --no-fork "$target" blkwrite "$target" <stream
		exec 7<>"$target"
		blkwrite "$target" <stream
		flock 7
		blkwrite "$target" <stream
		exec 7>&-
	done
}

@test "where there are no locks, reading and writing are as ever" {
	make_image image 2M
	truncate -s 2M target

	strace -qq -f -o /dev/null -e inject=flock:error=ENOLCK blkread image >stream
	run -0 --separate-stderr strace -qq -f -o /dev/null -e inject=flock:error=EOPNOTSUPP blkwrite target <stream
	[ -z "$stderr" ]
	cmp image target
}
