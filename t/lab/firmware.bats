#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A machine with UEFI firmware and an emulated TPM on libvirt's own terms: what it keeps besides its
# disk goes along in every form of the definition, is removed by a rollback, and survives a purge.

load ../helpers
load network
load libvirt
load migrate

also_needed+=(swtpm)

code=/usr/share/OVMF/OVMF_CODE_4M.fd
vars=/usr/share/OVMF/OVMF_VARS_4M.fd

# make_uefi LOADER NVRAM TPM [ATTRIBUTES]: the machine web, which has run once; what its firmware and
# its TPM keep are not what libvirt makes anew.
make_uefi() {
	make_vm old web raw
	on old "virsh dumpxml --inactive web >/tmp/w.xml
		sed -i $(printf %q "s,<os>,<os ${4:-}>,; s,</os>,$1$2</os>,; s,</devices>,<tpm model='tpm-crb'><backend type='emulator' version='2.0'>$3</backend></tpm></devices>,") /tmp/w.xml
		virsh -q define /tmp/w.xml && virsh -q start web"
}

# kept HOST [FOLDER]: the files of variables and of TPMs, with owner and mode.
kept() {
	on "$1" "cd ${2:-/}"' && find var/lib/libvirt/qemu/nvram var/lib/libvirt/swtpm srv/firmware -type f ! -name "*.log" ! -name .lock -printf "%p %u %m\n" -exec sha256sum {} + | sort'
}

# moves: to new, where it is started from the very same.
moves() {
	shim new virsh 'if [[ " $* " == *" start "* ]]; then
			tar -C / -cf /tmp/kept.tar var/lib/libvirt/qemu/nvram var/lib/libvirt/swtpm srv/firmware
		fi'
	run migrate run web --to new --yes --shutdown-timeout 1 --destroy
	echo "$output"
	[ "$status" = 0 ]
	is_state new web running
	before=$(kept old)
	on new 'rm -rf /srv/kept && mkdir -p /srv/kept && tar -C /srv/kept -xpf /tmp/kept.tar && rm /tmp/kept.tar'
	[ "$(kept new /srv/kept)" = "$before" ]
}

setup() {
	require_hosts
	require "${also_needed[@]}"
	test_begin
	wipe_hosts
	for host in old new; do
		on "$host" 'mkdir -p /var/lib/libvirt/swtpm && rm -rf /var/lib/libvirt/qemu/nvram/* /var/lib/libvirt/swtpm/* /srv/firmware && mkdir -m 711 /srv/firmware'
	done
}

@test "variables in a source element, and a TPM in libvirt's folder" {
	make_uefi "<loader readonly='yes' type='pflash'>$code</loader>" \
		"<nvram template='$vars' type='file'><source file='/srv/firmware/web.fd'/></nvram>" ''
	shim new virsh '[[ " $* " != *" start "* ]] || exit 1'

	run -4 migrate run web --to new --yes --shutdown-timeout 1 --destroy
	echo "$output"
	is_state old web running
	[ -z "$(kept new)" ]
	moves

	[[ $before == *srv/firmware/web.fd*tpm2-00.permall* ]]
	on new 'virsh -q destroy web'
	on old 'echo web | blkmigrate purge web'
	[ -z "$(kept old)" ]
	[[ $(kept new) == *srv/firmware/web.fd*tpm2-00.permall* ]]
}

@test "firmware that libvirt chooses" {
	make_uefi '' '' '' "firmware='efi'"
	[[ $(on old 'virsh dumpxml --inactive web') != *'<nvram'* ]]

	moves
	[[ $before == *qemu/nvram/web_VARS.fd*tpm2-00.permall* ]]
	[[ $(on new 'virsh dumpxml --inactive web') == *'</loader>'*"qemu/nvram/web_VARS.fd</nvram>"* ]]
}
