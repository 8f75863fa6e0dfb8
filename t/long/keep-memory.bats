#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# --keep-memory: blkmigrate is killed after, before and in the middle of every line of its journal;
# hosts, disks and others fail: whatever it was doing, the machine runs on one host only, does not boot
# again, and continues to count.

load ../helpers
load ../lab/network
load ../lab/libvirt
load ../lab/migrate

run_options=(--keep-memory)

# What goes_on and goes_back ask is asked of a machine that has not booted.
eval "$(declare -f stays | sed '1s/stays/stays_as_it_is/')"
eval "$(declare -f stays_awake | sed 's/stays "/stays_as_it_is "/')"
moved() {
	went_on "$@"
}
stays() {
	stays_awake "$@"
}

journal_lines() {
	make_running web raw
	migrate run web --to new --yes --keep-memory
	on old 'cut -d " " -f 2,3 /var/lib/blkmigrate/from/*/journal'
}

# each_line WHEN COMMAND: kill it there, then run the command.  A pattern in ONLY, in the
# environment, selects some of the lines.
each_line() {
	local line

	journal_lines | sort -u >lines
	[ "$(wc -l <lines)" -gt 17 ]
	while IFS= read -r line <&4; do
		wipe_hosts
		killed "$1" "$line"
		echo "# killed $1 '$line', at $SECONDS s: $stage" >&3
		"$2"
	done 4< <(grep -E "${ONLY:-.}" lines)
}

goes_back_if_it_can() {
	if [ -n "$(on new 'ls /var/lib/blkmigrate/to/*/commit 2>/dev/null')" ]; then
		goes_nowhere_but_on
	else
		goes_back
	fi
}

@test "killed after each line of its journal, the same command resumes" {
	each_line after goes_on
}

@test "killed after each line of its journal, it is rolled back, unless it was committed" {
	each_line after goes_back_if_it_can
}

@test "killed before each line of its journal, the same command resumes" {
	each_line before goes_on
}

@test "killed before each line of its journal, it is rolled back, unless it was committed" {
	each_line before goes_back_if_it_can
}

@test "killed in the middle of each line of its journal, the same command resumes" {
	each_line torn goes_on
}

@test "killed in the middle of each line of its journal, it is rolled back, unless it was committed" {
	each_line torn goes_back_if_it_can
}

@test "killed after a rollback that it has not recorded, it is rolled back" {
	killed after 'done defined'
	kill_driver_at before 'undo rollback'
	run -137 migrate rollback web

	goes_back
}

# fails_and_goes_on PATTERN [OPTION ...]: it is taken back, without a boot; once the cause is fixed,
# the same command moves it.
fails_and_goes_on() {
	run -4 --separate-stderr migrate run web --to new --yes --keep-memory "${@:2}"
	echo "$stderr"
	[[ $stderr == *$1* ]]
	[[ $stderr == *'web is on this host as it was; nothing runs on new'* ]]
	stays web "$disk"
	rm -f "$lab"/*/shims/*
	run -0 migrate run web --to new --yes
	moved web "$disk"
}

@test "the driver is ended while libvirt saves: rolled back, it runs on" {
	make_running web raw
	# shellcheck disable=SC2016
	shim old virsh 'if [[ " $* " == *" save "* ]]; then
		"$tool" "$@" &
		kill -KILL "$(cat /tmp/driver)"
		wait
		exit
	fi'
	run -137 migrate run web --to new --yes --keep-memory
	rm "$lab"/*/shims/*

	run -0 migrate rollback web
	stays web "$disk"
	run -0 migrate run web --to new --yes
	moved web "$disk"
}

# small HOST: /srv/small there has room for the memory, and no more.
small() {
	on "$1" 'mkdir -p /srv/small && { mountpoint -q /srv/small || mount -t tmpfs -o size=48M none /srv/small; }'
	at_end on "$1" 'umount /srv/small'
}

@test "the folder for its memory fills up on the old host: it runs on" {
	small old
	small new
	make_running web raw
	shim old virsh 'if [[ " $* " == *" save "* ]]; then head -c 100M /dev/zero >/srv/small/filler; fi'

	run -4 --separate-stderr migrate run web --to new --yes --keep-memory --memory-dir /srv/small
	echo "$stderr"

	[[ $stderr == *'the memory of web cannot be saved in /srv/small/blkmigrate-'* ]]
	[ "$(on old 'ls /srv/small')" = filler ]
	on old 'rm /srv/small/filler'
	rm "$lab"/*/shims/*
	stays web "$disk"
	run -0 migrate run web --to new --yes
	moved web "$disk"
	[ -z "$(on old 'ls -A /srv/small')$(on new 'ls -A /srv/small')" ]
}

@test "the folder for its memory fills up on the new host: taken back" {
	small old
	small new
	make_running web raw
	shim old virsh 'if [[ " $* " == *" save "* ]]; then ssh new "head -c 100M /dev/zero >/srv/small/filler"; fi'

	run -4 --separate-stderr migrate run web --to new --yes --keep-memory --memory-dir /srv/small
	echo "$stderr"

	[[ $stderr == *'the memory of web cannot be sent'* ]]
	stays web "$disk"
	on new 'rm /srv/small/filler'
	rm "$lab"/*/shims/*
	run -0 migrate run web --to new --yes
	moved web "$disk"
}

@test "somebody takes its name on the new host while it is saved" {
	make_running web raw
	# shellcheck disable=SC2016
	shim old virsh 'if [[ " $* " == *" save "* ]]; then
		"$tool" dumpxml --inactive web | sed "/<uuid>/d; /<mac /d; s,$PWD,," | ssh new "cat >/tmp/other.xml; virsh -q define /tmp/other.xml"
	fi'

	run -4 --separate-stderr migrate run web --to new --yes --keep-memory
	echo "$stderr"

	[[ $stderr == *'new has got a virtual machine of that name or UUID meanwhile'* ]]
	rm "$lab"/*/shims/*
	is_state new web 'shut off'
	on new 'virsh -q undefine web'
	stays web "$disk"
	run -0 migrate run web --to new --yes
	moved web "$disk"
}

@test "a CPU that does not fit, which only the restore finds: taken back" {
	make_running web raw
	# shellcheck disable=SC2016
	shim new virsh 'if [[ " $* " == *" restore "* ]]; then
		for word; do
			[[ $word != */restored.xml ]] || sed -i "s,<vcpu,<cpu mode='"'custom' match='exact' check='full'"'><model fallback='"'forbid'"'>EPYC-Milan</model></cpu>&," "$word"
		done
	fi'

	fails_and_goes_on 'the memory of web cannot be restored on new'
}

@test "ssh is cut while the memory is sent: taken back when the host is there again" {
	make_running web raw
	# shellcheck disable=SC2016
	shim old blkread 'case "$*" in *"/memory"*) ip link set cable down; ( sleep 30; ip link set cable up ) & ;; esac'
	at_end on old 'ip link set cable up'

	run -5 --separate-stderr migrate run web --to new --yes --keep-memory
	echo "$stderr"
	on old 'ip link set cable up'
	rm "$lab"/*/shims/*

	wait_for 60 on old 'ssh -o ConnectTimeout=5 new true'
	run migrate rollback web
	echo "$output"
	stays web "$disk"
	run -0 migrate run web --to new --yes
	moved web "$disk"
}

@test "the old host loses its power when the machine is saved: it comes back with its memory" {
	killed after 'done down'
	lose_power old
	start_host old

	goes_on
}

@test "the old host loses its power when the machine is saved: rolled back, it has its memory" {
	killed after 'done down'
	lose_power old
	start_host old

	goes_back
}

@test "the new host loses its power after the commit, before it runs: restored there" {
	killed after 'begin committed'
	lose_power new
	start_host new
	on new 'ls /var/lib/blkmigrate/to/*/commit' || on new 'touch "$(ls -d /var/lib/blkmigrate/to/*)/commit"'

	run migrate run web --to new --yes
	echo "$output"
	[ "$status" = 0 ]
	moved web "$disk"
}

@test "a machine on qcow2: its bitmaps outlive the save" {
	make_running web qcow2

	run -0 --separate-stderr migrate run web --to new --yes --keep-memory
	echo "$stderr"

	[[ $stderr != *'comparing both disks completely'* ]]
	moved web "$disk"
}

@test "a paused machine on qcow2 stays paused" {
	make_running web qcow2
	on old 'virsh -q suspend web'

	run -0 --separate-stderr migrate run web --to new --yes --keep-memory
	echo "$stderr"

	is_state new web paused
	on new 'virsh -q resume web'
	moved web "$disk"
}

@test "a managed save is one on the new host, and goes on there" {
	make_running web raw
	on old 'virsh -q managedsave web'

	run -0 --separate-stderr migrate run web --to new --yes --keep-memory
	echo "$stderr"

	is_state new web 'shut off'
	[[ $(on new 'virsh dominfo web') =~ Managed\ save:\ +yes ]]
	[[ $(on old 'virsh dominfo web') =~ Managed\ save:\ +no ]]
	on new 'virsh -q start web'
	is_state new web running
	moved web "$disk"
}

@test "a managed save that does not fit there is one on the old host again" {
	make_running web raw
	on old 'virsh -q managedsave web --paused'
	shim new virsh '[[ " $* " != *" restore "* ]] || exit 1'

	run -4 --separate-stderr migrate run web --to new --yes --keep-memory
	echo "$stderr"

	[[ $stderr == *'web is on this host as it was; nothing runs on new'* ]]
	[[ $(on old 'virsh dominfo web') =~ Managed\ save:\ +yes ]]
	rm "$lab"/*/shims/*
	on old 'virsh -q start web'
	is_state old web paused
	on old 'virsh -q resume web'
	stays_as_it_is web "$disk"
}

@test "a transient machine is saved, and created again from its memory when that fails" {
	make_transient web raw
	shim new virsh '[[ " $* " != *" restore "* ]] || exit 1'

	run -4 --separate-stderr migrate run web --to new --yes --keep-memory
	echo "$stderr"

	is_state old web running
	[[ $(on old 'virsh dominfo web') =~ Persistent:\ +no ]]
	rm "$lab"/*/shims/*
	run -0 --separate-stderr migrate run web --to new --yes
	is_state new web running
	[ -z "$(state old web)" ]
	# It would start again if it shut down.
	on new 'virsh -q suspend web'
	count new "$disk"
	[ "$started" = 0 ]
}
