#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkassemble: partitions in files and volumes become one disk, and come out of it by their number.

load ../helpers

assemble() {
	"$root/scripts/blkassemble" --state "$dir/state" "$@"
}

# three_parts: a root, swap with its UUID and label, and a home.
three_parts() {
	require sfdisk mke2fs mkswap blkid
	truncate -s 8M root.img home.img
	mke2fs -q -t ext4 -L root root.img
	mke2fs -q -t ext4 -L home home.img
	truncate -s 3M swap.img
	mkswap -q -L page -U 6f1c7d1e-2c39-4a56-9a0e-1f7f8c1a2b3c swap.img >/dev/null
}

@test "three partitions become a disk, with either table, and come out by their number" {
	three_parts

	for table in gpt mbr; do
		run -0 --separate-stderr assemble --table "$table" --to disk.img root.img swap.img home.img

		blkread -r --partition 1 disk.img | cmp - root.img
		blkread -r --partition 3 disk.img | cmp - home.img
		blkread -r --partition 2 disk.img >swap.out
		[ "$(blkid -p -s UUID -o value swap.out)" = 6f1c7d1e-2c39-4a56-9a0e-1f7f8c1a2b3c ]
		[ "$(blkid -p -s LABEL -o value swap.out)" = page ]
		sfdisk --json disk.img >"$table.json"
		rm disk.img
	done
	[ "$(jq -c '[.partitiontable.partitions[] | [.start, .size]]' mbr.json)" = '[[2048,16384],[18432,6144],[24576,16384]]' ]
	[ "$(jq -c '[.partitiontable.partitions[] | .bootable]' mbr.json)" = '[true,null,null]' ]
	[ "$(jq -c '[.partitiontable.partitions[] | [.start, .size]]' gpt.json)" = '[[4096,16384],[20480,6144],[26624,16384],[2048,2048]]' ]
	[ "$(jq -r '.partitiontable.partitions[3].type' gpt.json)" = 21686148-6449-6E6F-744E-656564454649 ]
}

@test "the plan names bytes, and makes nothing" {
	three_parts

	run -0 --separate-stderr assemble --plan --table mbr --to disk.img root.img,size=16M,boot swap.img

	[ "$stderr" = "$PWD/disk.img: 22020096 bytes, table mbr
  -  bytes 512 to 1048575  room for GRUB
  1  bytes 1048576 to 17825791  root.img (linux, boot)
  2  bytes 17825792 to 20971519  swap.img (swap)" ]
	[ ! -e disk.img ]
}

@test "a disk that holds something, is in use or too small is refused, and left as it is" {
	three_parts
	cp home.img target.img

	run -2 --separate-stderr assemble --table gpt --to target.img root.img
	[ "${stderr_lines[-1]}" = "blkassemble: $PWD/target.img holds something (ext4): --force overwrites it" ]
	cmp home.img target.img

	truncate -s 32M empty.img
	attach empty.img
	run -2 --separate-stderr assemble --table gpt --to empty.img root.img
	[[ $stderr == *"empty.img is left as it is" ]]
	is_zero empty.img 0 33554432
	detach "$device" "$backing"
	attach 4M
	run -2 --separate-stderr assemble --table gpt --to "$device" root.img
	[ "${stderr_lines[-1]}" = "blkassemble: $device has 4194304 bytes, and the disk needs 11534336" ]

	assemble --force --table gpt --to target.img root.img
	blkread -r --partition 1 target.img | cmp - root.img
}

@test "a run that breaks off leaves no table, and the same command does it again" {
	three_parts
	mkdir path
	printf '#!/bin/sh\n[ "$1" != home.img ] || { echo gone >&2; exit 2; }\nexec %s "$@"\n' "$(command -v blkread)" >path/blkread
	chmod +x path/blkread

	PATH=$PWD/path:$PATH run -2 --separate-stderr assemble --table gpt --to disk.img root.img home.img
	[ "${stderr_lines[-1]}" = "blkassemble: home.img is not on $PWD/disk.img, which has no table yet: the same command goes on" ]
	run -2 --separate-stderr blkread -r --partition 1 disk.img

	run -0 --separate-stderr assemble --table gpt --to disk.img root.img home.img
	[ "${stderr_lines[4]}" = "$PWD/disk.img was begun before: going on with it" ]
	blkread -r --partition 2 disk.img | cmp - home.img
}

# stopped_at PROGRAM: a run that stops in it, on standard input, until the pipe "gate" is written to; its
# process is $driver.
stopped_at() {
	mkdir -p path
	mkfifo -m 600 gate
	printf '#!/bin/bash\ntouch %q\nread -r _ <%q\nexec %q "$@"\n' "$PWD/stopped" "$PWD/gate" "$(command -v "$1")" >"path/$1"
	chmod +x "path/$1"
	PATH=$PWD/path:$PATH "$root/scripts/blkassemble" --state "$dir/state" --table gpt --to disk.img root.img home.img >said 2>&1 </dev/null &
	driver=$!
	at_end kill -KILL $driver
	wait_for 20 test -e stopped
	rm -r path
}

@test "a run that was killed, also in the table, goes on; what has changed since is sent" {
	three_parts
	stopped_at sfdisk
	kill -KILL "$driver"
	echo go >gate

	run -2 --separate-stderr assemble --table mbr --to disk.img root.img home.img
	[[ $stderr == *"disk.img was begun as another disk, of "*"root.img "*"with table gpt, and is not whole: that command goes on, --force begins this one" ]]
	printf changed | dd of=home.img bs=1 seek=5000000 conv=notrunc status=none
	run -0 --separate-stderr assemble --table gpt --to disk.img root.img home.img
	[[ $stderr == *"disk.img was begun before: going on with it"* ]]
	blkread -r --partition 1 disk.img | cmp - root.img
	blkread -r --partition 2 disk.img | cmp - home.img
	sfdisk --verify disk.img
	run -2 --separate-stderr assemble --table gpt --to disk.img root.img home.img
	[[ $stderr == *"disk.img holds something (gpt): --force overwrites it" ]]
}

@test "two at once on one disk, by another name too: the second is refused" {
	three_parts
	mkdir -p path.flock
	printf '#!/bin/bash\nexec %q "${@/#25/1}"\n' "$(command -v flock)" >path.flock/flock
	chmod +x path.flock/flock
	stopped_at blkread
	ln -s disk.img link.img

	PATH=$PWD/path.flock:$PATH run -2 --separate-stderr assemble --table gpt --to link.img root.img home.img
	[[ $stderr == *"blkassemble: another blkassemble is at work on this, on this host: "*", process $driver, since "* ]]
	echo go >gate
	wait_for 60 grep -q 'is whole' said || { echo go >gate && wait_for 60 grep -q 'is whole' said; }
	blkread -r --partition 1 disk.img | cmp - root.img
}

@test "a device of 4096-byte sectors gets its partitions at the same bytes" {
	three_parts
	attach 64M 4096

	assemble --table gpt --to "$device" root.img swap.img

	blkread -r --partition 1 "$device" | cmp - root.img
	tail -c +2097153 "$backing" | head -c 8388608 | cmp - root.img
}

@test "a part that does not fit its size, and a fifth one in an MBR, are refused" {
	three_parts

	run -2 --separate-stderr assemble --table mbr --to disk.img root.img,size=4M
	[ "$stderr" = "blkassemble: root.img has 8388608 bytes, more than size=4194304: shrink its file system first" ]
	run -2 --separate-stderr assemble --table mbr --to disk.img root.img home.img swap.img root.img home.img
	[ "$stderr" = "blkassemble: an MBR has four partitions, and one of these is number 5: --table gpt" ]
	[ ! -e disk.img ]
}

@test "the disk is made on another host, too, whatever it is called" {
	three_parts
	start_sshd
	truncate -s 32M "new disk's.img"

	run -0 --separate-stderr assemble --ssh-option "-F$config" --table gpt --to "new:$PWD/new disk's.img" root.img swap.img
	[ "${stderr_lines[-1]}" = "new:$PWD/new disk's.img is whole: 2 partitions, table gpt" ]
	blkread -r --partition 1 "new disk's.img" | cmp - root.img

	run -2 --separate-stderr assemble --ssh-option "-F$config" --table gpt --to "new:$PWD/new disk's.img" root.img
	[ "${stderr_lines[-1]}" = "blkassemble: new:$PWD/new disk's.img holds something (gpt): --force overwrites it" ]
}

@test "a host without a program is told which one" {
	three_parts

	PATH=/usr/sbin:/usr/bin:/sbin:/bin run -2 --separate-stderr "$root/scripts/blkassemble" --state "$dir/state" --table gpt --to disk.img root.img

	[ "${stderr_lines[-1]}" = "blkassemble: this host has no blkwrite: install it there" ]
	[ ! -e disk.img ]
}

@test "sfdisk says nothing of what it finds in the partitions" {
	three_parts

	run -0 --separate-stderr assemble --table gpt --to disk.img root.img

	[ "$stderr" = "$PWD/disk.img: 11534336 bytes, table gpt
  2  bytes 1048576 to 2097151  room for GRUB (BIOS boot)
  1  bytes 2097152 to 10485759  root.img (linux, boot)
$PWD/disk.img is whole: 1 partitions, table gpt" ]
}

@test "a part that lies on the disk itself is refused, with --force too, and nothing is removed" {
	require sfdisk partx lsblk
	make_image parted.img 8M
	sfdisk -q --label gpt parted.img <<<'start=2MiB, size=4MiB'
	cp parted.img before.img
	attach ./parted.img
	add_partitions "$device"

	run -2 --separate-stderr assemble --force --table gpt --to "$device" "${device}p1"
	[[ $stderr == *"blkassemble: ${device}p1 lies on $device, which would be overwritten: copy it elsewhere first" ]]
	run -2 --separate-stderr assemble --force --table gpt --to ./parted.img parted.img
	[[ $stderr == *"blkassemble: parted.img is the disk itself" ]]
	cmp before.img parted.img
}
