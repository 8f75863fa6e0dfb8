#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A machine with a real agent continues if nobody ends its freeze, and a first start uses another
# kernel; see t/lab/quiesce.bats.

load ../helpers
load ../lab/network
load ../lab/libvirt
load ../lab/migrate
load ../lab/agent

also_needed+=(nbdinfo "${agent_needs[@]}")

@test "the driver is killed in the freeze: the machine continues after ten seconds" {
	start_agent_vm
	migrate prepare web --to new --yes
	# shellcheck disable=SC2016
	shim old virsh '[[ " $* " != *" backup-begin "* ]] || { touch /tmp/waits; exec sleep 60; }'
	background migrate sync web --quiesce
	wait_for 30 on old 'test -e /tmp/waits'

	on old 'kill -KILL $(cat /tmp/driver)'

	before=$(writes old web)
	sleep 3
	[ "$(writes old web)" = "$before" ]
	wait_for 20 eval '[ "$(writes old web)" -gt $((before + 20)) ]'
}

# on_console ARGUMENT ...: run blkmigrate on a terminal whose operator leaves the console when the
# machine has booted on new.
on_console() {
	{
		wait_for 120 agent_answers new web
		printf '\035'
		sleep 2
	} | on old "script -q -e -c $(printf %q "blkmigrate $(printf '%q ' "$@")") /dev/null"
}

@test "the first start uses another kernel, on the console, and the next one the disk" {
	provide_kernel
	make_vm old web
	redefine_for_agent old
	sed "s,type='file'>.*</serial>,type='pty'/>," "$xml" | on old 'cat >/tmp/pty.xml && virsh -q define /tmp/pty.xml'
	on old 'virsh -q start web'
	wait_for 60 is_counting old web 10

	on_console run web --to new --yes --console \
		--first-boot "kernel=$kernel,initrd=$initrd,cmdline=console=ttyS0,115200 panic=-1" >shown

	grep 'Run /init as init process' shown
	[[ $(migrate status web) == 'web: moved to new'* ]]
	[[ $(on new 'virsh dumpxml web') == *"<cmdline>console=ttyS0,115200 panic=-1</cmdline>"* ]]
	[[ $(on new 'virsh dumpxml --inactive web') != *"<kernel>"* ]]
	on new 'virsh -q destroy web; virsh -q start web'
	wait_for 60 is_counting new web 10
}
