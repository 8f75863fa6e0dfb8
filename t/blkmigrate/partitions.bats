#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkmigrate: a Xen machine of partitions in volumes and files of their own (xvda1, xvda2) moves, and has
# one disk with a table there; between the stand-ins of hosts.bash, with one for xl.

load ../helpers
load hosts

setup() {
	hosts_begin
	require sfdisk mke2fs mkswap blkid
	rm host/old/web.*
	truncate -s 6M root.img home.img
	truncate -s 3M swap.img
	mke2fs -q -t ext4 -L root root.img
	mke2fs -q -t ext4 -L home home.img
	mkswap -q -L page -U 6f1c7d1e-2c39-4a56-9a0e-1f7f8c1a2b3c swap.img >/dev/null
	fake_xl >programs/xl
	chmod +x programs/xl
	machine_of xvda1=root.img xvda2=swap.img xvda3=home.img
}

boot=kernel=/proc/version,initrd=/proc/cpuinfo,cmdline=root=/dev/vda1

# machine_of DEV=FILE ...: web.cfg, and what libvirt reads in it.
machine_of() {
	local each

	{
		echo "name = 'web'"
		echo "uuid = '$web'"
		echo "kernel = '/boot/vmlinuz'"
		echo "disk = ["
		for each; do
			echo "	'file:$dir/${each#*=},${each%%=*},w',"
		done
		echo "]"
	} >web.cfg
	{
		echo "<domain type='xen'><name>web</name><uuid>$web</uuid><memory>1024</memory>
			<os><type arch='x86_64' machine='xenpv'>linux</type><kernel>/boot/vmlinuz</kernel></os>
			<on_poweroff>destroy</on_poweroff><devices>"
		for each; do
			echo "<disk type='file' device='disk'><driver name='qemu' type='raw'/>
			<source file='$dir/${each#*=}'/><target dev='${each%%=*}' bus='xen'/>${readonly:+<readonly/>}</disk>"
		done
		echo "<console type='pty'><target type='xen' port='0'/></console></devices></domain>"
	} >native.xml
	echo 4 >host/old/domid
}

# It runs while there is host/old/domid, and its disks are those of its file when it was created.
fake_xl() {
	cat <<'EOX'
#!/bin/bash
cd "$FAKE/host/$HOST" || exit
echo "$HOST: xl $*" >>"$FAKE/log"
case $1 in
domid) cat domid ;;
list)
	[ "$2" != -l ] || sed -n "s|.*file:\([^,]*\),.*|\"pdev_path\": \"\1\"|p" "$FAKE/web.cfg"
	echo "Name ID Mem VCPUs State Time(s)"
	[ ! -e domid ] || echo "web $(cat domid) 1024 1 -b---- 1.0"
	;;
shutdown | destroy) rm -f domid ;;
create) echo 5 >domid ;;
esac
EOX
}

# move COMMAND [OPTION ...]: of web.
move() {
	blkmigrate "$1" --yes --to new --dir "$dir/there" --first-boot "$boot" --shutdown-timeout 5 "${@:2}" "$dir/web.cfg"
}

disk=there/web-vda.img

@test "partitions become one disk with a table, by their numbers; the machine starts with the kernel that is named" {
	cp web.cfg before.cfg

	run -0 --separate-stderr move run --recreate-swap vda2
	echo "$stderr"

	[[ $stderr == *"  vda: made of partitions, with a table (gpt), 18MiB
    becomes file $dir/$disk"* ]]
	[[ $stderr == *"becomes file $dir/$disk, bytes 2097152 to 8388607: partition 1 of vda"* ]]
	blkread -r --partition 1 $disk | cmp - root.img
	blkread -r --partition 3 $disk | cmp - home.img
	blkread -r --partition 2 $disk >swap.out
	[ "$(blkid -p -s UUID -o value swap.out) $(blkid -p -s LABEL -o value swap.out)" = '6f1c7d1e-2c39-4a56-9a0e-1f7f8c1a2b3c page' ]
	[ "$(sfdisk --json $disk | jq -c '[.partitiontable.partitions[] | [.start, .size]]')" = '[[4096,12288],[16384,6144],[22528,12288],[2048,2048]]' ]
	[[ $(sfdisk --verify $disk) == *"No errors detected."* ]]
	xml=host/new/web.xml
	[ "$(xmllint --xpath 'string(/domain/devices/disk/target/@dev)' $xml) $(xmllint --xpath 'count(/domain/devices/disk)' $xml)" = 'vda 1' ]
	[ "$(xmllint --xpath 'string(/domain/devices/disk/source/@file)' $xml)" = "$dir/$disk" ]
	[ "$(xmllint --xpath 'string(/domain/os/kernel)' host/new/made.xml)" = /proc/version ]
	[ "$(xmllint --xpath 'count(/domain/os/kernel)' $xml)" = 0 ]
	[ "$(cat host/new/web.state)" = running ]
	[ ! -e host/old/domid ]
	grep -q 'This machine was moved' web.cfg

	echo web | blkmigrate purge web
	[ ! -e root.img ] && [ ! -e swap.img ] && [ ! -e home.img ] && [ -e $disk ]
}

@test "an MBR, and swap that is copied; each partition keeps its number" {
	machine_of xvda2=root.img xvda1=swap.img

	move run --table mbr

	[ "$(sfdisk --json $disk | jq -c '[.partitiontable.label, [.partitiontable.partitions[] | [.node[-1:], .start, .type, .bootable]]]')" = \
		'["dos",[["1",2048,"82",null],["2",8192,"83",true]]]' ]
	blkread -r --partition 1 $disk | cmp - swap.img
	blkread -r --partition 2 $disk | cmp - root.img
}

@test "the plan and the dry run make nothing, and say where each partition goes" {
	run -0 --separate-stderr move plan
	[[ $stderr == *'note: vda on new is made of xvda1 xvda2 xvda3, which keep their numbers: /dev/xvda1 in the guest'*'fstab is /dev/vda1 there'* ]]
	[[ $stderr == *'nothing is in the way' ]]
	run -0 --separate-stderr move run --dry-run
	[[ $output == *"blkwrite --verify -v --zeroed -l 6291456 -o 2097152 $dir/$disk"* ]]
	[[ $output == *"sfdisk $dir/$disk # label: gpt;1: start=2048KiB"* ]]
	[ -z "$(ls there)" ]
	cat host/old/domid
}

@test "preflight refuses what cannot be, and says what to do" {
	run -3 --separate-stderr blkmigrate run --yes --to new --dir "$dir/there" "$dir/web.cfg"
	[[ $stderr == *'web has partitions without a loader, so it cannot boot by itself on new'*'--first-boot kernel=PATH'* ]]
	machine_of xvda5=root.img
	run -3 --separate-stderr move plan --table mbr
	[[ $stderr == *'vda of vda5: an MBR has four partitions, and one of these is number 5'*'--table gpt'* ]]
	machine_of xvda=root.img xvda1=home.img
	run -3 --separate-stderr move plan
	[[ $stderr == *'two disks would be called vda'* ]]
	machine_of xvda1=root.img xvda3=home.img
	run -3 --separate-stderr move plan --later vda3
	[[ $stderr == *'vda3 becomes a partition of vda, and cannot come later by itself'* ]]
	[ -z "$(ls there)" ]
}

@test "a run that broke off goes on, and compares partitions in their place" {
	machine_of xvda1=root.img xvda3=home.img
	printf '#!/bin/bash\n[ "$HOST" != old ] || [[ $* != *home.img ]] || { echo gone >&2; exit 2; }\nexec %q "$@"\n' "$(command -v blkread)" >programs/blkread
	chmod +x programs/blkread
	run -2 --separate-stderr move run
	echo "$stderr"
	rm programs/blkread
	printf changed | dd of=root.img bs=1 seek=4000000 conv=notrunc status=none

	run -0 --separate-stderr move run -v
	echo "$stderr"

	[[ $stderr == *"blksum --map -l 6291456 -o 2097152 $dir/$disk"* ]]
	blkread -r --partition 1 $disk | cmp - root.img
	blkread -r --partition 3 $disk | cmp - home.img
}

@test "a cutover that fails is taken back, and its disk purged" {
	cp web.cfg before.cfg
	at_virsh='create *' then_virsh='exit 1'
	export at_virsh then_virsh

	run -4 --separate-stderr move run
	echo "$stderr"
	[[ $stderr == *'web is on this host as it was; nothing runs on new' || $stderr == *'as it was; nothing runs on new'* ]]
	cmp before.cfg web.cfg
	[ -e host/old/domid ]
	[ ! -e host/new/web.xml ]

	run -0 --separate-stderr blkmigrate purge web <<<web
	[ -z "$(ls -A there)" ]
	[ -e root.img ]
}

@test "a qcow2 target, and partitions that are read-only" {
	require qemu-img qemu-storage-daemon
	require_root "FUSE"
	readonly=yes machine_of xvda1=root.img xvda3=home.img

	run -0 --separate-stderr move run --map-disk vda="$dir/there/web.qcow2"
	echo "$stderr"

	[[ $stderr == *'vda1 is read-only in'*'it is a part of vda, to which web can write'* ]]
	qemu-img convert -O raw there/web.qcow2 out.img
	blkread -r --partition 1 out.img | cmp - root.img
	blkread -r --partition 3 out.img | cmp - home.img
	[ "$(xmllint --xpath 'count(//disk/readonly)' host/new/web.xml)" = 0 ]
}
