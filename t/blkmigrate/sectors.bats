#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Disks are looked at with sectors as the guest sees them, down to what is in each partition; where the
# guest would see others on the new host, the plan says so.

load ../helpers
load migrate

setup() {
	test_begin
	require xsltproc xmllint sfdisk partx blkid
}

# make_partitions FILE [SECTOR]: two partitions in a GPT; in the second, from 4 MiB on, a file system.
make_partitions() {
	local device=$1

	truncate -s 8M "$1"
	[ -z "${2:-}" ] || attach "$1" "$2"
	printf 'label: gpt\nlabel-id: 6A3C1F9E-0B52-4D7E-9D0A-1C5F3F0A1B2C\n%s\n%s\n' \
		'start=1MiB, size=2MiB, uuid=6A3C1F9E-0B52-4D7E-9D0A-1C5F3F0A1B01' \
		'start=4MiB, size=2MiB, uuid=6A3C1F9E-0B52-4D7E-9D0A-1C5F3F0A1B02, name="its data"' | sfdisk -q "$device"
	[ -z "${2:-}" ] || losetup -d "$device"
	make_system "$1" 6a3c1f9e-0b52-4d7e-9d0a-1c5f3f0a1b2d
}

# make_system FILE UUID
make_system() {
	rm -f system
	truncate -s 2M system
	mkfs.ext4 -q -F -U "$2" system
	dd if=system of="$1" bs=1M seek=4 conv=notrunc status=none
}

# layouts OLD NEW [SECTOR]: what is said of these files or devices.
layouts() {
	inside "source[vda]=$1 target[vda]=$2 sector[vda]=${3:-512}; same_layout vda $1"
}

@test "file systems in partitions have to be the same on both sides" {
	require mkfs.ext4
	make_partitions old.img
	cp old.img new.img

	run -0 layouts old.img new.img
	[ -z "$output" ]
	make_system new.img 6a3c1f9e-0b52-4d7e-9d0a-1c5f3f0a1b2e
	run -2 layouts old.img new.img
	[[ $output == *'blkid and partx do not recognise the same on new.img as on old.img'* ]]
	[[ $output == *'< partition 2: UUID=6a3c1f9e-0b52-4d7e-9d0a-1c5f3f0a1b2d'*'> partition 2: UUID=6a3c1f9e-0b52-4d7e-9d0a-1c5f3f0a1b2e'*'--verify full'* ]]
	dd if=/dev/zero of=new.img bs=1M seek=4 count=2 conv=notrunc status=none
	run -2 layouts old.img new.img
	[[ $output == *'< partition 2: TYPE=ext4'* ]]
}

@test "a disk is looked at with the guest's sectors, whatever those of the device are" {
	require_root "loop devices"
	require mkfs.ext4
	make_partitions old.img
	cp old.img new.img
	attach new.img 4096

	run -0 layouts old.img "$device"
	[ -z "$output" ]
	make_system new.img 6a3c1f9e-0b52-4d7e-9d0a-1c5f3f0a1b2e
	blockdev --flushbufs "$device"
	run -2 layouts old.img "$device"
	[[ $output == *'> partition 2: UUID=6a3c1f9e-0b52-4d7e-9d0a-1c5f3f0a1b2e'* ]]
}

@test "a table of 4096-byte sectors is found in a file" {
	require_root "loop devices"
	require mkfs.ext4
	make_partitions old.img 4096
	cp old.img new.img
	make_system new.img 6a3c1f9e-0b52-4d7e-9d0a-1c5f3f0a1b2e

	run -2 layouts old.img new.img 4096
	[[ $output == *'< partition 2: UUID=6a3c1f9e-0b52-4d7e-9d0a-1c5f3f0a1b2d'* ]]
}

@test "a disk that cannot be read is not one without partitions" {
	truncate -s 1M old.img

	run -2 layouts old.img none.img
	[[ $output == *'partitions and filesystems cannot be looked at'* ]]
}

# findings DISK CODE: the problems and remarks about a disk with blockio, or whatever else is in its XML,
# that goes from $device or a file to a volume whose group is on $there.
findings() {
	echo "<domain type='kvm'><name>web</name><devices><disk type='block'><source dev='x'/><target dev='vda'/>$1</disk></devices></domain>" >source.xml
	inside 'cp source.xml "$private/source.xml"; cp source.xml "$private/target.xml"
		name_of() { echo "$1"; }
		pvs() { echo "  $there"; }
		on() { shift; "$@"; }
		disks=(vda) placed=(vda) source[vda]='"$from"' kind[vda]='"${kind:-block}"' target_kind[vda]=lvm target_volume[vda]=ssd/web
		there='"$there"'
		'"${2:-}"'
		find_sectors
		check_sectors
		echo "${sector[vda]}"
		printf "%s\n" "${problems[@]/#/problem: }" "${remarks[@]/#/remark: }" | sed "/^$/d"'
}

@test "the plan compares what the guest sees, and says what larger sectors cost" {
	require_root "loop devices"
	make_partitions old.img
	truncate -s 8M small.img
	attach small.img
	small=$device
	attach old.img 4096
	large=$device

	from=old.img there=$small kind=file
	[ "$(findings '')" = 512 ]
	there=$large
	run -0 findings ''
	[ "$output" = $'512\nremark: vda: the device on new has sectors of 4096 bytes, and web sees 512, as on old: QEMU reads before it writes a part of a sector, which takes time' ]
	[ "$(findings "<blockio logical_block_size='4096'/>")" = 4096 ]
	from=$large there=$small kind=block
	[ "$(findings '')" = 512 ]
	there=$large
	[ "$(findings '')" = 512 ]
}

@test "a guest that would see other sectors than now is refused if it has partitions" {
	require_root "loop devices"
	make_partitions old.img
	attach old.img 4096
	from=$device there=$dir/old.img

	run -0 findings '' 'xen_config=/etc/xen/web.cfg'
	[[ $output == $'4096\nproblem: vda: web sees sectors of 4096 bytes on old, and would see 512 on new, where it finds no partitions then'*"by hand, with <blockio logical_block_size='4096'/>"* ]]
	# As if it were zoned.
	passes="$(printf 'device_sector() { device_sector=0 passed_on=no; [ "$1" = new ] || device_sector=4096 passed_on=yes; }')"
	run -0 findings '' "$passes"
	[[ $output == $'4096\nproblem: vda: web sees'*"<blockio logical_block_size='4096' physical_block_size='4096'/> for vda in the definition on old (virsh edit)"* ]]
	[ "$(findings "<blockio logical_block_size='512'/>" "$passes")" = 512 ]
	dd if=/dev/zero of=old.img bs=4K count=1 conv=notrunc status=none
	blockdev --flushbufs "$device"
	run -0 findings '' 'xen_config=/etc/xen/web.cfg'
	[[ $output == $'4096\nremark: vda: web sees sectors of 4096 bytes on old, and 512 on new; it has no partition table'* ]]
}

@test "what QEMU alone is told of sectors is said not to be looked at" {
	truncate -s 1M old.img
	from=old.img there=$dir/old.img kind=file

	run -0 findings '</disk><disk xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0"><qemu:property name="logical_block_size" value="4096"/>'
	[[ $output == *'remark: the definition of web sets logical_block_size for QEMU itself'* ]]
}

@test "copy says that partitions are not found with other sectors, and copies all the same" {
	require_root "loop devices"
	migrate_begin
	make_partitions parts.img
	attach 8M 4096

	run -0 --separate-stderr migrate copy --overwrite parts.img "new:$device"
	[[ $stderr == *"blkmigrate: $device has sectors of 4096 bytes, and parts.img of 512: a system that sees those of its device does not find the partitions"* ]]
	cmp parts.img "$device"
	run -0 --separate-stderr migrate copy --create parts.img "new:$dir/copy.img"
	[[ $stderr != *sectors* ]]
}
