#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What the administrator chooses for a move: which disks, under what name, into which pool, with
# which media; and that nothing else is done.

load ../helpers
load network
load libvirt
load migrate

also_needed+=(mkswap blkid)

# swap_tags HOST FILE
swap_tags() {
	on "$1" "blkid -p -o export $2 | grep -E '^(TYPE|UUID|LABEL)='"
}

@test "only some disks, recreated swap, a copied disc, another name and UUID" {
	make_rich
	on old 'virsh -q start web'
	wait_for 60 is_counting old web 10

	run -0 --separate-stderr migrate run web --to new --yes \
		--skip-disk vdc --recreate-swap vdb --copy-media --rename mail --new-uuid
	echo "$stderr"

	[[ $stderr == *'vdc: SKIPPED'* ]]
	is_state new mail running
	[ -z "$(state new web)" ]
	is_state old web 'shut off'
	run -1 on old 'virsh start web'
	count old "$disk"
	stopped=$count
	wait_for 60 is_counting new mail 10
	shut_down new mail
	count new "$disk"
	[ "$started" = "$stopped" ]
	on new 'virsh dumpxml --inactive mail' >mail.xml
	on old 'cat /var/lib/blkmigrate/from/*/source.xml' >web.xml
	[ "$(xmllint --xpath '//disk/target/@dev' mail.xml | xargs)" = 'dev=vda dev=vdb dev=sda' ]
	[ "$(xmllint --xpath '//disk/source/@file' mail.xml | xargs -n 1 | sed 's,.*/,,' | xargs)" = 'web.img swap.img disc.iso' ]
	[ "$(xmllint --xpath 'string(/domain/uuid)' mail.xml)" != "$(xmllint --xpath 'string(/domain/uuid)' web.xml)" ]
	[ "$(xmllint --xpath '//mac/@address' mail.xml)" = "$(xmllint --xpath '//mac/@address' web.xml)" ]
	[ "$(swap_tags new $images/swap.img)" = "$(swap_tags old $images/swap.img)" ]
	[ "$(images_of new)" = 'disc.iso swap.img web.img' ]

	[[ $(migrate status web) == 'web: moved to new'* ]]
	on old 'echo web | blkmigrate purge web'
	[ "$(images_of old)" = 'data.img disc.iso' ]
	[ -z "$(state old web)" ]
	is_state new mail 'shut off'
}

@test "the plan says what the move will cost, and every problem, and changes nothing" {
	make_rich
	define new mail raw:/nowhere
	on old "truncate -s 100M $images/data.img"

	run -0 --separate-stderr migrate plan web --to new
	echo "$stderr"
	[[ $stderr =~ 'in all: at most '[0-9]+'MiB to send, about '[0-9]+' '[a-z]+' at '[0-9.]+[A-Z]iB/s' as measured; it is off already' ]]
	[[ $stderr == *'drives with media will be empty; --keep-media keeps what new has, --copy-media copies it'* ]]
	run -3 --separate-stderr migrate plan web --to new --rename mail --recreate-swap vdc --disk vdx --pool none
	echo "$stderr"

	[[ $stderr == *'new has a virtual machine called mail already'*'--rename ANOTHER'* ]]
	[[ $stderr == *'vdc is no swap as a whole'* ]]
	[[ $stderr == *'web has no disk called vdx'* ]]
	[[ $stderr == *'new has no storage pool none'* ]]
	[ -z "$(images_of new)" ]
	[ -z "$(on old 'ls /var/lib/blkmigrate/from 2>/dev/null')" ]
}

@test "a file that both hosts see is not copied, and is never removed" {
	make_vm old web qcow2
	shared=$root/build/shared
	mkdir -p "$shared"
	at_end rm -r "$shared"
	mv "$lab/old/images/web.qcow2" "$shared"
	disk=$shared/web.qcow2
	define old web "qcow2:$disk"
	on old 'virsh -q start web'
	wait_for 60 is_counting old web 10

	run -0 --separate-stderr migrate run web --to new --yes
	echo "$stderr"
	[[ $stderr == *"vda: 16MiB qcow2 $disk, shared by both hosts: it stays where it is"* ]]
	is_state new web running
	wait_for 60 is_counting new web 10
	run -1 on old 'virsh start web'
	[[ $output == *"/nonexistent/blkmigrate-"*"/moved-to-new/vda"* ]]
	shut_down new web
	count new "$disk"
	[ "$started" -ge 10 ]
	[ "$count" -ge $((started + 10)) ]

	on old 'echo web | blkmigrate purge web'
	[ "$(ls -A "$shared")" = web.qcow2 ]
	on new 'virsh -q start web'
}

@test "into a storage pool, which lists the new volume" {
	make_vm old web raw
	on new "mkdir -p /srv/pool && virsh -q pool-define-as images dir --target /srv/pool && virsh -q pool-start images"
	at_end on new 'virsh -q pool-destroy images; virsh -q pool-undefine images; rm -r /srv/pool'

	run -0 --separate-stderr migrate run web --to new --yes --pool images

	[[ $stderr == *'the storage pool images on new is not started when that host boots'* ]]
	[ "$(on new 'virsh -q vol-list images' | awk '{ print $1, $2 }')" = 'web.img /srv/pool/web.img' ]
	[[ $(on new 'virsh dumpxml --inactive web') == *"file='/srv/pool/web.img'"* ]]
	on new 'cmp /srv/pool/web.img -' <"$lab/old/images/web.img"
}

@test "a disk that comes later: the machine runs without it, and then has it" {
	make_rich
	on old 'virsh -q start web'
	wait_for 60 is_counting old web 10
	shim new virsh '[[ " $* " != *" attach-device "*" --config "* ]] || exit 1'

	run -2 --separate-stderr migrate run web --to new --yes --skip-disk vdb --later vdc
	echo "$stderr"

	[[ $stderr == *'vdc cannot be added to web on new; blkmigrate finish web tries again'* ]]
	is_state new web running
	[[ $(on new 'virsh domblklist web') != *vdc* ]]
	[[ $(migrate status web) == 'web: committed to new, where it does not have vdc yet'*'next: blkmigrate finish web'* ]]
	rm "$lab"/new/shims/*

	run -0 --separate-stderr migrate finish web
	echo "$stderr"

	[[ $stderr == *'vdc: plugged into web on new'* ]]
	# It was complete, and the guest may use it already: it is not written to again.
	[[ $stderr != *blkwrite* ]]
	[[ $(on new 'virsh domblklist web') == *"vdc "*"$images/data.img"* ]]
	[[ $(on new 'virsh domblklist --inactive web') == *"vdc "*"$images/data.img"* ]]
	cmp "$lab/old/images/data.img" "$lab/new/images/data.img"
	wait_for 60 is_counting new web 10
	[[ $(on old "cut -d ' ' -f 2,3 /var/lib/blkmigrate/from/*/journal" | paste -s -d ,) == \
		*'done resumed'*'begin later-vdc'*'done later-vdc'*'done finished'* ]]
}
