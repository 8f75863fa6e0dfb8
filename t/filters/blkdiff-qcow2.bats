#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkdiff --changes with a persistent bitmap of QEMU's, in a qcow2 file that qemu-nbd serves.

load ../helpers
load delta
load ../world

needs=(qemu-img qemu-io qemu-nbd nbdinfo nbdfuse)

# make_qcow2 FILE: a disk of 24 MiB, with its bytes in before and after, and in between a bitmap,
# pass.  Of the changes since then, 3 to 4 MiB and 18 to 19 MiB are holes.
make_qcow2() {
	qemu-img create -q -f qcow2 "$1" 24M
	qemu-io -c 'write -q -P 1 0 8M' -c 'write -q -P 2 16M 4M' "$1"
	qemu-img convert -O raw "$1" before
	qemu-img bitmap --add "$1" pass
	qemu-io -c 'write -q -P 3 1M 64k' -c 'write -q -P 4 17M 100k' -c 'write -q -z 3M 1M' \
		-c 'discard -q 18M 1M' -c 'write -q -P 5 25161728 4k' "$1"
	qemu-img convert -O raw "$1" after
}

# serve FILE [OPTION ...]: at $uri until the test ends.
serve() {
	background qemu-nbd -t -e 0 -f qcow2 -k "$dir/sock" "${@:2}" "$1"
	wait_for 10 test -S sock
	uri="nbd+unix:///?socket=$dir/sock"
}

# mount_raw: the disk that is served, as the file raw.
mount_raw() {
	[ -e /dev/fuse ] || skip "needs /dev/fuse"
	touch raw
	background nbdfuse -r raw "$uri"
	at_end umount "$dir/raw"
	wait_for 10 test -s raw
}

# manual_block PATTERN: the only block of commands of the manual that has it.
manual_block() {
	awk -v pattern="$1" '
		/^\.Bd/ || /^\.Ed/ { if (index(block, pattern)) { printf "%s", block; n++ } block = ""; next }
		sub(/^# /, "") || block != "" { gsub(/\\e/, "\\"); block = block $0 "\n" }
		END { exit n != 1 }' "$root/filters/blkdiff.1"
}

@test "the manual's commands send the changes in a qcow2" {
	require "${needs[@]}"
	[ -e /dev/fuse ] || skip "needs /dev/fuse"
	start_world
	make_qcow2 old/web.qcow2
	dd if=before of=new.img bs=1M conv=notrunc status=none
	manual_block qemu:dirty-bitmap >commands

	on old "mount -t tmpfs none /run && . $dir/commands && wait" 3>&-

	cmp after new.img
	[ "$(blkdiff --list --changes old/web.list after | tail -1 | cut -d ' ' -f 4)" = 2359296 ]
}

@test "a dirty hole is sent as zeros, never left out" {
	require "${needs[@]}"
	make_qcow2 disk
	serve disk -r -B pass
	mount_raw
	nbdinfo --map=qemu:dirty-bitmap:pass "$uri" >list
	nbdinfo --map=base:allocation "$uri" >allocation

	blkdiff --changes list raw >delta

	for range in "3145728 1048576" "18874368 1048576"; do
		grep -qE "^ *${range/ / +} +1 +dirty" list
		grep -qE "^ *${range/ / +} +3 +hole,zero" allocation
		records <delta | grep -qx "ZERO $range unchecked"
	done
	apply delta before
	cmp target after
}

@test "the file is refused while the server's disk is not there yet" {
	require "${needs[@]}"
	make_qcow2 disk
	serve disk -r -B pass
	nbdinfo --map=qemu:dirty-bitmap:pass "$uri" >list
	touch raw

	run -2 --separate-stderr blkdiff --changes list raw

	[ -z "$output" ]
	[ "$stderr" = "blkdiff: list: the map goes on to byte 25165824 of a device of 0: it is of another one" ]
}

@test "a bitmap that was in use when QEMU was killed, or a missing one, gives no list" {
	require "${needs[@]}"
	make_qcow2 disk
	serve disk
	nbdinfo --map=qemu:dirty-bitmap:pass "$uri" >list || true
	kill -KILL "$pid"
	wait "$pid" || true

	run -2 --separate-stderr blkdiff --changes list after
	[ "$stderr" = "blkdiff: list: empty: no list came" ]
	run -1 qemu-nbd -r -t -f qcow2 -B pass -k "$dir/sock" disk
	[[ $output == *"'pass' is inconsistent"* ]]
}

@test "a map of allocated blocks instead of a bitmap is refused" {
	require "${needs[@]}"
	make_qcow2 disk
	serve disk -r

	nbdinfo --map "$uri" >list
	run -2 --separate-stderr blkdiff --changes list after

	[ "$stderr" = "blkdiff: list: line 1: this map lists allocated ranges, not changes" ]
}
