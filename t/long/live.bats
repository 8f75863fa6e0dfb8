#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkmigrate live: killed at every line of its journal, and in each state of the move the driver, its ssh,
# a libvirtd or a QEMU is killed, or the cable is pulled.  Whatever it was doing, the virtual machine runs
# on one host or on none, never on both, and the same command ends it without the loss of a count.

load ../helpers
load ../lab/network
load ../lab/libvirt
load ../lab/migrate
load ../lab/live

# moved and stays are asked of a machine that has not booted.
eval "$(declare -f stays | sed '1s/stays/stays_as_it_is/')"
eval "$(declare -f stays_awake | sed 's/stays "/stays_as_it_is "/')"
moved() {
	went_on "$@"
}
stays() {
	stays_awake "$@"
}
moving=live

# --- every line of the journal -------------------------------------------------------

# journal_lines: of a move from its first line on.
journal_lines() {
	make_running web raw
	on old 'virsh -q autostart web'
	migrate live web --to new --yes
	on old 'cut -d " " -f 2,3 /var/lib/blkmigrate/from/*/journal'
}

# each_line WHEN COMMAND: kill it there, then run the command.  A pattern in ONLY, in the
# environment, selects some of the lines.
each_line() {
	local line

	journal_lines | sort -u >lines
	cat lines
	[ "$(wc -l <lines)" -gt 10 ]
	while IFS= read -r line <&4; do
		wipe_hosts
		killed "$1" "$line"
		echo "# killed $1 '$line', at $SECONDS s: $stage" >&3
		"$2"
	done 4< <(grep -E "${ONLY:-.}" lines)
}

# goes_back_if_it_can: the memory may be on the new host alone.
goes_back_if_it_can() {
	run migrate rollback web
	echo "$output"
	case $status in
	0)
		stays web "$disk"
		[ -z "$(ls -A "$lab/new/images")" ]
		[ -z "$(on old 'ls -A /var/lib/blkmigrate/from')" ]
		;;
	3) [[ $output == *'web was committed to new'* ]] && goes_on ;;
	5) [[ $output == *'the memory of web is on new only'* ]] && goes_on ;;
	*) false ;;
	esac
}

@test "killed after each line of its journal, the same command resumes" {
	each_line after goes_on
}

@test "killed before each line of its journal, the same command resumes" {
	each_line before goes_on
}

@test "killed in the middle of each line of its journal, the same command resumes" {
	each_line torn goes_on
}

@test "killed after each line of its journal, it is rolled back, unless its memory has moved" {
	each_line after goes_back_if_it_can
}

# --- each state, each part -------------------------------------------------------------

# each_state ACTION CHECK: in each of the states, of which ONLY, in the environment, selects some.
each_state() {
	local state

	for state in disks memory switched fenced committed resumed; do
		[[ $state =~ ${ONLY:-.} ]] || continue
		wipe_hosts
		make_running web raw
		on old 'virsh -q autostart web'
		in_state "$state" "$1"
		moves_and_tells "$state" "$1"
		hosts_are_well
		"$2"
		echo "# $told; then: $after" >&3
	done
}

# ends_moved: the same command moves it, and nothing is lost.
ends_moved() {
	local before=$before

	if [ -n "$(on new 'ls /var/lib/blkmigrate/to/*/commit 2>/dev/null')" ] && [ "$first_status" = 0 ]; then
		after='it was moved'
	else
		run migrate live web --to new --yes
		echo "$output"
		[ "$status" = 0 ]
		after='the same command moves it'
	fi
	went_on web "$disk"
	[[ $(on new 'virsh dominfo web') =~ Autostart:\ +enable ]]
	nothing_left
}

@test "in each state the driver is killed: the same command moves it" {
	each_state 'kill -KILL "$(cat /tmp/driver)"' ends_moved
}

@test "in each state the ssh that carries it is killed: the same command moves it" {
	each_state 'pkill -KILL -x ssh' ends_moved
}

@test "in each state the cable is pulled for half a minute: the same command moves it" {
	each_state 'ip link set cable down; ( sleep 30; ip link set cable up ) >/dev/null 2>&1 </dev/null &' ends_moved
}

@test "in each state the old libvirtd is killed: the same command moves it" {
	each_state 'pkill -KILL -x libvirtd; start_libvirtd' ends_moved
}

@test "in each state the new libvirtd is killed: the same command moves it" {
	each_state 'ssh new "pkill -KILL -x libvirtd; $(declare -f start_libvirtd); start_libvirtd"' ends_moved
}

# ends_moved_or_booted: a QEMU that was killed has lost the memory, and no count.
ends_moved_or_booted() {
	local counted

	count old "$disk"
	counted=$count
	if [ "$first_status" != 0 ]; then
		run migrate live web --to new --yes
		echo "$output"
		case $status in
		0) after='the same command moves it' ;;
		*)
			after="the same command: ${lines[-1]}"
			# It is off, or runs on one host.
			[ "$(state old web)$(state new web)" != runningrunning ]
			[ "$(state old web)" = running ] || on old 'virsh -q start web'
			;;
		esac
	else
		after='it was moved'
	fi
	for host in old new; do
		[ "$(state $host web)" != running ] || {
			wait_for 60 counts_to "$host" "$disk" $((counted + 10))
			after+=", runs on $host"
			return
		}
	done
	after+=", runs nowhere"
	on new 'virsh -q start web'
	wait_for 60 counts_to new "$disk" $((counted + 10))
}

@test "in each state the QEMU on the new host is killed: no count is lost" {
	each_state 'ssh new pkill -KILL qemu' ends_moved_or_booted
}

@test "in each state the QEMU on the old host is killed: no count is lost" {
	each_state 'pkill -KILL qemu' ends_moved_or_booted
}

# --- what comes in its way -----------------------------------------------------------

# fails PATTERN [OPTION ...]: it is as it was, and nothing is remembered of the move.
fails() {
	run -4 --separate-stderr migrate live web --to new --yes "${@:2}"
	echo "$stderr"
	[[ $stderr == *$1* ]]
	[[ $stderr == *'web is on this host as it was; nothing runs on new'* ]]
	[ -z "$(on old 'ls -A /var/lib/blkmigrate/from')" ]
	rm -f "$lab"/*/shims/*
}

# same_command_moves [OPTION ...]: it has not booted, and the cause is gone.
same_command_moves() {
	stays web "$disk"
	run -0 migrate live web --to new --yes "$@"
	went_on web "$disk" "${there:-$disk}"
}

@test "the target fills up while it is copied: it stays, and nothing is left on the new host" {
	small new
	make_running web raw
	in_state disks 'ssh new "head -c 100M /dev/zero >/srv/small/filler"'

	fails 'libvirt did not move web' --dir /srv/small --bwlimit 1M

	[ "$(on new 'ls -A /srv/small')" = filler ]
	on new 'rm /srv/small/filler'
	there=/srv/small/web.img
	same_command_moves --dir /srv/small
}

@test "somebody takes its name on the new host while its disks are copied: it stays" {
	make_running web raw
	# shellcheck disable=SC2016
	shim old virsh 'if [[ " $* " == *" migrate "* ]]; then
		"$tool" dumpxml --inactive web | sed "/<uuid>/d; /<mac /d; s,$PWD,," | ssh new "cat >/tmp/other.xml; virsh -q define /tmp/other.xml"
	fi'

	fails "domain 'web' already exists"

	is_state new web 'shut off'
	on new 'virsh -q undefine web'
	same_command_moves
}

@test "a CPU that does not fit, which only QEMU on the new host finds: it stays" {
	make_running web raw
	# shellcheck disable=SC2016
	shim old virsh 'if [[ " $* " == *" migrate "* ]]; then
		for word; do
			[[ $word != */live.xml ]] || sed -i "s,<vcpu,<cpu mode='"'custom' match='exact' check='full'"'><model fallback='"'forbid'"'>EPYC-Milan</model></cpu>&," "$word"
		done
	fi'

	fails 'libvirt did not move web'

	same_command_moves
}

@test "the folder of libvirt's sockets cannot be made on the new host: it stays" {
	make_running web raw
	shim new mkdir '[[ "$*" != *qemu/blkmigrate* ]] || exit 1'

	fails 'cannot be made'

	same_command_moves
}
