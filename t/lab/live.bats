#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A machine moves while it runs, by real QEMUs and libvirts.  Where it is killed and cut, and what it
# costs beside virsh migrate, is in t/long/live.bats.

load ../helpers
load network
load libvirt
load migrate

@test "a machine moves live over ssh alone, after a first move was cut; and its old disk is purged" {
	watch_machines
	make_running web raw
	on old 'virsh -q autostart web'
	on new 'mkdir -p /srv/there'
	# While libvirt sends, new listens at no port but ssh's; the first time, it is ended there.
	shim old virsh 'if [[ " $* " == *" domjobinfo "* && ! -e /tmp/seen ]] && "$tool" -c qemu:///system domjobinfo web | grep -q Outgoing; then
		touch /tmp/seen
		ssh new "ss -Htln" >/tmp/ports
		"$tool" -c qemu:///system domjobabort web
	fi'

	run -4 --separate-stderr migrate live web --to new --yes --dir /srv/there --bwlimit 4M
	echo "$stderr"
	[[ $stderr == *'libvirt did not move web'*'web is on this host as it was; nothing runs on new'* ]]
	stays_awake web "$disk"
	[ -z "$(on new 'ls -A /srv/there; ls /var/lib/blkmigrate/to; ls -d /var/lib/libvirt/qemu/blkmigrate-* 2>/dev/null')" ]
	[ -z "$(on old 'ls /var/lib/blkmigrate/from; ls -d /var/lib/libvirt/qemu/blkmigrate-* 2>/dev/null')" ]
	run ! on old 'grep -v ":22 " /tmp/ports'
	run -0 --separate-stderr migrate live web --to new --yes --dir /srv/there
	echo "$stderr"

	[[ $stderr == *'web runs on new; it stood still for '* ]]
	[[ $(on new 'virsh dominfo web') =~ Autostart:\ +enable ]]
	went_on web "$disk" /srv/there/web.img
	never_both
	on old 'echo web | blkmigrate purge web'
	[ -z "$(on old "ls -A $images")" ]
}
