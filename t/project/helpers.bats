#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The helpers break things in ways that the other tests rely on: these hold them to it.

load ../helpers

# extents FILE: where it has data, as "offset end".
extents() {
	python3 -c '
import os, sys
file, end = os.open(sys.argv[1], os.O_RDONLY), 0
while True:
    try:
        at = os.lseek(file, end, os.SEEK_DATA)
    except OSError:
        break
    end = os.lseek(file, at, os.SEEK_HOLE)
    print(at, end)' "$1"
}

@test "make_image makes the same bytes again, sparse and of the size asked" {
	make_image a 5M 7
	write_image b 5242880 7
	make_image c 5M 8

	cmp a b
	cmp <(extents a) <(extents b)
	run cmp -s a c
	[ "$status" = 1 ]
	[ "$(stat -c %s a)" = 5242880 ]
	[ "$(($(stat -c %b a) * 512))" -lt 5242880 ]
}

@test "an image that a test has changed is made as it was" {
	make_image a 1M
	make_noise b 1M
	cp a a.was
	cp b b.was
	patch_bytes a 0 ff
	patch_bytes b 0 ff

	make_image a 1M
	make_noise b 1M

	cmp a a.was
	cmp b b.was
}

@test "flip_bit changes one bit and changes it back" {
	make_image a 64K
	cp a b

	flip_bit b 100001

	[ "$(cmp -l a b | wc -l)" = 1 ]
	flip_bit b 100001
	cmp a b
}

@test "attach gives a device with the sector size asked, and it goes away" {
	attach 4M 4096

	[ "$(blockdev --getss "$device")" = 4096 ]
	[ "$(blockdev --getsize64 "$device")" = 4194304 ]
	was=$device
	test_end
	run -1 losetup "$was"
	dir=
}

@test "a device of which the file was removed goes away as well" {
	attach 4M
	rm "$backing"

	was=$device
	test_end
	run -1 losetup "$was"
	dir=
}

@test "break_after makes reads fail from there on" {
	attach 4M
	break_after 1M

	dd if="$device" of=/dev/null bs=64K count=16 iflag=direct status=none
	run -1 dd if="$device" of=/dev/null bs=64K skip=16 iflag=direct

	[[ $output == *"Input/output error"* ]]
}

@test "attach_faulty fails the read of one sector and no other" {
	make_image image 4M
	attach_faulty image read-error=1M

	run -1 dd if="$device" of=/dev/null bs=512 skip=2048 count=1 iflag=direct
	dd if="$device" of=/dev/null bs=512 skip=2047 count=1 iflag=direct status=none
	dd if="$device" bs=4096 skip=257 iflag=direct status=none | cmp -i 1052672:0 image -
}

@test "attach_faulty fails writes where it is told to" {
	truncate -s 4M image
	attach_faulty image write-error=1M

	run -1 dd if=/dev/zero of="$device" bs=512 seek=2048 count=1 oflag=direct
	dd if=/dev/zero of="$device" bs=512 seek=2049 count=1 oflag=direct status=none
}

@test "attach_faulty fails a flush" {
	truncate -s 4M image
	attach_faulty image flush-error

	run -1 dd if=/dev/zero of="$device" bs=4096 count=1 conv=fsync
}

@test "attach_faulty stalls until it is told to go on" {
	make_image image 4M
	attach_faulty image stall=1M
	touch stall
	background dd if="$device" of=/dev/null bs=4096 skip=256 count=1 iflag=direct status=none

	run -1 wait_for 1 gone "$pid"
	rm stall
	wait_for 10 gone "$pid"
}

@test "inject fails a system call of the program" {
	make_image image 1M

	run -1 inject "$dir/image" read error=EIO:when=2 dd if="$dir/image" of=/dev/null bs=64K

	[[ $output == *"Input/output error"* ]]
}

@test "qemu_lock holds what QEMU itself would hold" {
	require qemu-io
	truncate -s 1M image
	qemu_lock "$dir/image"

	run -1 qemu-io -f raw -c 'write 0 512' image

	[[ $output == *lock* ]]
}

@test "start_sshd is a host that runs commands and leaves no process behind" {
	start_sshd

	[ "$(ssh -F "$config" new 'echo "$PATH"')" = "$PATH" ]
	[ "$(ssh -F "$config" new 'exit 7' || echo $?)" = 7 ]
	was=$sshd
	test_end
	gone "$was"
	dir=
}

@test "sizes are those of numfmt, whoever works them out" {
	for size in 0 7 007 512 4K 4M 1G 3T 1.5M 1E; do
		[ "$(bytes "$size")" = "$(numfmt --from=iec "$size")" ]
	done

	for size in '' x K 4K4 4KK flush-error; do
		run ! bytes "$size"
	done
}

@test "a process is gone when it has ended, whether or not it was waited for" {
	sleep 60 3>&- &
	running=$!
	# Its child, which it never waits for, stays a zombie.
	perl -e 'if (!fork) { exit } sleep 60' 3>&- &
	parent=$!
	wait_for 10 pgrep -P "$parent" -r Z
	zombie=$(pgrep -P "$parent")

	run -1 gone "$running"
	run -1 gone "$zombie" "$running"
	gone "$zombie" 999999999
	kill "$running" "$parent"
	wait "$running" || true
	gone "$running" "$zombie"
}
