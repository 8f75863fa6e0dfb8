#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkassemble: a real Debian root, in partitions of their own, becomes a disk that boots.

load ../helpers

# boot DISK COMMAND-LINE: the serial console goes to the file "console".
boot() {
	background qemu-system-x86_64 -accel tcg,thread=multi -machine q35 -cpu max -smp 2 -m 768 \
		-nodefaults -nographic -no-reboot -serial stdio -kernel vmlinuz -initrd initrd -append "$2" \
		-drive "file=$1,if=none,format=raw,cache=unsafe,id=d0" -device virtio-blk-pci,drive=d0 >console 2>&1
}

# The kernel and its initrd are those of the guest's own /boot, given by the host, as Xen did; its
# minimal root has no init but the getty that the command line names.
@test "a Debian root in volumes of its own boots as a disk, to a login on the serial console" {
	require_root "disks"
	require sfdisk debootstrap debugfs qemu-system-x86_64
	real=$("$root/t/lab/make-disk" --small 3>&- 2>making) || { tail -n 20 making && false; }
	blkread --partition 2 "$real" | blkwrite --create root.img
	blkread --partition 3 "$real" | blkwrite --create swap.img
	uuid=$(blkid -p -s UUID -o value root.img)
	for name in vmlinuz initrd.img; do
		found=$(debugfs -R 'ls -p /boot' root.img 2>/dev/null | awk -F / -v name="$name-" 'index($6, name) == 1 { print $6; exit }')
		debugfs -R "dump /boot/$found ${name%.img}" root.img 2>/dev/null
	done

	"$root/scripts/blkassemble" --state "$dir/state" --table gpt --to disk.img root.img swap.img
	blkread -r --partition 1 disk.img | cmp - root.img
	boot disk.img "console=ttyS0 root=UUID=$uuid ro panic=-1 init=/sbin/agetty -- --noclear ttyS0 vt100"

	wait_for 600 grep -q 'login: ' console
}
