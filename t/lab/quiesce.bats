#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A machine with a real agent is frozen while its snapshots are taken. t/long/quiesce.bats shows a
# freeze that nobody ends, and a first start with another kernel.

load ../helpers
load network
load libvirt
load migrate
load agent

also_needed+=(nbdinfo "${agent_needs[@]}")

@test "the copy of a frozen machine needs no recovery, and then it moves" {
	start_agent_vm
	freeze_for_long
	copy=/var/lib/libvirt/images/web.img
	migrate prepare web --to new --yes --quiesce --map-disk "vda=$copy"
	migrate sync web
	run ! is_clean "$lab/new/images/web.img"

	run -0 migrate sync web --quiesce -v

	echo "$output"
	[[ $output == *'domfsfreeze'*'backup-begin'*'domfsthaw'* ]]
	is_clean "$lab/new/images/web.img"
	before=$(log_of "$lab/new/images/web.img" | tail -n 1)
	run -0 migrate cutover web
	is_state old web 'shut off'
	wait_for 120 agent_answers new web
	on new 'virsh -q shutdown web --mode agent'
	wait_for 60 is_state new web 'shut off'
	log_of "$lab/new/images/web.img" >log
	diff log <(seq "$(tail -n 1 log)")
	[ "$(tail -n 1 log)" -gt "$before" ]
}

@test "--quiesce without an agent: nothing is touched" {
	make_running web qcow2

	run -3 migrate run web --to new --yes --quiesce

	[[ $output == *'the guest agent of web does not answer: error: '*'start qemu-guest-agent in the guest, or leave out --quiesce'* ]]
	stays web "$disk"
	[ -z "$(ls -A "$lab/new/images")" ]
	[ -z "$(on old 'ls /var/lib/blkmigrate/from 2>/dev/null')" ]
}
