#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The connection between the hosts is cut while a virtual machine moves: ssh takes its time to
# give up.

load ../helpers
load ../lab/network
load ../lab/libvirt
load ../lab/migrate

# cut_line, mend_line: let nothing get to new, or everything again.
cut_line() {
	dir=$lab packets_drop
	at_end mend_line
}

mend_line() {
	dir=$lab packets_pass
}

@test "the line is cut before the commit: nothing is started until it is back" {
	make_running web raw
	shim new virsh 'if [[ " $* " == *" start "* ]]; then "$tool" "$@"; touch /tmp/cut; sleep 600; fi'
	background migrate run web --to new --yes
	wait_for 60 on new 'test -e /tmp/cut'
	cut_line
	wait_for 90 gone "$pid"

	is_state old web 'shut off'
	is_state new web paused
	[[ $(migrate status web) == 'web: in the cutover'*'does not answer'* ]]
	run -5 migrate rollback web
	is_state old web 'shut off'
	mend_line
	rm "$lab"/new/shims/*

	run -0 migrate run web --to new --yes
	moved web "$disk"
}

@test "the line is cut after the commit: the machine belongs to new" {
	make_running web raw
	shim new virsh 'if [[ " $* " == *" resume "* ]]; then touch /tmp/cut; sleep 600; fi'
	background migrate run web --to new --yes
	wait_for 60 on new 'test -e /tmp/cut'
	cut_line
	wait_for 120 gone "$pid"

	is_state old web 'shut off'
	mend_line
	rm "$lab"/new/shims/*
	run -3 --separate-stderr migrate rollback web
	[[ $stderr == *'web was committed to new; it is not rolled back any more'* ]]
	is_state old web 'shut off'

	run -0 migrate run web --to new --yes
	moved web "$disk"
}
