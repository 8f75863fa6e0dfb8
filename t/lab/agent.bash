# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A machine with a kernel, a filesystem and qemu-guest-agent: `load agent` after libvirt.
#
# It is started by its kernel and an initramfs, and its disk is an ext4: /log there gets a line
# twenty times a second, one number more in each, and is flushed.  Its agent shuts it down.

agent_needs=(qemu-ga busybox cpio modprobe mkfs.ext4 debugfs dumpe2fs)

# provide_kernel: $kernel and $initrd are there on both hosts.
provide_kernel() {
	local host folder

	folder=$("$root/t/lab/kernel")
	[ -e "$lab/agent.gz" ] || make_initramfs "$folder" "$lab/agent.gz"
	for host in old new; do
		cp "$lab/agent.gz" "$folder"/boot/vmlinuz-* "$lab/$host/images"
	done
	kernel=/var/lib/libvirt/images/$(basename "$folder"/boot/vmlinuz-*)
	initrd=/var/lib/libvirt/images/agent.gz
}

# make_agent_vm HOST NAME: it is off; $disk is a qcow2 file of 64 MiB.
make_agent_vm() {
	provide_kernel
	truncate -s 64M ext4.img
	mkfs.ext4 -q ext4.img
	qemu-img convert -f raw -O qcow2 ext4.img "$lab/$1/images/$2.qcow2"
	disk=/var/lib/libvirt/images/$2.qcow2
	define "$1" "$2" "qcow2:$disk"
	redefine_for_agent "$1" "<kernel>$kernel</kernel><initrd>$initrd</initrd><cmdline>console=ttyS0 quiet panic=-1</cmdline>"
}

# redefine_for_agent HOST [BOOT]: what was defined last gets the memory that a kernel needs, and a
# channel to an agent.
redefine_for_agent() {
	sed -i "s,<memory unit='MiB'>32<,<memory unit='MiB'>192<,
		s,</os>,${2:-}</os>,
		s,</devices>,<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel></devices>," "$xml"
	on "$1" 'cat >/tmp/define.xml && virsh -q define /tmp/define.xml' <"$xml"
}

# agent_answers HOST NAME: it is up.
agent_answers() {
	on "$1" "virsh -q domtime $2"
}

# log_of FILE: the numbers on a raw disk that nobody uses.
log_of() {
	debugfs -R 'cat /log' "$1" 2>/dev/null
}

# is_clean FILE: a filesystem that was written out, as by a freeze or an unmount; one that is
# copied in the middle of its life has a journal to be recovered.
is_clean() {
	! dumpe2fs -h "$1" 2>/dev/null | grep '^Filesystem features:.* needs_recovery'
}

# make_initramfs KERNEL FILE: with that kernel's modules, in the order in which they load.
make_initramfs() (
	local number=10 path

	cd "$(mktemp -d "$dir/initramfs.XXXXXX")"
	mkdir -p bin sbin modules proc sys dev data run
	cp "$(command -v busybox)" bin/busybox
	for path in sh mount umount insmod sleep sync tail poweroff; do
		ln -s busybox "bin/$path"
	done
	for path in $(command -v qemu-ga) $(ldd "$(command -v qemu-ga)" | grep -o '/[^ ]*'); do
		mkdir -p ".$(dirname "$path")"
		cp -L "$path" ".$path"
	done
	for path in virtio_pci virtio_blk virtio_console ext4; do
		modprobe -d "$1" -S "$(basename "$1"/lib/modules/*)" --show-depends "$path"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >modules.list
	while read -r path; do
		case $path in
		*.xz) xz -dc "$path" ;;
		*) cat "$path" ;;
		esac >"modules/$((number++)).ko"
	done <modules.list
	cat >init <<-'EOI'
		#!/bin/sh
		mount -t proc none /proc
		mount -t sysfs none /sys
		mount -t devtmpfs none /dev
		for module in /modules/*; do
			insmod $module
		done
		mount -t ext4 /dev/vda /data
		qemu-ga -d -m virtio-serial -p /dev/vport*p1 -t /run -f /run/agent.pid
		number=$(tail -n 1 /data/log)
		while :; do
			number=$((number + 1))
			echo $number >>/data/log
			sync
			sleep 0.05
		done
	EOI
	cat >sbin/shutdown <<-'EOI'
		#!/bin/sh
		until umount /data; do
			sleep 0.1
		done
		poweroff -f
	EOI
	chmod +x init sbin/shutdown
	find . | cpio -o -H newc --quiet | gzip -1 >"$2"
)

start_agent_vm() {
	make_agent_vm old web
	on old 'virsh -q start web'
	wait_for 120 agent_answers old web
	wait_for 30 is_counting old web 10
}
