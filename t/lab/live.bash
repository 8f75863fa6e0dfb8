# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Helpers for tests of blkmigrate live that interfere in its states: `load live` after migrate.

# start_libvirtd: on a host whose own was killed.
start_libvirtd() {
	(setsid libvirtd >>/tmp/libvirtd.again 2>&1 </dev/null &)
}

# in_state STATE CODE: on old, run the code once when the move gets there:
#	disks		the disks are copied
#	memory		the memory is copied
#	switched	libvirt has moved it, and it is off on old; not fenced yet
#	fenced		it is fenced on old; not committed
#	committed	the commit is on new; it is still paused there
#	resumed		it runs on new
in_state() {
	local code

	# Of this function, the shims and the code on the host.
	code="$(declare -f start_libvirtd)
		once() {
			[ -e /tmp/once ] && return
			touch /tmp/once
			$2
		}"
	case $1 in
	disks | memory)
		shim old virsh "$code"'
			watch() {
				local said
				while kill -0 $1 2>/dev/null; do
					said=$("$tool" -c qemu:///system domjobinfo web 2>/dev/null) || said=""
					case $said in
					*"Memory processed:"*) [ '"$1"' = disks ] && return; once; return ;;
					*"File processed:"*) [ '"$1"' = memory ] || { once; return; } ;;
					esac
					sleep 0.05
				done
			}
			if [[ " $* " == *" migrate "* && ! -e /tmp/once ]]; then
				watch $$ >/dev/null 2>&1 </dev/null &
			fi'
		;;
	switched)
		shim old virsh "$code"'
			if [[ " $* " == *" migrate "* ]]; then
				"$tool" "$@" || exit
				once >/dev/null 2>&1
				exit 0
			fi'
		;;
	fenced)
		shim old virsh "$code"'
			if [[ " $* " == *" define "*fenced.xml* ]]; then
				"$tool" "$@" || exit
				once >/dev/null 2>&1
				exit 0
			fi'
		;;
	committed | resumed)
		# The code belongs to old.
		printf '%s\nonce\n' "$code" >"$lab/old/shims/once"
		shim new virsh 'if [[ " $* " == *" resume "* && ! -e /tmp/once ]]; then
				touch /tmp/once
				'"$([ "$1" = committed ] || echo '"$tool" "$@" || exit')"'
				ssh old "bash '"$lab/old/shims/once"'" >/dev/null 2>&1 </dev/null
				'"$([ "$1" = committed ] || echo 'exit 0')"'
			fi'
		;;
	esac
}

# moves_and_tells STATE ACTION: fill $told, and $first_status.
moves_and_tells() {
	local there here line

	run migrate live web --to new --yes --bwlimit 2M
	echo "$output"
	first_status=$status
	on old "test -e /tmp/once"
	here=$(state old web) there=$(state new web)
	[ "$here,$there" != running,running ]
	line=$(grep -E '^blkmigrate' <<<"$output" | tail -n 1) || true
	told="$1: ended with $status (${line:-nothing}); old ${here:-unknown}, new ${there:-none}"
}

# hosts_are_well: what was killed or pulled is back.
hosts_are_well() {
	local host

	rm -f "$lab"/*/shims/*
	wait_for 60 on old 'ip link set cable up; ssh -o ConnectTimeout=5 new true'
	for host in old new; do
		wait_for 60 on "$host" 'virsh -q list >/dev/null'
	done
}

# nothing_left: of the way.
nothing_left() {
	[ -z "$(on old 'ls -d /var/lib/libvirt/qemu/blkmigrate-* 2>/dev/null')" ]
	[ -z "$(on new 'ls -d /var/lib/libvirt/qemu/blkmigrate-* 2>/dev/null')" ]
}

# small HOST: /srv/small there has room for a disk, and not much more.
small() {
	on "$1" 'mkdir -p /srv/small && { mountpoint -q /srv/small || mount -t tmpfs -o size=48M none /srv/small; }'
	at_end on "$1" 'umount /srv/small'
}
