#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A Xen machine, which writes to its volume all the time, moves to a host where QEMU runs it.
# There it boots from its disk, and the boot sector continues to count.

load ../helpers
load ../lab/network
load ../lab/libvirt
load ../lab/migrate
load ../lab/in-guest
load ../lab/xen

setup() {
	if [ -n "${IN_GUEST:-}" ]; then
		test_begin
		no_domains
		wipe_hosts
	else
		require_hosts
		require "${guest_needs[@]}"
	fi
}

@test "a Xen machine moves, and continues to count under QEMU" {
	in_guest moves_from_xen
}

@test "a Xen machine whose cutover fails runs again as it was" {
	in_guest is_taken_back
}

@test "libvirt accepts what a Xen machine of any kind is converted to" {
	in_guest is_defined
}

moves_from_xen() {
	make_domain web
	start_domain

	run migrate run "$file" --to new --yes --vg far -v --passes 1
	echo "$output"
	[ "$status" = 0 ]

	[[ $output == *'old# xl shutdown -F web'* ]]
	[[ $output == *'blkdiff --snapshot /dev/vg/web-blkmigrate-'* ]]
	[[ $output == *'web is no longer in /etc/xen/auto on this host'* ]]
	[[ $output =~ 'it was down for '[0-9.]+' seconds' ]]
	[ -z "$(xl_state web)" ]
	is_state new web running
	count old "$disk"
	stopped=$count
	[ "$stopped" -ge 10 ]
	wait_for 60 is_counting new web 10
	shut_down new web
	count new /dev/far/web
	echo "it stopped at $stopped, was started from $started, and is at $count"
	[ "$started" = "$stopped" ]
	[ "$count" -ge $((stopped + 10)) ]
	[[ $(on new 'virsh dominfo web') =~ Autostart:\ +enable ]]
	[ -z "$(on old 'ls /etc/xen/auto')" ]
	run ! on old "xl create $file 2>&1"
	[[ $output == *"/nonexistent/blkmigrate-"*"/moved-to-new/xvda"* ]]
	on old 'echo web | blkmigrate purge web'
	run ! on old "ls $file $disk"
}

is_taken_back() {
	make_domain web '/etc/xen/the "web".cfg'
	start_domain
	cp domain.cfg before.cfg
	shim new virsh 'case " $* " in *" start "*) echo "no start today" >&2; exit 1 ;; esac'

	run -4 --separate-stderr migrate run "$file" --to new --yes --vg far
	echo "$stderr"

	[[ $stderr == *'web cannot be started on new'*'web is on this host as it was; nothing runs on new'* ]]
	[[ $(xl_state web) == [r-][b-]---- ]]
	[ -z "$(state new web)" ]
	on old 'cat "/etc/xen/the \"web\".cfg"' | cmp - before.cfg
	[ "$(on old 'readlink "/etc/xen/auto/the \"web\".cfg"')" = "$file" ]
	count old "$disk"
	wait_for 60 counts_to old "$disk" $((count + 10))
}

# How libvirt reads the files from which the fixtures were made, in all their variants.
is_defined() {
	local kind

	for kind in pv hvm; do
		on old "virsh -q -c xen:///system domxml-from-native xen-xl $root/t/files/xen/$kind.cfg" >native.xml
		diff <(sed 's,<uuid>.*,,; /^$/d' native.xml) <(sed 's,<uuid>.*,,; /^$/d' "$root/t/files/xen/$kind.xml")
		xsltproc --nonet --stringparam type qemu "$root/scripts/blkmigrate.d/machine/xen.xsl" native.xml |
			sed 's,vda2,vdx,; s,vda1,vdy,; /<interface type="ethernet">/,/<.interface>/d' >become.xml
		on new 'cat >/tmp/become.xml && virsh -q define /tmp/become.xml' <become.xml
	done
}
