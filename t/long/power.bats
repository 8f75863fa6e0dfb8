#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Losses of power that drop what was never flushed, on ext4 and btrfs: in the guest
# (t/lab/cases-power.bash) when blkwrite is done, and at twelve moments while it applies a delta with
# an undo log; and on both hosts at each step of a migration.

load ../helpers
load ../lab/network
load ../lab/libvirt
load ../lab/migrate

@test "after a loss of power there is what blkwrite said is written, and an undo log restores the base" {
	require_root "guests"
	require qemu-system-x86_64 busybox cpio modprobe lvm dmsetup mkfs.ext4 mkfs.btrfs
	make_image before.img 16M 1
	make_image after.img 16M 2
	truncate -s 384M first.img
	truncate -s 16M second.img

	run "$root/t/lab/guest" -u -d first.img -d second.img -d before.img -d after.img \
		"$root/t/lab/guest-lvm" power_matrix
	echo "$output"

	[ "$status" = 0 ]
	[[ $output == *'1..4'* ]]
}

# moves_with_losses SYSTEM
moves_with_losses() {
	lossy_media "$1"
	make_running web raw
	on old 'virsh -q autostart web && sync -f /etc/libvirt/qemu'

	migrate run web --to new --yes

	survives_losses
	moved web "$disk"
}

@test "what a step of a migration relies on survives a loss of power: libvirt's files on ext4" {
	moves_with_losses ext4
}

@test "what a step of a migration relies on survives a loss of power: libvirt's files on btrfs" {
	require mkfs.btrfs

	moves_with_losses btrfs
}
