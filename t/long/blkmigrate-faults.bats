#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Failures while a virtual machine moves that t/lab does not try: it is rolled back, runs on old
# as it was, and moves once the cause is fixed.

load ../helpers
load ../lab/network
load ../lab/libvirt
load ../lab/migrate

@test "a transient machine that cannot move is created on old again" {
	watch_machines
	make_transient web raw
	shim new virsh '[[ " $* " != *" start "* ]] || exit 1'

	run -4 --separate-stderr migrate run web --to new --yes

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

@test "a machine that does not shut down keeps its on_poweroff" {
	make_vm old web raw
	make_deaf old "$disk"
	on old 'virsh dumpxml --inactive web >/tmp/w.xml
		sed -i "s,<on_poweroff>destroy,<on_poweroff>restart," /tmp/w.xml
		virsh -q define /tmp/w.xml; virsh -q start web'
	wait_for 30 is_counting old web 20

	run -4 migrate run web --to new --yes --shutdown-timeout 1

	stays web "$disk"
	[[ $(on old 'virsh dumpxml web') == *'<on_poweroff>restart'* ]]
}

@test "the domain cannot be defined" {
	make_running web raw
	shim new virsh '[[ " $* " != *" define "* ]] || exit 1'

	fails_and_is_taken_back 'web cannot be defined on new'
}

@test "the domain cannot be started" {
	make_running web raw
	shim new virsh '[[ " $* " != *" start "* ]] || exit 1'

	fails_and_is_taken_back 'web cannot be started on new'
}

@test "the last changes do not get through" {
	make_running web raw
	shim old blkdiff 'exit 2'

	fails_and_is_taken_back 'vda: the last changes could not be sent'
}

@test "the last changes are damaged once: they are sent again" {
	make_running web raw
	# The first blkwrite writes the bulk; the one of the preflight writes nothing.
	shim new blkwrite 'if [[ " $* " == *" --verify "* ]]; then
			if [ -e /tmp/first ] && [ ! -e /tmp/second ]; then touch /tmp/second; cat >/dev/null; exit 2; fi
			touch /tmp/first
		fi'

	run -0 migrate run web --to new --yes

	on new 'test -e /tmp/second'
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

@test "new loses power while the machine is there, paused" {
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

@test "a bitmap in use when QEMU was killed is not used: a map is made" {
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

	[[ $stderr == *'cannot be used; comparing both disks completely instead'* ]]
	is_state new web 'shut off'
	on new 'virsh -q start web'
	moved web "$disk"
}

@test "a machine that does not shut down stays; --destroy cuts its power" {
	make_vm old web raw
	make_deaf old "$disk"
	on old 'virsh -q autostart web; virsh -q start web'
	wait_for 30 is_counting old web 20

	run -4 --separate-stderr migrate run web --to new --yes --shutdown-timeout 2
	[[ $stderr == *'web does not shut down in 2 seconds'* ]]
	stays web "$disk"
	[[ $(on old 'virsh dominfo web') =~ Autostart:\ +enable ]]

	run -0 migrate run web --to new --yes --shutdown-timeout 2 --destroy
	is_state new web running
	is_state old web 'shut off'
}

@test "rollback of a cutover that was killed" {
	make_running web raw
	shim new virsh 'if [[ " $* " == *" start "* ]]; then "$tool" "$@"; touch /tmp/cut; sleep 600; fi'
	background migrate run web --to new --yes
	wait_for 60 on new 'test -e /tmp/cut'
	on old 'kill -KILL $(cat /tmp/driver)'
	wait_for 20 gone "$pid"
	rm "$lab"/new/shims/*

	run -0 migrate rollback web

	stays web "$disk"
}

@test "a host that cannot be reached" {
	make_running web raw
	dir=$lab at new ip link set cable down
	run migrate run web --to new --yes
	dir=$lab at new ip link set cable up

	[ "$status" = 2 ]
	[[ $output == *'new does not answer by ssh'* ]]
	wait_for 10 on old 'ssh new true'
	stays web "$disk"
}

@test "somebody starts the machine between its shutdown and the fence: it stays on old" {
	watch_machines
	make_running web raw
	shim old virsh 'if [[ " $* " == *" define "*fenced.xml* ]] && [ ! -e /tmp/started ]; then
		touch /tmp/started
		"$tool" -q start web
	fi'

	run -4 migrate run web --to new --yes
	echo "$output"

	stays web "$disk"
	never_both
}

@test "TERM in the cutover takes it back" {
	make_running web raw
	shim new virsh 'if [[ " $* " == *" define "* ]]; then
		touch /tmp/waits
		sleep 3
	fi'
	background migrate run web --to new --yes
	wait_for 60 on new 'test -e /tmp/waits'

	on old 'kill "$(cat /tmp/driver)"'

	wait "$pid" || status=$?
	[ "$status" = 143 ]
	stays web "$disk"
}

@test "the cutover waits for a machine that is about to end" {
	make_running web raw
	# shellcheck disable=SC2016
	shim old virsh 'if [[ " $* " == *" domstate "* && $("$tool" -q domstate web) == "shut off" && ! -e /tmp/ended ]]; then
		[ -e /tmp/seen ] && touch /tmp/ended
		touch /tmp/seen
		echo "in shutdown"
		exit
	fi'

	run -0 migrate run web --to new --yes

	moved web "$disk"
}

@test "a cutover with every option is rolled back" {
	make_rich
	on old 'virsh -q start web'
	wait_for 60 is_counting old web 10
	shim new virsh '[[ " $* " != *" start "* ]] || exit 1'

	run -4 migrate run web --to new --yes --disk vda --recreate-swap vdb --copy-media --rename mail --new-uuid

	stays web "$disk"
	[ -z "$(on new 'virsh list --all --name')" ]
}
