#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What backup programs and other administrators do to a machine between its plan and its cutover, on
# two hosts with libvirt: it is refused while nothing has happened yet, or taken back, and nothing
# that they did is lost.  The whole matrix is in t/long/what-others-do.bats, single questions in
# t/blkmigrate/again.bats.

load ../helpers
load network
load libvirt
load migrate

# copied: the machine web runs on old, and is copied.
copied() {
	make_running web "${1:-raw}"
	migrate prepare web --to new --yes
	migrate sync web
}

# is_refused PATTERN: the cutover, before anything has happened.
is_refused() {
	run -3 --separate-stderr migrate cutover web
	echo "$stderr"
	[[ $stderr == *"$1"* ]]
	[[ $stderr == *'nothing has happened to it'* ]]
	is_state old web running
	[ -z "$(state new web)" ]
	run ! on old 'grep -E "begin (quiet|down)" /var/lib/blkmigrate/from/*/journal'
}

# at_shutdown CODE: done on old when the driver shuts the machine down.
at_shutdown() {
	shim old virsh 'if [[ " $* " == *" shutdown "* && ! -e /tmp/once ]]; then touch /tmp/once; '"$1"'; fi'
}

@test "an external snapshot after the copy is refused; when it is committed back the same command goes on" {
	copied
	on old "virsh -q snapshot-create-as web backup --disk-only --no-metadata --diskspec vda,file=$images/web.snap"

	is_refused "disk[vda]/source@file: $disk planned, $images/web.snap now"
	on old 'virsh -q blockcommit web vda --active --pivot --wait >/dev/null'
	run -0 migrate cutover web

	moved web "$disk"
}

@test "a disk that was plugged in and another size of memory are refused; a new plan takes them along" {
	copied
	on old "truncate -s 1M $images/more.img; virsh -q attach-disk web $images/more.img vdb --live
		virsh -q setmaxmem web 65536 --config"
	is_refused 'only the running machine has disk[vdb]'
	[[ $stderr == *'memory: 32768 planned, 65536 now'* ]]
	on old "virsh -q attach-disk web $images/more.img vdb --config"

	run -0 --separate-stderr migrate prepare web --yes
	echo "$stderr"
	[[ $stderr == *'web starts on new as it is defined, and not as it runs: memory: 65536 defined, 32768 running'* ]]
	run -3 --separate-stderr migrate cutover web
	[[ $stderr == *'the disks of web have not been copied yet'* ]]
	run -0 --separate-stderr migrate sync web
	# What was there is kept.
	[[ $stderr =~ web.img:\ ([0-9]+)\ bytes ]]
	[ "${BASH_REMATCH[1]}" -lt 8000000 ]
	run -0 migrate cutover web

	[[ $(on new 'virsh dumpxml --inactive web') == *'>65536</memory>'*"$images/more.img"* ]]
	moved web "$disk"
}

@test "a disk that was resized is not copied any more" {
	copied
	on old "virsh -q blockresize web vda 20M"

	run -3 --separate-stderr migrate sync web
	echo "$stderr"

	[[ $stderr == *"$disk was resized: it had 16777216 bytes, and has 20971520"*'nothing is copied'* ]]
	is_refused 'was resized'
}

@test "a managed save instead of a shutdown is taken back, with the memory of the guest" {
	copied
	at_shutdown '"$tool" -q managedsave web >/dev/null; exit 0'

	run -4 --separate-stderr migrate cutover web
	echo "$stderr"

	[[ $stderr == *'web has a managed save'*'web was changed while it shut down'* ]]
	[[ $stderr == *'web is on this host as it was; nothing runs on new'* ]]
	stays web "$disk"
	count old "$disk"
	# It counts on from where it was saved, and was not booted.
	[ "$started" = 0 ]
	rm "$lab"/old/shims/*
	run -0 migrate cutover web
	moved web "$disk"
}

@test "an edit while it shuts down, and one behind the fence, are taken back and kept" {
	copied
	at_shutdown '"$tool" -q setmaxmem web 65536 --config'
	run -4 --separate-stderr migrate cutover web
	echo "$stderr"
	[[ $stderr == *'memory: 32768 planned, 65536 now'*'web was changed while it shut down'* ]]
	stays web "$disk"
	[[ $(on old 'virsh dumpxml --inactive web') == *'>65536</memory>'* ]]
	on old 'virsh -q setmaxmem web 32768 --config; rm /tmp/once'

	shim old blkdiff 'virsh -q domrename web mail; virsh -q setmaxmem mail 65536 --config'
	rm "$lab"/old/shims/virsh
	run -4 --separate-stderr migrate cutover web
	echo "$stderr"

	[[ $stderr == *'somebody has changed the definition of web on this host, which would be lost: name: web before, mail now; memory: 32768 before, 65536 now'* ]]
	[[ $stderr == *'changed.xml'* ]]
	stays mail "$disk"
	[[ $(on old 'cat /var/lib/blkmigrate/from/*/changed.xml') == *'>65536</memory>'* ]]
}

@test "a machine that somebody defines on new with the same UUID is left alone" {
	copied
	on old 'virsh dumpxml --inactive web' | sed "s,$disk,/srv/own.img," >own.xml
	on new 'truncate -s 1M /srv/own.img; cat >/tmp/own.xml' <own.xml
	shim old blkdiff 'ssh -n new virsh -q define /tmp/own.xml >/dev/null'

	run -4 --separate-stderr migrate cutover web
	echo "$stderr"

	[[ $stderr == *'new has got a virtual machine of that name or UUID meanwhile (web, '* ]]
	[[ $stderr == *'which this migration did not define; it is left alone'* ]]
	is_state old web running
	[[ $(on new 'virsh dumpxml web') == *"'/srv/own.img'"* ]]
}

# purge_refused PATTERN
purge_refused() {
	run -3 on old 'echo web | blkmigrate purge web'
	echo "$output"
	[[ $output == *"$1"* ]]
	[[ $output == *'nothing was removed'* ]]
	[ -e "$lab/old/images/web.img" ]
}

@test "a purge is refused where the old disk was written, is used, or the new machine never ran" {
	make_vm old web raw
	migrate run web --to new --yes
	purge_refused 'web was never started on new'
	on new 'virsh -q start web'
	wait_for 60 is_counting new web 10
	on old "qemu-img create -q -f qcow2 -b $disk -F raw $images/over.qcow2"
	purge_refused "is used by the image $images/over.qcow2"
	rm "$lab/old/images/over.qcow2"
	on old "sed 's,web,other,; /<uuid>/d; /mac address/d' <(virsh dumpxml --inactive web) | sed 's,/nonexistent/.*/vda,$disk,' | virsh -q define /dev/stdin"
	purge_refused "is also a disk of the virtual machine other on this host"
	on old 'virsh -q undefine other'
	on old "printf x | dd of=$disk conv=notrunc status=none"
	purge_refused 'was written since it was copied'
	on old 'rm /var/lib/blkmigrate/from/*/written'

	run -0 on old 'echo web | blkmigrate purge web'

	[ ! -e "$lab/old/images/web.img" ]
	is_state new web running
}
