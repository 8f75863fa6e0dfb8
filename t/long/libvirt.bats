#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The two hosts with libvirt behave as the tests of blkmigrate assume.

load ../helpers
load ../lab/network
load ../lab/libvirt

# counts_on KIND: a machine on such a disk counts, and after a shutdown resumes where it stopped.
counts_on() {
	local before

	make_vm old web "$1"
	on old 'virsh -q start web'
	wait_for 30 is_counting old web 20
	shut_down old web
	count old "$disk"
	before=$count
	[ "$before" -ge 20 ]

	on old 'virsh -q start web'

	wait_for 30 is_counting old web 20
	shut_down old web
	count old "$disk"
	[ "$started" = "$before" ]
	[ "$count" -ge $((before + 20)) ]
}

@test "a machine on a raw file counts, and after a shutdown resumes where it stopped" {
	counts_on raw
}

@test "a machine on a qcow2 file counts, and after a shutdown resumes where it stopped" {
	counts_on qcow2
}

@test "a machine on a block device counts, and after a shutdown resumes where it stopped" {
	counts_on block
}

@test "the count of a raw disk is read while the machine runs" {
	make_vm old web
	on old 'virsh -q start web'

	wait_for 30 counts_to old "$disk" 20
}

@test "a second disk holds the count of the first" {
	make_vm old web
	truncate -s 8M "$lab/old/images/data.img"
	define old web "raw:$disk" raw:/var/lib/libvirt/images/data.img
	on old 'virsh -q start web'
	wait_for 30 counts_to old "$disk" 20
	shut_down old web

	count old "$disk"

	[ "$(od -A n -t u4 -j 32768 -N 4 "$lab/old/images/data.img")" -eq "$count" ]
}

@test "a disk that lost one write is detected, and so is a torn sector" {
	make_vm old web
	on old 'virsh -q start web'
	wait_for 30 counts_to old "$disk" 20
	shut_down old web
	count old "$disk"
	cp "$lab/old/images/web.img" whole.img

	patch_bytes "$lab/old/images/web.img" $(((128 + 10 * 8) * 512)) "$(printf '09000000%.0s' {1..128})"
	run ! count old "$disk"
	[[ $output == *"the slot of 10 says 9"* ]]
	cp whole.img "$lab/old/images/web.img"
	patch_bytes "$lab/old/images/web.img" $((64 * 512)) 00000000

	run ! count old "$disk"
	[[ $output == *"sector 64 is torn"* ]]
}

@test "a deaf machine keeps running when it is told to shut down" {
	make_vm old web
	make_deaf old "$disk"
	on old 'virsh -q start web'
	wait_for 30 counts_to old "$disk" 5

	on old 'virsh -q shutdown web'
	sleep 1
	count old "$disk"

	wait_for 30 counts_to old "$disk" $((count + 10))
	is_state old web running
}

@test "no name of a machine is too odd for the lab" {
	local name=$'-a \'b\' "c" $(d) & <e>, \xc3\xa9'

	make_vm old "$name"
	on old "virsh -q start -- $(printf %q "$name")"

	wait_for 30 counts_to old "$disk" 5
	shut_down old "$name"
}

@test "each host reaches the other by ssh, by its name, and no other host's key will do" {
	[ "$(on old 'ssh new hostname')" = new ]
	[ "$(on new 'ssh old hostname')" = old ]

	on old 'sed -i "s/^new /other /; s/^old /new /" ~/.ssh/known_hosts'
	run -255 on old 'ssh new hostname'
	on old 'sed -i "s/^new /old /; s/^other /new /" ~/.ssh/known_hosts'

	[[ $output == *"Host key verification failed."* ]]
}

@test "ssh ends when the cable is pulled" {
	dir=$lab at new ip link set cable down

	run -255 timeout 30 bash -c "$(declare -f on host_path); lab=$lab root=$root; on old 'ssh new true'"
	dir=$lab at new ip link set cable up

	wait_for 10 on old 'ssh new true'
}

@test "the programs under test are found on both hosts, also over ssh" {
	[ "$(on old 'command -v blkwrite')" = "$BIN/blkwrite" ]
	[ "$(on old 'ssh new command -v blkwrite')" = "$BIN/blkwrite" ]
}

@test "neither the other host nor this machine sees what a host writes" {
	local folder

	for folder in /etc /var/lib /var/tmp /srv /run /tmp /dev; do
		on old "touch $folder/blk-lab-only"
		run ! on new "ls $folder/blk-lab-only"
		[ ! -e "$folder/blk-lab-only" ]
	done
}

@test "the hosts have different identities, and neither finds /dev/kvm" {
	local what

	for what in hostname 'cat /etc/machine-id' 'virsh capabilities | grep -m 1 "<uuid>"'; do
		[ -n "$(on old "$what")" ]
		[ "$(on old "$what")" != "$(on new "$what")" ]
	done
	run ! on old 'ls /dev/kvm'
	run ! on new 'ls /dev/kvm'
}

@test "a host that loses power comes up again with its disks and definitions, and nothing else" {
	make_vm new web
	on new 'virsh -q start web && touch /run/gone /var/lib/kept'
	wait_for 30 counts_to new "$disk" 20

	lose_power new
	start_host new

	wait_for 30 is_state new web 'shut off'
	on new 'test -e /var/lib/kept && test ! -e /run/gone && rm /var/lib/kept'
	counts_to new "$disk" 20
	wait_for 10 on old 'ssh new true'
}

@test "a shim replaces a tool, on one host only, also over ssh" {
	shim new virsh 'case $1 in define) echo "no, $2" >&2; exit 7 ;; esac'

	run -7 on old 'ssh new virsh define x.xml'
	[ "$output" = "no, x.xml" ]
	on old 'ssh new virsh -q list'
	run -1 on old 'virsh define x.xml'
	[[ $output == *"No such file"* ]]
}

@test "wipe_hosts leaves nothing of a test behind" {
	make_vm old web qcow2
	on old 'virsh -q start web && virsh -q autostart web && mkdir -p /var/lib/blkmigrate/x'
	shim old virsh 'exit 7'

	wipe_hosts

	[ -z "$(on old 'virsh -q list --all')" ]
	[ -z "$(on old 'ls /var/lib/libvirt/images; ls /etc/libvirt/qemu/autostart; ls -d /var/lib/blkmigrate' 2>/dev/null)" ]
	[ -z "$(on old 'pgrep qemu')" ]
}

# start_inner: another pair of hosts with a running machine and an attached loop device, in
# a bats of its own, $inner, whose folder is $inner_lab.
start_inner() {
	cat >inner.bats <<-EOT
		load $root/t/helpers
		load $root/t/lab/network
		load $root/t/lab/libvirt
		setup_file() {
			start_hosts
		}
		teardown_file() {
			stop_hosts
		}
		$(printf '@%s' test) "inner" {
			make_vm old web block
			on old 'virsh -q start web'
			echo "\$lab \$backing" >'$dir/inner.part'
			mv '$dir/inner.part' '$dir/inner'
			\$forever || sleep infinity
		}
	EOT
	background env -u lab forever="$1" bats inner.bats
	inner=$pid
	wait_for 60 test -e inner
	read -r inner_lab inner_backing <inner
}

# None of its processes, mounts, loop devices or files is left.
nothing_left() {
	[ ! -e "$inner_lab" ] &&
		! losetup -n -O BACK-FILE | grep -qF "$inner_backing" &&
		! grep -qsF "$inner_lab" /proc/[0-9]*/cmdline /proc/[0-9]*/mounts
}

@test "nothing of the hosts is left behind when their file is done" {
	start_inner true

	wait "$inner"

	nothing_left
}

@test "nothing of the hosts is left behind when their file is interrupted" {
	start_inner false

	kill -INT -- "-$inner"

	wait_for 30 nothing_left
}
