# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The disk that is both ends of a pipe, by partitions, mapped devices and volumes; see cases.bash,
# and t/filters/both-ends.bats for files and loop devices.

both_ends_cases() {
	try "both ends: a partitioned disk, and mappings of its bytes" both_ends_partitions
	try "both ends: a volume, and the disk that it lies on" both_ends_volumes
}

# harmless READER WRITER: as a pipe, these shell commands end with 2 and one line.
harmless() {
	echo "$1 | $2"
	refused 'blkwrite: *(is an "ssh HOST" missing in the pipe?)*' bash -c "$1 | $2"
}

# map NAME DISK START SECTORS: a device, of which the partitions of DISK know nothing.
map() {
	dmsetup create "$1" --table "0 $4 linear $2 $3"
	at_end dmsetup remove "$1"
}

# With -r there is nothing but locks, for which blkwrite waits some seconds.
# The first partition has 14 MiB from 1 MiB on, the second one the 8 MiB behind it.
both_ends_partitions() {
	local disk=$partitioned_disk twin="$dir/twin"

	printf 'label: dos\nstart=2048, size=28672\nstart=30720, size=16384\n' | sfdisk -q "$disk"
	at_end sfdisk -q --delete "$disk"
	dd if="$before" of="${disk}1" bs=1M count=14 oflag=direct status=none
	dd if="$after" of="${disk}2" bs=1M count=8 oflag=direct status=none
	# shellcheck disable=SC2046 # two numbers
	mknod "$twin" b $(stat -L -c '%Hr %Lr' "${disk}1")
	blksum "$disk" >untouched

	harmless "blkread $disk" "blkwrite ${disk}1"
	harmless "blkread ${disk}1" "blkwrite $disk"
	harmless "blkread ${disk}1" "blkwrite $twin"
	harmless "blkread $twin" "blkwrite ${disk}1"
	harmless "blkread -r $disk" "blkwrite -r $twin"
	harmless "blkread ${disk}2" "blkwrite -o 16M $disk"

	# Over a partition.
	map piece "${disk}1" 2048 16384
	map again "${disk}1" 4096 4096
	harmless "blkread $disk" "blkwrite /dev/mapper/piece"
	harmless "blkread ${disk}1" "blkwrite /dev/mapper/piece"
	harmless "blkread /dev/mapper/piece" "blkwrite /dev/mapper/again"
	harmless "blkread -r /dev/mapper/piece" "blkwrite -r /dev/mapper/again"
	harmless "blkread -o 3M -l 64K $disk" "{ sleep 1; blkwrite -o 1M /dev/mapper/piece; }"
	harmless "blkread -o 1M -l 64K /dev/mapper/piece" "{ sleep 1; blkwrite /dev/mapper/again; }"
	blksum --status -c untouched
	blkread "${disk}2" | blkwrite --verify /dev/mapper/piece
	same "${disk}2" /dev/mapper/piece
	blkread -r -l 2M /dev/mapper/piece | blkwrite -r "${disk}2"
	dmsetup remove again
	dmsetup remove piece

	# Beside the partitions, as kpartx makes it.
	map first "$disk" 2048 28672
	blksum "$disk" >untouched
	harmless "blkread ${disk}1" "blkwrite /dev/mapper/first"
	harmless "blkread -r $twin" "blkwrite -r /dev/mapper/first"
	blksum --status -c untouched
	blkread "${disk}2" | blkwrite --verify /dev/mapper/first
	same "${disk}2" /dev/mapper/first 8M
}

both_ends_volumes() {
	local disk start

	make_volume b 4M
	make_origin
	disk=/dev/block/$(dmsetup deps vg-origin | sed 's/.*(\([0-9]*\), \([0-9]*\)).*/\1:\2/')
	[ -e "$disk" ] || disk=/dev/$(basename "$(realpath "/sys/dev/block/${disk##*/}")")
	start=$(($(dmsetup table vg-origin | cut -d ' ' -f 5) * 512))
	blksum "$origin" >untouched

	harmless "blkread $disk" "blkwrite $origin"
	harmless "blkread -r $disk" "blkwrite -r $origin"
	harmless "blkread $origin" "blkwrite /dev/mapper/vg-origin"
	harmless "blkread -o $((start + 1048576)) -l 64K $disk" "{ sleep 1; blkwrite -o 1M $origin; }"
	make_snapshot 4k 24M
	harmless "blkread -o $((start + 1048576)) -l 64K $disk" "{ sleep 1; blkwrite -o 1M $origin; }"
	blksum --status -c untouched

	# Another volume of that disk, and what a snapshot has kept.
	blkread -l 4M "$origin" | blkwrite --verify /dev/vg/b
	blkread -r /dev/vg/b | blkwrite -r -o 8M "$origin"
	different "$snapshot" "$origin"
	blkread "$snapshot" | blkwrite --verify "$origin"
	blksum --status -c untouched
}
