# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The table of a disk that is made of partitions: where each of them lies, and what sfdisk is told.
# blkassemble and blkmigrate (disks/assemble.bash) fill the first four lists, one entry for each
# partition, in the order in which they lie on the disk, and call lay_out.

# The number of each, linux, swap or efi, its size in bytes, and whether it has the loader's flag.
entry_numbers=() entry_types=() entry_sizes=() entry_boots=()
# The first byte of each, its length, a multiple of 1 MiB, and the bytes of the disk.
entry_starts=() entry_lengths=()
disk_bytes=0

MiB=1048576

# lay_out gpt|mbr: partitions begin and end at a MiB.  Before the first is a MiB for the loader, or with
# a GPT the table and the BIOS boot partition; behind the last is a MiB for the second GPT.  False,
# with the reason in $why, where that table cannot have them.
lay_out() {
	local i at=$MiB

	[ "$1" = mbr ] || at=$((2 * MiB))
	entry_starts=() entry_lengths=()
	for i in "${!entry_numbers[@]}"; do
		entry_starts[i]=$at
		entry_lengths[i]=$(((entry_sizes[i] + MiB - 1) / MiB * MiB))
		at=$((at + entry_lengths[i]))
	done
	disk_bytes=$((at + MiB))
	why=''
	if [ "$1" = gpt ]; then
		[ "$(last_number)" -lt 128 ] || why="a GPT has 128 partitions, and one of these is number $(last_number)"
	elif [ "$(last_number)" -gt 4 ]; then
		why="an MBR has four partitions, and one of these is number $(last_number)"
	elif [ "$disk_bytes" -gt $((2 << 40)) ]; then
		why="an MBR ends at 2 TiB, and this disk has $disk_bytes bytes"
	fi
	default_boot
	[ -z "$why" ]
}

last_number() {
	local each last=0

	for each in "${entry_numbers[@]}"; do
		[ "$each" -le "$last" ] || last=$each
	done
	echo "$last"
}

# default_boot: the first that holds a file system has the flag, if none was named.
default_boot() {
	local i

	[[ " ${entry_boots[*]} " != *" true "* ]] || return 0
	for i in "${!entry_types[@]}"; do
		[ "${entry_types[i]}" != swap ] || continue
		entry_boots[i]=true
		return
	done
}

# table_lines gpt|mbr: print what sfdisk reads.
table_lines() {
	local i line label=$1

	[ "$1" = gpt ] || label=dos
	echo "label: $label"
	for i in "${!entry_numbers[@]}"; do
		line="${entry_numbers[i]}: start=$((entry_starts[i] / 1024))KiB, size=$((entry_lengths[i] / 1024))KiB, type=$(type_letter "${entry_types[i]}")"
		! "${entry_boots[i]}" || line+=$(boot_words "$1")
		echo "$line"
	done
	[ "$1" = mbr ] ||
		echo "$(($(last_number) + 1)): start=1024KiB, size=1024KiB, type=21686148-6449-6E6F-744E-656564454649"
}

boot_words() {
	if [ "$1" = mbr ]; then
		echo ', bootable'
	else
		echo ', attrs=LegacyBIOSBootable'
	fi
}

type_letter() {
	case $1 in
	swap) echo S ;;
	efi) echo U ;;
	*) echo L ;;
	esac
}
