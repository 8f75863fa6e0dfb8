#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A real disk, made by make-disk: its partition table, its filesystems and every byte arrive.

load ../helpers

# Filesystems are checked through loop devices over the copy's partitions.
partition() {
	sfdisk --json "$1" | jq -r ".partitiontable.partitions[] | select(.name == \"$2\") |
		\"\(.start * 512) \(.size * 512)\""
}

attach_partition() {
	local start length

	read -r start length < <(partition "$1" "$2")
	device=$(losetup --find --show --read-only --offset "$start" --sizelimit "$length" "$1")
	at_end detach "$device" "$(realpath "$1")"
}

@test "a real disk crosses by ssh, is verified, and its filesystems are whole" {
	require_root "disks"
	require sfdisk jq debootstrap xfs_repair e2fsck
	disk=$("$root/t/lab/make-disk" --small 3>&- 2>making) || { tail -n 20 making && false; }
	start_sshd

	run -0 --separate-stderr eval "set -o pipefail; blkread '$disk' | blkmeter -q | blkzip |
		ssh -F '$config' new blkwrite --create --verify -v '$dir/target'"

	[ "$(md5sum <"$disk")" = "$(md5sum <target)" ]
	[[ $stderr == *"$(blksum "$disk" | cut -d ' ' -f 1)" ]]
	[ "$(blksum <target)" = "$(blksum <"$disk")" ]
	[ "$(sfdisk --dump "$disk" | tail -n +6 | sed "s,$disk,,")" = \
		"$(sfdisk --dump target | tail -n +6 | sed "s,target,,")" ]
	attach_partition target root
	e2fsck -fn "$device"
	attach_partition target data
	xfs_repair -n "$device"
}

# open_for_writing PID FILE: the process has a file open for writing whose name ends so.
open_for_writing() {
	find "/proc/$1/fd" -lname "*/$2" -perm -u=w | grep -q .
}

# A QEMU of libvirt has a /dev of its own; its lock is on that node, and no other shows it.
@test "a device is not written while a QEMU has it by a node of its own" {
	require_root "disks"
	require qemu-system-x86_64
	make_image image 3M
	blkread image >stream
	attach 4M
	mkdir dev
	# shellcheck disable=SC2016 # for the other shell
	background unshare --mount bash -c '
		mount -t tmpfs none dev
		mknod dev/disk b $((0x$(stat -c %t "$1"))) $((0x$(stat -c %T "$1")))
		exec qemu-system-x86_64 -accel tcg -S -display none -nodefaults -monitor none -serial none \
			-drive file=dev/disk,format=raw,if=virtio' qemu "$device"
	wait_for 60 open_for_writing "$pid" dev/disk

	run -2 --separate-stderr blkwrite "$device" <stream
	[ "$stderr" = "blkwrite: $device: in use: qemu-system-x86_64 (process $pid) holds it open for writing; --force writes it anyway" ]
	is_zero "$backing" 0 4194304
	run -0 --separate-stderr blkread "$device"
	[ "$stderr" = "blkread: $device: qemu-system-x86_64 (process $pid) holds it open for writing: the copy may be torn (read a snapshot; --live if it is meant)" ]
	stop "$pid"
	blkwrite "$device" <stream 2>/dev/null
	cmp -n 3145728 "$device" image
}
