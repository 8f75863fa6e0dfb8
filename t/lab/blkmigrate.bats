#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A virtual machine moves from one host to another: its count goes on where it stopped, and
# whatever is broken on the way, it never runs on both.

load ../helpers
load network
load libvirt
load migrate

@test "a machine on a raw file" {
	make_running web raw
	on old 'virsh -q autostart web'

	run -0 --separate-stderr migrate run web --to new --yes

	moved web "$disk"
	[[ $stderr =~ 'web runs on new; it was down for '[0-9]+\.[0-9]' seconds' ]]
	[[ $(on new 'virsh dominfo web') =~ Autostart:\ +enable ]]
	[[ $(on old 'virsh dominfo web') =~ Autostart:\ +disable ]]
}

@test "a machine on a qcow2 file" {
	make_running web qcow2

	run -0 migrate run web --to new --yes

	moved web "$disk"
	on new "qemu-img check -q $disk"
}

@test "a machine on a block device goes into a file, and from qcow2 into raw" {
	make_running web block
	migrate run web --to new --yes --dir /var/lib/libvirt/images
	moved web "$disk" /var/lib/libvirt/images/web.img

	make_running mail qcow2
	migrate run mail --to new --yes --map-disk vda=/var/lib/libvirt/images/mail.img
	moved mail "$disk" /var/lib/libvirt/images/mail.img
}

@test "a machine with two disks, both at a time, over tcp and within one rate" {
	make_vm old web raw
	make_noise "$lab/old/images/data.img" 8M
	define old web "raw:$disk" raw:/var/lib/libvirt/images/data.img
	on old 'virsh -q start web'
	wait_for 60 is_counting old web 10

	run -0 --separate-stderr migrate run web --to new --yes -v --transport tcp --bwlimit 20M --jobs 2

	moved web "$disk"
	# The count follows in a sector of the second disk, on new as well.
	cmp -n 32768 "$lab/old/images/data.img" "$lab/new/images/data.img"
	cmp -i 33280 "$lab/old/images/data.img" "$lab/new/images/data.img"
	[[ $stderr == *'new# nc -n -v -l 10.77.0.2 '* ]]
	[[ $stderr == *' blkmeter -N vdb -f -L @'* ]]
	run ! grep 'ssh .*blkwrite' <<<"$stderr"
	run ! on new 'ss -Hltn "sport >= 49152 and sport <= 49215" | grep .'
}

# new_path SED-SCRIPT: who comes to new by ssh finds the programs of another PATH.
new_path() {
	sed -i "/^SetEnv PATH=/$1" "$lab/new/ssh/sshd_config"
	on new 'kill -HUP "$(pgrep -o -x sshd)"'
	wait_for 10 on old 'ssh new true'
}

@test "a host that lacks the programs is sent them" {
	make_running web raw
	new_path "s|$BIN:||"
	at_end new_path "s|PATH=|PATH=$BIN:|"

	run -2 --separate-stderr migrate run web --to new --yes
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

@test "names of all kinds" {
	name=$'-it\'s "a" $(touch oops) \xc3\xa4&<b>'
	make_running web raw
	on old "virsh -q destroy web; virsh -q undefine web"
	file="/var/lib/libvirt/images/$name .img"
	on old "mv $(printf %q "$disk") $(printf %q "$file")"
	define old "$name" "raw:$file"
	on old "virsh -q start -- $(printf %q "$name")"
	wait_for 30 is_counting old "$name" 20

	run -0 migrate run --to new --yes -- "$name"

	moved "$name" "$file"
}

@test "a step at a time" {
	make_running web raw

	migrate prepare web --to new --yes
	[[ $(migrate status web) == 'web: prepared'* ]]
	migrate sync web
	[[ $(migrate status web) == 'web: copied, and runs on this host'* ]]
	migrate sync web
	is_state old web running
	migrate cutover web
	[[ $(migrate status web) == 'web: moved to new'* ]]

	moved web "$disk"
}

@test "the plan shows what becomes of it, without its secrets, and touches nothing" {
	make_vm old web raw
	on old 'virsh dumpxml --inactive web >/tmp/w.xml
		sed -i "s,</devices>,<graphics type=\"vnc\" passwd=\"sesame7\"/></devices>," /tmp/w.xml
		virsh -q define /tmp/w.xml'

	run -0 --separate-stderr migrate plan web --to new --dir /srv
	[[ $output == *'+      <source file="/srv/web.img"/>'* ]]
	[[ $output != *sesame7* && $stderr != *sesame7* ]]
	run -0 migrate run web --to new --yes --dry-run
	[[ $output == *'old# blkread '*' | ssh '*blkwrite* ]]
	[[ $output != *sesame7* ]]

	[ -z "$(on new 'ls /var/lib/blkmigrate/to 2>/dev/null')" ]
	[ -z "$(state new web)" ]
	migrate run web --to new --yes
	[[ $(on new 'virsh dumpxml --security-info web') == *sesame7* ]]
}

@test "the preflight reports everything that is in the way, each with what to do" {
	make_vm old web raw
	define new web raw:/nowhere
	echo precious >"$lab/new/images/web.img"
	on old 'virsh dumpxml --inactive web >/tmp/w.xml
		sed -i "s,br0,br7," /tmp/w.xml
		virsh -q define /tmp/w.xml'

	run -2 --separate-stderr migrate run web --to new --yes

	[[ $stderr == *'new has a virtual machine with the UUID'* ]]
	[[ $stderr == *'new has a virtual machine called web already'* ]]
	[[ $stderr == *'web.img is there already on new'* ]]
	[[ $stderr == *'new has no bridge br7'*'--map-net br7=ANOTHER'* ]]
	[ "$(cat "$lab/new/images/web.img")" = precious ]
	[ -z "$(on old 'ls /var/lib/blkmigrate/from 2>/dev/null')" ]
}

@test "a machine that does not shut down stays; --destroy takes its power" {
	make_vm old web raw
	make_deaf old "$disk"
	on old 'virsh -q autostart web; virsh -q start web'
	wait_for 30 is_counting old web 20

	run -2 --separate-stderr migrate run web --to new --yes --shutdown-timeout 2
	[[ $stderr == *'web does not shut down in 2 seconds'* ]]
	stays web "$disk"
	[[ $(on old 'virsh dominfo web') =~ Autostart:\ +enable ]]

	run -0 migrate run web --to new --yes --shutdown-timeout 2 --destroy
	is_state new web running
	is_state old web 'shut off'
}

@test "a transient machine moves, is defined on new, and nothing is made of it on old any more" {
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

@test "the domain cannot be started" {
	make_running web raw
	shim new virsh '[[ " $* " != *" start "* ]] || exit 1'

	fails_and_is_taken_back 'web cannot be started on new'
}

@test "rollback of a cutover that was killed" {
	make_running web raw
	shim new virsh 'if [[ " $* " == *" start "* ]]; then "$tool" "$@"; touch /tmp/cut; sleep 600; fi'
	background migrate run web --to new --yes
	wait_for 60 on new 'test -e /tmp/cut'
	on old 'kill -KILL $(cat /tmp/driver)'
	wait_for 20 gone "$pid"
	rm "$lab"/new/shims/*

	run -0 migrate rollback web

	stays web "$disk"
}

@test "purge wants the name, and removes the old disk and nothing else" {
	make_running web raw
	migrate run web --to new --yes
	cp "$lab/old/images/web.img" "$lab/old/images/other.img"

	run -2 on old 'echo yes | blkmigrate purge web'
	[ -e "$lab/old/images/web.img" ]
	run -0 on old 'echo web | blkmigrate purge web'

	[ ! -e "$lab/old/images/web.img" ]
	[ -e "$lab/old/images/other.img" ]
	[ -z "$(state old web)" ]
	is_state new web running
	[[ $(migrate status 2>&1) == *'no migration is under way'* ]]
}

@test "purge of what was not moved removes what was made, and the machine stays" {
	make_running web raw
	migrate prepare web --to new --yes
	migrate sync web

	run -0 on old 'echo web | blkmigrate purge web'

	stays web "$disk"
	[ -z "$(ls -A "$lab/new/images")" ]
}

@test "a migration back again" {
	make_running web raw
	migrate run web --to new --yes
	on old 'echo web | blkmigrate purge web'

	run -0 on new 'blkmigrate run web --to old --yes'

	is_state old web running
	is_state new web 'shut off'
}

# without_numbers: what differs from run to run is gone.
without_numbers() {
	sed -E 's/[0-9a-f]{8,}[0-9a-f-]*/N/g; s/[0-9]+(\.[0-9]+)?/N/g'
}

@test "README: what it prints" {
	awk '/^    old# blkmigrate run/ { inside = 1; print; next } inside && /^    / { print } inside && /^$/ { exit }' \
		"$root/README.md" | sed 's/^    //' >readme
	make_vm old web qcow2 256M
	on old 'virsh -q start web'
	wait_for 30 is_counting old web 20

	on old "$(sed -n '1s/^old# //p' readme)" 2>&1 | without_numbers >printed

	sed 1d readme | without_numbers | while IFS= read -r line; do
		echo "$line"
		grep -qxF -- "$line" printed
	done
}

# make_uefi: the machine web, with variables of a firmware and a TPM.
make_uefi() {
	make_vm old web raw
	on old 'virsh dumpxml --inactive web >/tmp/w.xml
		sed -i "s,</os>,<loader readonly=\"yes\" type=\"pflash\">/usr/share/OVMF/OVMF_CODE_4M.fd</loader><nvram template=\"/usr/share/OVMF/OVMF_VARS_4M.fd\">/var/lib/libvirt/qemu/nvram/web_VARS.fd</nvram></os>,
			s,</devices>,<tpm model=\"tpm-crb\"><backend type=\"emulator\" version=\"2.0\"/></tpm></devices>," /tmp/w.xml
		virsh -q define /tmp/w.xml && virsh -q start web'
}

# What a machine with a firmware has beside its disks, on that host.
firmware_sums() {
	on "$1" 'cd /var/lib/libvirt && find qemu/nvram swtpm -type f ! -name "*.log" ! -name .lock -printf "%p %u %m\n" -exec sha256sum {} + | sort'
}

@test "firmware variables and a TPM's state go along, and are removed by a rollback" {
	require swtpm
	[ -e /usr/share/OVMF/OVMF_CODE_4M.fd ] || skip "needs ovmf"
	make_uefi
	shim new virsh '[[ " $* " != *" start "* ]] || exit 1'

	run -2 migrate run web --to new --yes --shutdown-timeout 1 --destroy
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
