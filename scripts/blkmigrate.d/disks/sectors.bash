# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Logical sectors: what a guest sees, and what the hosts' devices have.  Partition tables count in
# sectors, so a guest that sees others finds no partitions.
#
# QEMU shows 512 bytes, with any sector size of the device below it, unless the definition says
# <blockio logical_block_size=.../>, or the device is zoned or a DASD, whose sectors it passes on.
# Xen passes on those of every device.

# sector[DISK] is what the guest sees, in bytes.
declare -A sector=()

# device_sector HOST PATH ...: set $device_sector to the largest of these devices' sectors, 0 if none is a
# device, and $passed_on to whether QEMU passes them on.
device_sector=0 passed_on=no
device_sector() {
	ask "$1" '(0|[1-9][0-9]{2,5}) (yes|no)' bash -c '
		largest=0 passed_on=no
		for path; do
			[ -b "$path" ] || continue
			sector=$(blockdev --getss "$path") && numbers=$(stat -L -c "0x%t 0x%T" -- "$path") || exit
			[ "$sector" -le "$largest" ] || largest=$sector
			entry=$(realpath -- "/sys/dev/block/$(printf "%d:%d" $numbers)") || exit
			[ -e "$entry/queue" ] || entry=${entry%/*}
			zoned=none
			[ ! -e "$entry/queue/zoned" ] || read -r zoned <"$entry/queue/zoned" || exit
			case $zoned,${entry##*/} in
			none,dasd*) passed_on=yes ;;
			none,*) ;;
			*) passed_on=yes ;;
			esac
		done
		echo "$largest $passed_on"' device-sector "${@:2}" || die "$(name_of "$1"): the sectors of $2 cannot be looked at"
	read -r device_sector passed_on <<<"$answer"
}

# group_devices GROUP: set $answers to the devices on the new host that a volume group is made of.
group_devices() {
	ask_lines new "$a_path" pvs --noheadings -o pv_name -S "vg_name=$1"
}

# find_sector DISK: set sector[DISK].
find_sector() {
	local disk=$1 asked

	device_sector old "${source[$disk]}"
	sector[$disk]=512
	if is_xen; then
		[ "$device_sector" = 0 ] || sector[$disk]=$device_sector
		return
	fi
	asked=$(xml_value "/domain/devices/disk[target/@dev = '$disk']/blockio/@logical_block_size" "$private/source.xml") ||
		die "the XML of $vm cannot be read"
	if [[ $asked =~ ^[1-9][0-9]{2,5}$ ]]; then
		sector[$disk]=$asked
	elif [ "$passed_on" = yes ]; then
		sector[$disk]=$device_sector
	fi
}

# find_sectors: of all disks that have a place.
find_sectors() {
	local disk

	sector=()
	for disk in "${disks[@]}" "${swaps[@]}" "${shared[@]}"; do
		find_sector "$disk"
	done
}

# check_sectors: compare them with those that the guest will see on the new host.
check_sectors() {
	local disk ours

	[ "$(xml_value "$sector_arguments" "$private/source.xml")" = 0 ] ||
		remark "the definition of $vm sets logical_block_size for QEMU itself: that is kept, but not looked at here"
	for disk in "${disks[@]}" "${swaps[@]}"; do
		device_sector old "${source[$disk]}"
		ours=$device_sector
		device_sector=0 passed_on=no
		if [ "${target_kind[$disk]}" = lvm ] && [ -n "${target_volume[$disk]}" ]; then
			group_devices "${target_volume[$disk]%/*}" || continue
			device_sector new "${answers[@]}"
		fi
		check_sector "$disk" "$ours"
	done
}

# check_sector DISK BYTES: which the old host's device has; the new one's are in $device_sector.
check_sector() {
	local disk=$1 there=512 asked

	asked=$(xml_value "/domain/devices/disk[target/@dev = '$disk']/blockio/@logical_block_size" "$private/target.xml") ||
		die "the XML of $vm cannot be read"
	if [[ $asked =~ ^[1-9][0-9]{2,5}$ ]]; then
		there=$asked
	elif [ "$passed_on" = yes ]; then
		there=$device_sector
	fi
	if [ -n "${within[$disk]:-}" ] && [ "$there" != 512 ]; then
		problem "$disk: $vm would see sectors of $there bytes on $(name_of new), and the table of ${within[$disk]} is made for 512" "--map-disk ${within[$disk]}=PATH, on another device"
	elif [ -z "${within[$disk]:-}" ] && [ "${sector[$disk]}" != "$there" ] && has_boot_sector "$disk"; then
		problem "$disk: $vm sees sectors of ${sector[$disk]} bytes on $(name_of old), and would see $there on $(name_of new), where it finds no partitions then" "$(sector_remedy "$disk")"
	elif [ "${sector[$disk]}" != "$there" ]; then
		remark "$disk: $vm sees sectors of ${sector[$disk]} bytes on $(name_of old), and $there on $(name_of new); it has no partition table, but its file system may care"
	elif [ "$device_sector" -gt "$there" ] && [ "$device_sector" != "$2" ]; then
		remark "$disk: the device on $(name_of new) has sectors of $device_sector bytes, and $vm sees $there, as on $(name_of old): QEMU reads before it writes a part of a sector, which takes time"
	fi
}

sector_remedy() {
	if is_xen; then
		echo "define the virtual machine there by hand, with <blockio logical_block_size='${sector[$1]}'/>, and blkmigrate copy its disks"
	else
		echo "<blockio logical_block_size='${sector[$1]}' physical_block_size='${sector[$1]}'/> for $1 in the definition on $(name_of old) (virsh edit), and plan again"
	fi
}

# compare_sectors: of a disk that is copied by itself.  A partition table is found only by a system that
# sees the sectors for which it was made; of those in a file, nothing but 512 bytes is likely.
compare_sectors() {
	local ours

	device_sector old "${source[disk]}"
	ours=$device_sector
	device_sector new "${target[disk]}"
	[ "${ours/#0/512}" != "${device_sector/#0/512}" ] && has_boot_sector disk || return 0
	warn "${target[disk]} has sectors of ${device_sector/#0/512} bytes, and ${source[disk]} of ${ours/#0/512}: a system that sees those of its device does not find the partitions of the copy; a virtual machine does with <blockio logical_block_size='${ours/#0/512}'/>"
}

# has_boot_sector DISK: whether it begins as disks with partitions do, or with a boot sector that
# itself says how large sectors are.
has_boot_sector() {
	asks_yes old bash -c '
		case $2 in
		qcow2)
			file=$(mktemp) || exit 2
			qemu-img dd -U -f qcow2 -O raw bs=512 count=1 "if=$1" "of=$file" || exit 2
			;;
		*) file=$1 ;;
		esac
		text=$(head -c 512 -- "$file" | od -An -v -tx1 | tr -d " \n")
		[ "$file" = "$1" ] || rm -f "$file"
		[ ${#text} = 1024 ] || exit 2
		[ "${text:1020}" = 55aa ]' boot-sector "${source[$1]}" "${kind[$1]}"
}
