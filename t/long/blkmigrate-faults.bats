#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What can fail while a virtual machine moves, besides what t/lab has: it is taken back, runs
# on old as it was, and moves when what was broken is mended.

load ../helpers
load ../lab/network
load ../lab/libvirt
load ../lab/migrate

@test "a transient machine that cannot move is created on old again" {
	watch_machines
	make_transient web raw
	shim new virsh '[[ " $* " != *" start "* ]] || exit 1'

	run -2 --separate-stderr migrate run web --to new --yes

	[[ $stderr == *'web is on this host as it was; nothing runs on new'* ]]
	is_state old web running
	[[ $(on old 'virsh dominfo web') =~ Persistent:\ +no ]]
	[[ $(on old 'virsh dumpxml web') == *'<on_poweroff>restart'* ]]
	[ -z "$(state new web)" ]
	rm "$lab"/*/shims/*
	run -0 migrate run web --to new --yes
	is_state new web running
	[ -z "$(state old web)" ]
	never_both
}

@test "a machine that does not shut down keeps what it does at its poweroff" {
	make_vm old web raw
	make_deaf old "$disk"
	on old 'virsh dumpxml --inactive web >/tmp/w.xml
		sed -i "s,<on_poweroff>destroy,<on_poweroff>restart," /tmp/w.xml
		virsh -q define /tmp/w.xml; virsh -q start web'
	wait_for 30 is_counting old web 20

	run -2 migrate run web --to new --yes --shutdown-timeout 1

	stays web "$disk"
	[[ $(on old 'virsh dumpxml web') == *'<on_poweroff>restart'* ]]
}

@test "the domain cannot be defined" {
	make_running web raw
	shim new virsh '[[ " $* " != *" define "* ]] || exit 1'

	fails_and_is_taken_back 'web cannot be defined on new'
}

@test "the last changes do not get through" {
	make_running web raw
	shim old blkdiff 'exit 2'

	fails_and_is_taken_back 'vda: the last changes could not be sent'
}

@test "the last changes are damaged once: they are sent again" {
	make_running web raw
	shim new blkwrite 'if [ -e /tmp/first ] && [ ! -e /tmp/second ]; then touch /tmp/second; cat >/dev/null; exit 2; fi
		touch /tmp/first'

	run -0 migrate run web --to new --yes

	moved web "$disk"
}

@test "the answer to resume is lost" {
	make_running web raw
	shim new virsh 'if [[ " $* " == *" resume "* ]]; then "$tool" "$@"; exit 1; fi'

	run -0 migrate run web --to new --yes

	moved web "$disk"
}

@test "the commit cannot be written" {
	make_running web raw
	shim new mv '[[ " $* " != *"/commit "* ]] || exit 1'

	fails_and_is_taken_back 'commit cannot be written'
}

@test "new loses its power while the machine is there, paused" {
	make_running web raw
	shim new virsh 'if [[ " $* " == *" start "* ]]; then "$tool" "$@"; touch /tmp/cut; sleep 600; fi'
	background migrate run web --to new --yes
	wait_for 60 on new 'test -e /tmp/cut'
	lose_power new
	at_end start_host new
	wait_for 90 gone "$pid"
	is_state old web 'shut off'
	rm "$lab"/new/shims/*
	start_host new

	run -0 migrate rollback web
	stays web "$disk"
	run -0 migrate run web --to new --yes
	moved web "$disk"
}

@test "driven from the host to which it goes" {
	make_running web raw

	run -0 on new 'blkmigrate run web --from old --to new --yes'

	moved web "$disk"
}

@test "a bitmap that QEMU was killed with is no bitmap: a map is made" {
	make_running web qcow2
	migrate prepare web --to new --yes
	migrate sync web
	shut_down old web
	on old 'virsh -q start web'
	wait_for 60 is_counting old web 20
	on old 'pkill -KILL -x qemu-system-x86'
	wait_for 20 is_state old web 'shut off'
	on old "qemu-img info --output=json $disk | grep -q in-use"

	run -0 --separate-stderr migrate cutover web
	echo "$stderr"

	[[ $stderr == *'does not serve; all of both disks is read now'* ]]
	is_state new web 'shut off'
	on new 'virsh -q start web'
	moved web "$disk"
}
