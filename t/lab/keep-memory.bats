#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A machine moves with its memory, by real images of libvirt and QEMU.  Every line of the journal, other
# disks and other faults are in t/long/keep-memory.bats.

load ../helpers
load network
load libvirt
load migrate

@test "a machine goes on with the very next number: taken back once, then moved" {
	watch_machines
	make_running web raw
	shim new virsh 'if [[ " $* " == *" restore "* ]]; then echo "error: the CPU is incompatible with host CPU" >&2; exit 1; fi'

	run -4 --separate-stderr migrate run web --to new --yes --keep-memory
	echo "$stderr"
	[[ $stderr == *'the memory of web cannot be restored on new'*'web is on this host as it was; nothing runs on new'* ]]
	stays_awake web "$disk"
	rm "$lab"/*/shims/*
	run -0 --separate-stderr migrate run web --to new --yes
	echo "$stderr"

	[[ $stderr == *'web runs on new; it stood still for '* ]]
	went_on web "$disk"
	never_both
}

@test "a paused machine stays paused, and goes on when it is resumed there" {
	make_running web raw
	on old 'virsh -q suspend web'

	run -0 --separate-stderr migrate run web --to new --yes --keep-memory
	echo "$stderr"

	is_state new web paused
	on new 'virsh -q resume web'
	went_on web "$disk"
}
