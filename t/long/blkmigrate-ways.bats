#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Ways to move a virtual machine that t/lab does not try: off, transient, back again, with
# firmware, to another kind of disk, to a host without the programs.

load ../helpers
load ../lab/network
load ../lab/libvirt
load ../lab/migrate

@test "a machine on a block device goes into a file, and from qcow2 into raw" {
	make_running web block
	migrate run web --to new --yes --dir /var/lib/libvirt/images
	moved web "$disk" /var/lib/libvirt/images/web.img

	make_running mail qcow2
	migrate run mail --to new --yes --map-disk vda=/var/lib/libvirt/images/mail.img
	moved mail "$disk" /var/lib/libvirt/images/mail.img
}

# new_path SED-SCRIPT: logins to new by ssh get another PATH.
new_path() {
	sed -i "/^SetEnv PATH=/$1" "$lab/new/ssh/sshd_config"
	on new 'kill -HUP "$(pgrep -o -x sshd)"'
	wait_for 10 on old 'ssh new true'
}

@test "a host that lacks the programs is sent them" {
	make_running web raw
	new_path "s|$BIN:||"
	at_end new_path "s|PATH=|PATH=$BIN:|"

	run -3 --separate-stderr migrate run web --to new --yes
	[[ $stderr == *'blkwrite is missing on new'*'--push sends it along for this migration'* ]]
	run -0 migrate run web --to new --yes --push

	moved web "$disk"
}

@test "a machine that is off stays off" {
	make_running web raw
	shut_down old web
	count old "$disk"
	before=$count

	run -0 migrate run web --to new --yes

	is_state new web 'shut off'
	on new 'virsh -q start web'
	wait_for 30 is_counting new web 20
	shut_down new web
	count new "$disk"
	[ "$count" -ge $((before + 20)) ]
}

@test "a transient machine moves, is defined on new, and is not created on old any more" {
	watch_machines
	make_transient web raw

	run -0 --separate-stderr migrate run web --to new --yes
	echo "$stderr"

	[[ $stderr == *'note: web is transient'* ]]
	[ -z "$(state old web)" ]
	is_state new web running
	[[ $(on new 'virsh dominfo web') =~ Persistent:\ +yes ]]
	[[ $(on old 'cat /var/lib/blkmigrate/from/*/journal') == *'note transient: nothing is defined'* ]]
	wait_for 60 is_counting new web 10
	count old "$disk"
	stopped=$count
	count new "$disk"
	[ "$started" = "$stopped" ]
	never_both
	on old 'echo web | blkmigrate purge web'
	[ ! -e "$lab/old/images/web.img" ]
}

@test "a migration back again" {
	make_running web raw
	migrate run web --to new --yes
	on old 'echo web | blkmigrate purge web'

	run -0 on new 'blkmigrate run web --to old --yes'

	is_state old web running
	is_state new web 'shut off'
}

@test "purge of a machine that was not moved removes what was made, and the machine stays" {
	make_running web raw
	migrate prepare web --to new --yes
	migrate sync web

	run -0 on old 'echo web | blkmigrate purge web'

	stays web "$disk"
	[ -z "$(ls -A "$lab/new/images")" ]
}

# make_uefi: make the machine web, with firmware variables and a TPM.
make_uefi() {
	make_vm old web raw
	on old 'virsh dumpxml --inactive web >/tmp/w.xml
		sed -i "s,</os>,<loader readonly=\"yes\" type=\"pflash\">/usr/share/OVMF/OVMF_CODE_4M.fd</loader><nvram template=\"/usr/share/OVMF/OVMF_VARS_4M.fd\">/var/lib/libvirt/qemu/nvram/web_VARS.fd</nvram></os>,
			s,</devices>,<tpm model=\"tpm-crb\"><backend type=\"emulator\" version=\"2.0\"/></tpm></devices>," /tmp/w.xml
		virsh -q define /tmp/w.xml && virsh -q start web'
}

# What a machine with firmware has besides its disks, on that host.
firmware_sums() {
	on "$1" 'cd /var/lib/libvirt && find qemu/nvram swtpm -type f ! -name "*.log" ! -name .lock -printf "%p %u %m\n" -exec sha256sum {} + | sort'
}

@test "firmware variables and a TPM's state move too, and are removed by a rollback" {
	require swtpm
	[ -e /usr/share/OVMF/OVMF_CODE_4M.fd ] || skip "needs ovmf"
	make_uefi
	shim new virsh '[[ " $* " != *" start "* ]] || exit 1'

	run -4 migrate run web --to new --yes --shutdown-timeout 1 --destroy
	is_state old web running
	[ -z "$(state new web)" ]
	[ -z "$(on new 'ls -A /var/lib/libvirt/qemu/nvram /var/lib/libvirt/swtpm/* 2>/dev/null | grep -v :')" ]
	rm "$lab"/new/shims/*
	shim new virsh 'if [[ " $* " == *" start "* ]]; then tar -C / -cf /tmp/firmware.tar var/lib/libvirt/qemu/nvram var/lib/libvirt/swtpm; fi'
	run -0 migrate run web --to new --yes --shutdown-timeout 1 --destroy

	is_state new web running
	before=$(firmware_sums old)
	[[ $before == *web_VARS.fd* && $before == *tpm2-00.permall* ]]
	on new 'virsh -q destroy web; tar -C / -xpf /tmp/firmware.tar'
	[ "$(firmware_sums new)" = "$before" ]
}

@test "driven from the host to which it goes" {
	make_running web raw

	run -0 on new 'blkmigrate run web --from old --to new --yes'

	moved web "$disk"
}

@test "a purge before the cutover removes everything that was made" {
	make_rich
	migrate prepare web --to new --yes --disk vda --recreate-swap vdb --copy-media --rename mail
	migrate sync web
	[[ $(images_of new) == .*' disc.iso swap.img web.img' ]]

	run -0 on old 'echo web | blkmigrate purge web'

	[ -z "$(images_of new)" ]
	[ "$(images_of old)" = 'data.img disc.iso swap.img web.img' ]
	is_state old web 'shut off'
}
