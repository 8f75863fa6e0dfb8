#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A virtual machine moves between hosts whose QEMU does not run as root, and whose libvirt makes
# QEMU's user the owner of the disks at the start: libvirt can do that with what blkmigrate makes.

load ../helpers
load ../lab/network
load ../lab/libvirt
load ../lab/migrate

setup_file() {
	local host

	start_hosts
	[ -n "${lab:-}" ] || return 0
	for host in old new; do
		on "$host" 'sed -i "s/^user = .*/user = \"libvirt-qemu\"/
			s/^group = .*/group = \"libvirt-qemu\"/
			s/^dynamic_ownership = .*/dynamic_ownership = 1/" /etc/libvirt/qemu.conf'
		lose_power "$host"
		start_host "$host"
	done
}

owner() {
	on "$1" "stat -c %U $2"
}

# moves_to_the_user_of_qemu KIND
moves_to_the_user_of_qemu() {
	make_running web "$1"
	[ $(($(on old 'ps -o uid= -C qemu-system-x86'))) = "$(id -u libvirt-qemu)" ]
	[ "$(owner old "$disk")" = libvirt-qemu ]

	run -0 migrate run web --to new --yes

	[[ $output != *'copied when web is off'* ]]
	[ "$(owner new "$disk")" = libvirt-qemu ]
	moved web "$disk"
}

@test "a raw file belongs to QEMU's user when it runs there" {
	moves_to_the_user_of_qemu raw
}

@test "a qcow2 file belongs to QEMU's user when it runs there, and was copied while it ran" {
	moves_to_the_user_of_qemu qcow2
}

@test "a machine that is rolled back starts on old again" {
	make_running web qcow2
	shim new virsh '[[ " $* " != *" start "* ]] || exit 1'

	run -4 migrate run web --to new --yes

	stays web "$disk"
	[ "$(owner old "$disk")" = libvirt-qemu ]
}
