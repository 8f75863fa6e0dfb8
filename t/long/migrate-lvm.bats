#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A virtual machine whose volume is in a group that both hosts reach.

load ../helpers
load ../lab/network
load ../lab/libvirt
load ../lab/migrate
load ../lab/in-guest

@test "a volume that both hosts have is not copied, is handed back, and is never removed" {
	in_guest volume_is_shared
}

volume_is_shared() {
	make_vm old web lvm
	on new 'sed -i.mine "s,filter = .*,filter = [ \"a|.*|\" ]," /etc/lvm/lvm.conf'
	on old 'virsh -q start web'
	wait_for 60 is_counting old web 10
	shim new virsh '[[ " $* " != *" start "* ]] || exit 1'

	run migrate run web --to new --yes -v
	echo "$output"
	[ "$status" = 4 ]

	[[ $output == *'shared by both hosts: it stays where it is'* ]]
	[[ $output == *'old# lvchange -q -q -an vg/web'*'new# lvchange -q -q -ay vg/web'* ]]
	[[ $output == *'new# lvchange -q -q -an vg/web'*'old# lvchange -q -q -ay vg/web'* ]]
	[[ $output != *blkwrite* ]]
	stays web "$disk"
	rm "$lab"/new/shims/*
	count old "$disk"
	before=$count

	run migrate run web --to new --yes
	echo "$output"
	[ "$status" = 0 ]

	is_state old web 'shut off'
	wait_for 60 is_counting new web 10
	shut_down new web
	count new "$disk"
	[ "$started" -ge "$before" ]
	on old 'echo web | blkmigrate purge web'
	[ "$(on new 'lvs --noheadings -o lv_name,lv_tags vg' | tr -d ' ')" = web ]
	on new 'mv /etc/lvm/lvm.conf.mine /etc/lvm/lvm.conf'
}

@test "swap recreated on a volume holds nothing that another volume left there" {
	in_guest swap_is_empty
}

swap_is_empty() {
	make_vm old web lvm
	on old "lvcreate -q -y -Wn -Zn -L 4M -n 'swap' vg && mkswap -L 'web swap' /dev/vg/swap"
	define old web "block:$disk" block:/dev/vg/swap
	make_noise noise 64M
	on new 'lvcreate -q -y -Wn -Zn -L 64M -n before far && dd of=/dev/far/before bs=1M oflag=direct iflag=fullblock status=none &&
		lvremove -q -q -y far/before' <noise

	run migrate prepare web --to new --yes --vg far --recreate-swap vdb
	echo "$output"
	[ "$status" = 0 ]

	tags="blkid -p -o export"
	[ "$(on old "$tags /dev/vg/swap" | sed 1d)" = "$(on new "$tags /dev/far/swap" | sed 1d)" ]
	on new 'dd if=/dev/far/swap iflag=direct bs=1M skip=1 status=none' | cmp -n 3145728 - /dev/zero
	on old 'cmp -n 16777216 /dev/vg/web -' <disk.img
	on old 'echo web | blkmigrate purge web'
	[ "$(on old 'lvs --noheadings -o lv_name vg' | xargs)" = 'swap web' ]
	[ -z "$(on new 'lvs --noheadings far')" ]
}
