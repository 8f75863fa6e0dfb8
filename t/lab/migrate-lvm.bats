#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A virtual machine on LVM moves while it writes all the time: both hosts, with libvirt and a
# volume group each, are in the lab's guest, whose kernel has what that takes.

load ../helpers
load network
load libvirt
load migrate
load in-guest

@test "a machine on two volumes moves by snapshots of one moment, and only the last changes wait" {
	in_guest moves_by_snapshots
}

# What stands still here for the snapshots is all of the machine; that a guest's agent has its file
# systems do that is in quiesce.bats.  /tmp/moment gets the last count on each snapshot.
stand_still() {
	shim old virsh 'case " $* " in
		*" domtime "*) exit ;;
		*" domfsfreeze "*) "$tool" -q suspend web && echo "Froze 1 filesystem(s)"; exit ;;
		*" domfsthaw "*)
			for snapshot in /dev/vg/web-blkmigrate-1 /dev/vg/data-blkmigrate-1; do
				dd if="$snapshot" bs=512 skip=64 count=1 iflag=direct status=none | od -A n -t u4 -N 4
			done >>/tmp/moment
			"$tool" -q resume web && echo "Thawed 1 filesystem(s)"
			exit
			;;
		esac'
}

moves_by_snapshots() {
	watch_machines
	make_vm old web lvm
	on old 'lvcreate -q -y -Wn -Zn -L 8M -n data vg'
	define old web block:/dev/vg/web block:/dev/vg/data
	stand_still
	freeze_for_long
	on old 'virsh -q start web'
	wait_for 60 is_counting old web 10

	run migrate run web --to new --yes --vg far --quiesce -v --passes 1
	echo "$output"
	[ "$status" = 0 ]

	[[ $output == *domfsfreeze*'-n web-blkmigrate-1 '*'-n data-blkmigrate-1 '*domfsthaw* ]]
	[[ $output == *'blkread -v /dev/vg/web-blkmigrate-1 | '* ]]
	[[ $output == *'blkdiff --snapshot /dev/vg/web-blkmigrate-'* ]]
	[[ $output =~ 'it was down for '[0-9.]+' seconds' ]]
	read -r -d '' first second _ < <(on old 'cat /tmp/moment') || true
	echo "the first snapshots say $first and $second"
	[ "$second" -ge 10 ]
	[ "$second" -le "$first" ]
	[ "$second" -ge $((first - 1)) ]
	moved web "$disk" /dev/far/web
	never_both
	[ -z "$(on old 'lvs --noheadings -S lv_name=~blkmigrate vg')" ]
	[ -z "$(on new 'lvs --noheadings -o lv_tags far/web' | tr -d ' ')" ]
}
