# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Partitions without a disk, as Xen has them, become one disk on the new host, whose table has them by
# their numbers: xvda1 and xvda3 are 1 and 3 of vda.
#
# Each of them is copied, compared and patched as any disk, to its range of the target.  The disk itself,
# in assembled, is made, marked, defined and removed; the old host has none like it.  The partitions
# are in sliced, and in disks or swaps.
#
# within[DISK] is the disk that a partition belongs to, offset[DISK] its first byte there, and
# extent[DISK] the bytes that it has there; holds[DISK] is linux or swap.

table=gpt
assembled=() sliced=()
declare -A within=() offset=() extent=() holds=()

is_partition() {
	is_xen && [[ $1 =~ ^vd[a-z]{1,3}[1-9][0-9]{0,2}$ ]]
}

# find_assembled: which disks there will be, of what is copied or made anew.
find_assembled() {
	local disk

	within=() offset=() extent=() holds=() assembled=()
	for disk in "${disks[@]}" "${swaps[@]}"; do
		! is_partition "$disk" || within[$disk]=${disk%%[0-9]*}
	done
	list_assembled
	for disk in "${assembled[@]}"; do
		find_members "$disk"
		find_assembled_place "$disk"
	done
}

# list_assembled: fill it, sliced and placed from what is known of each disk.
list_assembled() {
	local disk

	placed=() assembled=() sliced=()
	for disk in "${disks[@]}" "${swaps[@]}"; do
		if [ -z "${within[$disk]:-}" ]; then
			placed+=("$disk")
			continue
		fi
		sliced+=("$disk")
		contains "${within[$disk]}" "${assembled[@]}" || assembled+=("${within[$disk]}")
	done
	placed+=("${media[@]}" "${assembled[@]}")
}

# members_of DISK: set $members to its partitions, by their numbers.
members=()
members_of() {
	local each

	mapfile -t members < <(for each in "${sliced[@]}"; do
		[ "${within[$each]}" != "$1" ] || printf '%s\n' "$each"
	done | sort -V)
}

# find_members DISK: what is in each partition, and where it comes to lie.
find_members() {
	local disk each

	members_of "$1"
	for each in "${members[@]}"; do
		ask old 'linux|swap' bash -c '
			status=0
			type=$(blkid -p -s TYPE -o value -- "$1" 2>/dev/null) || status=$?
			case $status,$type in
			0,swap) echo swap ;;
			0,* | 2,* | 8,*) echo linux ;;
			*) exit 1 ;;
			esac' holds "${source[$each]}" || die "$(name_of old): ${source[$each]} cannot be looked at with blkid"
		holds[$each]=$answer
		extent[$each]=${size[$each]}
	done
	lay_out_members "$1" || problem "$1 of ${members[*]}: $why" "--table gpt"
	size[$1]=$disk_bytes
	for disk in "${!members[@]}"; do
		each=${members[disk]}
		offset[$each]=${entry_starts[disk]} extent[$each]=${entry_lengths[disk]}
	done
}

# lay_out_members DISK: fill the lists of disks/table.bash.
lay_out_members() {
	local each

	members_of "$1"
	entry_numbers=() entry_types=() entry_sizes=() entry_boots=()
	for each in "${members[@]}"; do
		entry_numbers+=("${each#"$1"}") entry_types+=("${holds[$each]}")
		entry_sizes+=("${extent[$each]}") entry_boots+=(false)
	done
	lay_out "$table"
}

# find_assembled_place DISK: beside its first partition, called after the machine, or where the options
# say.  A volume ends with a whole extent, and so does the disk, for the end has a copy of the table.
find_assembled_place() {
	local each=${members[0]} name=${vm//[^A-Za-z0-9_+.-]/_}-$1

	kind[$1]="file" volume[$1]='' source[$1]=$(dirname -- "${source[$each]}")/$name.img
	[ -z "${volume[$each]}" ] || kind[$1]=lvm source[$1]=/dev/${volume[$each]%/*}/$name volume[$1]=${volume[$each]%/*}/$name
	choose_target "$1" "$group_option"
	kind[$1]='' source[$1]='' volume[$1]='' identity[$1]=''
	if [ "${target_kind[$1]}" = lvm ] && [ -n "${target_volume[$1]}" ] &&
		ask new '[1-9][0-9]{0,17}' vgs --noheadings --nosuffix --units b -o vg_extent_size "${target_volume[$1]%/*}"; then
		size[$1]=$(((size[$1] + answer - 1) / answer * answer))
	fi
	for each in "${members[@]}"; do
		target[$each]=${target[$1]} target_kind[$each]=${target_kind[$1]} target_volume[$each]=${target_volume[$1]}
	done
}

# where_within DISK: for messages: print which bytes of its target it becomes; nothing if all.
where_within() {
	[ -z "${within[$1]:-}" ] ||
		printf ', bytes %s to %s: partition %s of %s' "${offset[$1]}" $((offset[$1] + extent[$1] - 1)) \
			"${1#"${within[$1]}"}" "${within[$1]}"
}

# show_assembled: for the plan.
show_assembled() {
	local disk

	for disk in "${assembled[@]}"; do
		say "  $disk: made of partitions, with a table ($table), $(human "${size[$disk]}")"
		say "    becomes ${target_kind[$disk]} ${target[$disk]}"
	done
}

# check_assembled: its first start needs a kernel, for it has no loader.
check_assembled() {
	local disk each

	for disk in "${assembled[@]}"; do
		members_of "$disk"
		remark "$disk on $(name_of new) is made of ${members[*]/#vd/xvd}, which keep their numbers: /dev/xvd${members[0]#vd} in the guest's /etc/fstab is /dev/${members[0]} there, and UUID= holds on both"
		for each in "${members[@]}"; do
			[ "$(xml_value "count(/domain/devices/disk[target/@dev = '$each']/readonly)" "$private/source.xml")" = 0 ] ||
				remark "$each is read-only in $xen_config; on $(name_of new) it is a part of $disk, to which $vm can write"
		done
	done
	[ ${#assembled[@]} -gt 0 ] && [ "$was_running" != 'shut off' ] && [ -z "$first_boot" ] || return 0
	for disk in "${disks[@]}"; do
		[ -n "${within[$disk]:-}" ] || return 0
	done
	problem "$vm has partitions without a loader, so it cannot boot by itself on $(name_of new)" \
		"--first-boot kernel=PATH,initrd=PATH,cmdline=TEXT boots it once; blkassemble(1) says how it gets a loader then"
}

# --- made -------------------------------------------------------------------------

# make_tables: what is between the partitions is zeroed, and the table written; none of that has a copy
# in it, so that repeating it does no harm.
make_tables() {
	local disk each

	for disk in "${assembled[@]}"; do
		lay_out_members "$disk" || die "$disk: $why"
		[ "${target_kind[$disk]}" != lvm ] || clear_between "$disk"
		sink_open "$disk"
		write_table "$disk" "${sink[$disk]:-${target[$disk]}}"
		sink_close "$disk"
		for each in "${members[@]}"; do
			[ -z "${made[$disk]:-}" ] || made[$each]=yes
		done
		unset "made[$disk]"
	done
}

# clear_between DISK: a new volume has another one's old data.
clear_between() {
	local each at=0

	for each in "${members[@]}"; do
		zero_bytes "$1" "$at" $((offset[$each] - at))
		at=${offset[$each]}
		contains "$each" "${swaps[@]}" || at=$((at + size[$each]))
		[ "$at" -gt "${offset[$each]}" ] || at=$((at + extent[$each]))
	done
	zero_bytes "$1" "$at" $((size[$1] - at))
}

# write_table DISK FILE: with sectors of 512 bytes, as the guest sees them, whatever the host's device
# has; so sfdisk writes it to a sparse file.
write_table() {
	perform new "sfdisk $(quote "$2") # $(table_lines "$table" | tr '\n' ';')" '
set -e
file=$(mktemp)
trap "rm -f -- \"$file\"" EXIT
truncate -s "$2" -- "$file"
printf "%s\n" "$3" | sfdisk -q -w never -W never -- "$file"
dd "if=$file" "of=$1" bs=1M count=1 conv=notrunc,fsync status=none
dd "if=$file" "of=$1" bs=1M iflag=skip_bytes oflag=seek_bytes \
	"skip=$(($2 - 1048576))" "seek=$(($2 - 1048576))" conv=notrunc,fsync status=none' \
		"$2" "${size[$1]}" "$(table_lines "$table")" ||
		die "$(name_of new): no partition table can be written to ${target[$1]}"
}

# make_swap_within DISK COMMAND ...: mkswap has no offset, so the header comes from a sparse file.
make_swap_within() {
	local disk=$1

	shift
	[ "${target_kind[$disk]}" != lvm ] ||
		act new blkdiscard -z -o "${offset[$disk]}" -l "${extent[$disk]}" -- "${target[$disk]}" ||
		die "$(name_of new): ${target[$disk]} cannot be zeroed"
	sink_open "$disk"
	perform new "$(quote "$@") # at ${offset[$disk]} of $(quote "${target[$disk]}")" '
set -e
target=$1 offset=$2
file=$(mktemp)
trap "rm -f -- \"$file\"" EXIT
truncate -s "$3" -- "$file"
shift 3
"$@" -- "$file" >/dev/null
dd "if=$file" "of=$target" bs=64K count=1 oflag=seek_bytes "seek=$offset" conv=notrunc,fsync status=none' \
		"${sink[$disk]:-${target[$disk]}}" "${offset[$disk]}" "${extent[$disk]}" "$@" 2>"$private/why" ||
		die "$(name_of new): no swap can be made on ${target[$disk]}: $(tail -n 1 "$private/why")"
	sink_close "$disk"
}
