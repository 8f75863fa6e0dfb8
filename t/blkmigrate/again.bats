#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What was true when it was planned is asked again: what blkmigrate says of a machine, its disks and
# the place where it goes that somebody has changed meanwhile.  Both hosts are this one, and virsh
# tells what lies in a folder; t/lab/again.bats has libvirt.

load ../helpers
load migrate

machine=6a3c1f9e-0b52-4d7e-9d0a-1c5f3f0a1b2c

setup() {
	test_begin
	require xsltproc xmllint
	mkdir fake virsh
	# virsh -q -c URI COMMAND: the file of that name, or failure without one.
	cat >fake/virsh <<-EOS
		#!/bin/bash
		what=\$4
		case " \$* " in
		*" dumpxml "*--inactive*) what=inactive ;;
		*" --metadata "*) what=none ;;
		esac
		[ ! -e "$dir/virsh/\$what.fails" ] || exit 1
		cat "$dir/virsh/\$what" 2>/dev/null
	EOS
	chmod +x fake/virsh
	PATH=$dir/fake:$PATH
	truncate -s 4096 web.img
	domain >virsh/inactive
	running >virsh/dumpxml
	echo running >virsh/domstate
	echo 'Job type:         None' >virsh/domjobinfo
	info
	touch virsh/{define,snapshot-list,checkpoint-list,blockjob,backup-dumpxml}
	mkdir -p state/from/0123456789ab
	cp virsh/inactive state/from/0123456789ab/source.xml
}

domain() {
	cat <<-EOX
		<domain type='kvm'><name>web</name><uuid>$machine</uuid><memory unit='KiB'>32768</memory><on_poweroff>destroy</on_poweroff>
		<devices><disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='$dir/web.img'/><target dev='vda'/></disk>
		<interface type='network'><mac address='52:54:00:00:00:01'/><source network='lan'/></interface>
		<graphics type='vnc' passwd='secret'/></devices></domain>
	EOX
}

# running: as libvirt tells it.
running() {
	domain | sed "s,type='kvm',& id='3',; s,<source file='[^']*',& index='1',; s,</disk>,<backingStore/><alias name='virtio-disk0'/>&,
		s,type='network'>,type='bridge'>,; s,network='lan',& portid='x' bridge='br7',; s,<on_poweroff>destroy,<on_poweroff>restart,"
}

info() {
	printf 'Name:           web\nPersistent:     %s\nAutostart:      %s\nManaged save:   %s\n' \
		"${persistent:-yes}" "${autostart:-disable}" "${saved:-no}" >virsh/dominfo
}

# change FILE SED-SCRIPT: somebody does.
change() {
	sed -i "$2" "virsh/$1"
}

# asked [CODE]: what is said before a shutdown of what is not as planned.
asked() {
	inside 'autostart=no disks=(vda) source[vda]=$PWD/web.img kind[vda]=file size[vda]=4096 volume[vda]=
		name_of() { echo "$1"; }
		PATH=$PWD/fake:$PATH
		identify vda
		identity[vda]=$identified
		'"${1:-}"'
		problems=()
		ask_record '"${ask:-all}"'
		read_source_xml
		compare_machine '"${when:-before}"'
		[ '"${when:-before}"' = off ] || compare_running
		compare_disks
		printf "%s\n" "${problems[@]}" "${remarks[@]}"' | grep .
}

# says PATTERN [CODE]: it is.
says() {
	run -0 --separate-stderr asked "${2:-}"
	echo "$output$stderr"
	[[ $output == *"$1"* ]]
	[ -z "$stderr" ]
}

@test "a machine that nobody has changed is as it was planned, running or off" {
	run -1 --separate-stderr asked
	echo "$output$stderr"
	[ -z "$output$stderr" ]
	echo 'shut off' >virsh/domstate
	rm virsh/dumpxml

	when=off ask=less run -1 --separate-stderr asked
	echo "$output$stderr"

	[ -z "$output$stderr" ]
}

@test "an external snapshot, taken of the running machine or of its definition" {
	change dumpxml "s,web.img' index='1',web.snap' index='3',; s,<backingStore/>,<backingStore type='file' index='1'><source file='$dir/web.img'/></backingStore>,"
	says "web runs with another disk than it is defined with: disk[vda]/source@file: $dir/web.img defined, $dir/web.snap running"
	[[ $output == *'virsh blockcommit'* ]]
	change inactive 's,web.img,web.snap,'

	says "disk[vda]/source@file: $dir/web.img planned, $dir/web.snap now"
}

@test "a device that only the running machine has" {
	change dumpxml "s,<graphics,<disk type='file' device='disk'><source file='/srv/more.img' index='4'/><target dev='vdb'/></disk>&,"
	says 'only the running machine has disk[vdb] (/srv/more.img): running, and not defined'
	running >virsh/dumpxml
	change dumpxml "s,<graphics,<interface type='bridge'><mac address='52:54:00:00:00:02'/><target dev='vnet3'/></interface>&,"

	says 'only the running machine has interface[52:54:00:00:00:02]: running, and not defined'
}

@test "memory, another name, a password: what was is said, and what is, but no secret" {
	change inactive 's,32768,65536,'
	change inactive 's,<name>web,<name>mail,'
	change inactive 's,secret,other,'

	says 'memory: 32768 planned, 65536 now'
	[[ $output == *'name: web planned, mail now'*'virsh domrename'* ]]
	[[ $output == *'graphics[1]@passwd: *** planned, *** now'* ]]
	[[ $output != *secret* ]]
	# What runs has less than what will start there.
	[[ $output == *'web starts on new as it is defined, and not as it runs: memory: 65536 defined, 32768 running'* ]]
}

@test "a managed save, snapshots, another program's checkpoint, a job, a block job" {
	saved=yes info
	says 'web has a managed save'
	info
	echo nightly >virsh/snapshot-list
	says 'web has snapshots, which would be lost'
	: >virsh/snapshot-list
	printf 'blkmigrate-0123456789ab-2\nnightly\n' >virsh/checkpoint-list
	says 'web has checkpoints of another backup program'
	echo 'blkmigrate-0123456789ab-2' >virsh/checkpoint-list
	printf 'Job type:         Unbounded\nOperation:        Backup\n' >virsh/domjobinfo
	says 'web is in the middle of a job: Backup'
	echo 'Job type:         None' >virsh/domjobinfo
	echo ' type=Block Commit' >virsh/blockjob

	says 'vda is in a block job'
}

@test "autostart, paused, undefined, undefined while it runs" {
	autostart=enable info
	says 'autostart of web was no, and is yes'
	info
	echo paused >virsh/domstate
	says 'web is paused on old'
	echo running >virsh/domstate
	persistent=no info
	says 'web is not defined on old any more: it runs'
	touch virsh/domstate.fails

	says 'web is not defined on old any more'
}

@test "another file of the same name, a larger one, and none" {
	cp web.img other.img
	mv other.img later.img

	says "vda: $dir/web.img is not the disk that was planned: file." 'mv later.img web.img'
	says "vda: $dir/web.img was resized: it had 4096 bytes, and has 8192" 'truncate -s 8192 web.img'
	truncate -s 4096 web.img

	says "vda: $dir/web.img is not there on old" 'rm web.img'
}

@test "an image that has got a backing file, or snapshots in it" {
	require qemu-img
	truncate -s 1M base.img
	rm web.img
	qemu-img create -q -f qcow2 web.img 1M
	as='kind[vda]=qcow2 size[vda]=1048576'
	change inactive "s,type='raw',type='qcow2',"
	cp virsh/inactive state/from/0123456789ab/source.xml
	change dumpxml "s,type='raw',type='qcow2',"
	run -1 --separate-stderr asked "$as"
	echo "$output$stderr"
	[ -z "$output$stderr" ]

	says 'has a backing file, or snapshots, now' "$as; qemu-img rebase -u -b base.img -F raw web.img"
	qemu-img rebase -u -b '' web.img
	says 'has a backing file, or snapshots, now' "$as; qemu-img snapshot -c x web.img"
}

@test "an answer that was cut, or is none, ends the program" {
	for code in 'on() { command "${@:2}" | head -c 600; }' 'on() { return 255; }' 'on() { :; }'; do
		run -2 --separate-stderr inside 'disks=(); '"$code"'
			ask_record all
			echo on'
		echo "$output$stderr"
		[ -z "$output" ]
		[[ $stderr == *'cannot be asked about web'* ]]
	done
}

@test "before the shutdown all that has changed is said at once, and how to plan again" {
	change inactive 's,32768,65536,'

	run -3 --separate-stderr inside 'autostart=no
		backup_end() { :; }
		check_name() { problem "new has one" "remove it"; }
		check_addresses() { :; }
		check_networks() { :; }
		check_machine() { :; }
		check_memory() { :; }
		firmware_is_free() { :; }
		cp state/from/0123456789ab/source.xml state/from/0123456789ab/target.xml
		disks=(vda) source[vda]=$PWD/web.img kind[vda]=file size[vda]=4096
		identify vda
		identity[vda]=$identified
		check_before_shutdown
		echo on'
	echo "$stderr"

	[ -z "$output" ]
	[[ $stderr == *'web is not as it was planned:'*'memory: 32768 planned, 65536 now'*'new has one'* ]]
	[[ $stderr == *'web is not shut down; nothing has happened to it.'*'blkmigrate prepare web'* ]]
}

# --- the place where it goes -------------------------------------------------------

# defining [CODE]: on a host that has the machines of virsh/list.
defining() {
	mkdir -p state/to/0123456789ab
	cp virsh/inactive state/to/0123456789ab/domain.xml
	cp virsh/inactive state/from/0123456789ab/target.xml
	inside 'new_name=web new_uuid='"$machine"' begun[defined]=yes address[new]=far
		on() { shift; "$@"; }
		'"${1:-}"'
		define_target && echo defined'
}

@test "a machine of the same name or UUID on the new host is not replaced, and ours is" {
	echo "${machine/6a3c/7777} mail" >virsh/list
	run -0 defining
	[ "$output" = defined ]
	[ -e state/to/0123456789ab/defining ]
	# Killed before it was noted, it is defined again.
	echo "$machine web" >virsh/list
	run -0 defining
	[ "$output" = defined ]
	rm state/to/0123456789ab/defining

	for there in "$machine mail" "${machine/6a3c/7777} web"; do
		echo "$there" >virsh/list
		touch virsh/define.fails
		run -2 --separate-stderr defining
		echo "$stderr"
		[[ $stderr == *"far has got a virtual machine of that name or UUID meanwhile (${there#* }, ${there% *}), which is left alone"* ]]
	done
}

@test "a list of machines that is none is not taken for one without ours" {
	printf 'a[$(touch pwned)]=1 x\n' >virsh/list

	run -2 --separate-stderr defining
	echo "$stderr"

	[[ $stderr == *'far cannot be asked whether it has a virtual machine of that name or UUID'* ]]
	[ ! -e state/to/0123456789ab/defining ]
	[ ! -e pwned ]
}

@test "a machine that was undefined after its shutdown is defined again when that is taken back" {
	code='finished[ran]=yes
		domain_state() { echo none; }
		source_define() { echo "defined by $1"; }
		lift_fence'
	[ "$(inside "$code")" = 'defined by source' ]

	# Nobody has shut it down for a cutover: who removed it meant it.
	[ -z "$(inside "${code/finished\[ran]=yes/}")" ]
}

@test "a rollback spares a machine that is not ours, and starts nothing beside one on our disks" {
	echo '1-2-3 web' >virsh/list
	code='begun[defined]=yes address[new]=far new_uuid=1-2-3 placed=(vda) target[vda]=$PWD/new.img
		on() { shift; "$@"; }
		committed() { return 1; }
		remove_domain; echo on'
	run -0 --separate-stderr inside "$code"
	[ "$output" = on ]
	[[ $stderr == *'far has a virtual machine with the UUID 1-2-3, which this migration did not define; it is left alone'* ]]
	change dumpxml 's,web.img,new.img,'

	run -2 --separate-stderr inside "$code"
	echo "$stderr"

	[[ $stderr == *"is running, on $dir/new.img, which was made for web; nothing is started anywhere"* ]]
}

# --- purge --------------------------------------------------------------------------

# purging [CODE]: what is said of the old disk, vda, before it is removed.
purging() {
	mkdir -p state/to/0123456789ab
	touch state/to/0123456789ab/commit
	inside 'new_name=web uuid='"$machine"' new_uuid='"$machine"' address[new]=far disks=(vda) source[vda]=$PWD/web.img kind[vda]=file target[vda]=$PWD/new.img
		on() { shift; "$@"; }
		lvs() { [ ! -e snapshots ] || cat snapshots; }
		export -f lvs
		'"${1:-}"'
		check_source_purge
		echo removed'
}

not_purged() {
	run -3 --separate-stderr purging "${2:-}"
	echo "$output$stderr"
	[ -z "$output" ]
	[[ $stderr == *"$1"*'nothing was removed'* ]]
}

@test "purge: of disks that nobody has touched, of a machine that was started" {
	touch new.img
	echo "$machine" >virsh/list
	inside 'disks=(vda) source[vda]=$PWD/web.img; keep_written'

	run -0 --separate-stderr purging
	[ "$output" = removed ]
	echo 'shut off' >virsh/domstate
	not_purged 'web was never started on far'
	run -0 --separate-stderr purging 'finished[started]=yes'

	[ "$output" = removed ]
}

@test "purge: not without the new disk, or the new machine" {
	echo "$machine" >virsh/list
	not_purged "vda: $dir/new.img is gone from far" 'sed -i "s,web.img,new.img," virsh/dumpxml'
	touch new.img virsh/domstate.fails
	: >virsh/list

	not_purged 'web is not defined on far any more, so these may be the last of its disks'
}

@test "purge: not of a disk that was written since, or that something uses" {
	require qemu-img
	touch new.img
	echo "$machine" >virsh/list
	inside 'disks=(vda) source[vda]=$PWD/web.img; keep_written'
	echo x | dd of=web.img conv=notrunc status=none
	not_purged "vda: $dir/web.img was written since it was copied"
	rm state/from/0123456789ab/written
	qemu-img create -q -f qcow2 -b web.img -F raw over.qcow2
	not_purged "vda: $dir/web.img is used by the image $dir/over.qcow2, of which it is the backing file"
	rm over.qcow2
	exec 7<web.img
	not_purged "vda: $dir/web.img is used by process "
	exec 7<&-
	echo 'web-nightly linear ' >snapshots
	not_purged 'is used by the snapshot vg/web-nightly' 'volume[vda]=vg/web'
	echo 'web-blkmigrate-1 linear blkmigrate:0123456789ab' >snapshots
	run -0 purging 'volume[vda]=vg/web'
	change dumpxml "s,$machine,11111111-0b52-4d7e-9d0a-1c5f3f0a1b2c,; s,>web<,>other<,"

	not_purged "vda: $dir/web.img is also a disk of the virtual machine other on this host"
}
