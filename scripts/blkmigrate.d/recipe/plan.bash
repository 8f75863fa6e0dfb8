# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The machine to move, and where each part of it goes.

disk_map=() net_map=() drives=empty dir_option=''
# What tells this very file or volume from another of the same name.
declare -A identity=() format=() planned_kind=()

# make_plan: find out all that there is to know, and touch nothing.
make_plan() {
	[ -n "${address[new]}" ] || usage_error "say where $vm goes: --to HOST"
	random_hex 6
	id=${id:-$random}
	read_definition
	learn_definition
	new_name=${new_name:-$vm}
	if [ -z "$new_uuid" ]; then
		new_uuid=$uuid
		! $new_uuid_wanted || new_uuid=$(cat /proc/sys/kernel/random/uuid)
	fi
	was_running=$(source_state) || exit
	choose_memory
	use_pool
	find_disks
	find_rooms
	find_sectors
	find_parts
	make_target_xml
	make_first_boot_xml
	make_fenced_xml
	find_tunnel
	plan_made=true
}

# other_name: for messages: its name on the new host, if that differs.
other_name() {
	[ "$new_name" = "$vm" ] || printf ' as %s' "$new_name"
	[ "$new_uuid" = "$uuid" ] || printf ' (%s)' "$new_uuid"
}

# find_disks: fill in what is known about each.  A disk that cannot be copied is a problem; all
# problems are reported together.
find_disks() {
	local fields known=()

	disks=() shared=() swaps=() skipped=() media=() media_there=()
	mapfile -t fields < <(xsltproc --nonet "$here/machine/disks.xsl" "$private/source.xml")
	while [ ${#fields[@]} -ge 8 ]; do
		[[ ${fields[1]} != disk && ${fields[1]} != lun ]] || known+=("${fields[0]}")
		if contains "${fields[0]}" "${known[@]}" && is_skipped "${fields[0]}"; then
			skipped+=("${fields[0]}")
		elif [ "${fields[1]}" = disk ]; then
			find_disk "${fields[@]:0:8}"
		elif [ "${fields[1]},$drives" = cdrom,copy ]; then
			find_medium "${fields[0]}" "${fields[@]:2:5}"
		elif [ "${fields[1]}" = lun ]; then
			problem "${fields[0]} is a LUN that is passed through" "detach it: it cannot be copied"
		fi
		fields=("${fields[@]:8}")
	done
	find_assembled
	check_selection "${known[@]}"
	find_later
	[ ${#disks[@]} -gt 0 ] || [ ${#shared[@]} -gt 0 ] || problem "$vm has no disk that could be copied" "define it on the other host by hand"
}

find_disk() {
	local disk=$1 type=$3 driver=$4 path=$5 volume_pool=$6 name=$7 word

	[[ $disk =~ ^[A-Za-z0-9]+$ ]] || { problem "a disk is called \"$disk\"" "give it a name like vda" && return; }
	for word in $8; do
		case $word in
		shareable) problem "$disk is shareable: others may write to it" "detach it, or make it private" ;;
		transient) problem "$disk is transient" "remove <transient/>" ;;
		encryption | auth) problem "$disk needs a secret ($word) that is not copied" "migrate it by hand" ;;
		backing) problem "$disk has a backing chain" "virsh blockpull makes one image of it" ;;
		slices) problem "$disk is a slice of an image" "migrate it by hand" ;;
		esac
	done
	case $type in
	file | block) ;;
	volume)
		vm_ask old "$a_line" vol-path --pool "$volume_pool" -- "$name" ||
			{ problem "$disk: volume $name of pool $volume_pool has no path" "start the pool: virsh pool-start $volume_pool" && return; }
		path=$answer
		;;
	network)
		problem "$disk is a network disk: both hosts can reach it" "define the virtual machine there; there is nothing to copy"
		return
		;;
	*)
		problem "$disk is of type $type" "only file, block and volume can be copied"
		return
		;;
	esac
	[[ $path == /* && $path != *$'\xef\xbf\xbd'* ]] || { problem "$disk has no usable path" "look at virsh dumpxml" && return; }
	source[$disk]=$path
	if contains "$disk" "${swaps_wanted[@]}"; then
		swaps+=("$disk")
		inspect_swap "$disk" "${driver:-raw}"
	else
		inspect_vm_disk "$disk" "${driver:-raw}"
		if is_shared "$disk" || is_shared_volume "$disk"; then
			shared+=("$disk")
		else
			disks+=("$disk")
		fi
	fi
}

# inspect_vm_disk DISK FORMAT: like inspect_source; the size of a qcow2 file is the one that the
# guest sees.
inspect_vm_disk() {
	local disk=$1

	if ! look_at_source "$disk"; then
		kind[$disk]="file" size[$disk]=1 volume[$disk]=''
		problem "$disk: $(name_of old): ${source[$disk]}: $why" "start $vm once, or mend its XML"
		choose_target "$disk" "$group_option"
		return
	fi
	case $2,${kind[$disk]} in
	raw,*) ;;
	qcow2,file)
		kind[$disk]=qcow2
		inspect_qcow2 "$disk"
		;;
	*) problem "$disk is of format $2 on a ${kind[$disk]}" "only raw disks, and files in raw or qcow2, can be copied" ;;
	esac
	identify "$disk"
	identity[$disk]=$identified
	choose_target "$disk" "$group_option"
}

inspect_qcow2() {
	local disk=$1 bytes

	# A failure of qemu-img is not a no: an image that cannot be read is a problem.
	asks_yes old true
	document old "$private/info" on old qemu-img info -U --output=json -f qcow2 -- "${source[$disk]}" ||
		{ problem "$disk: qemu-img cannot read ${source[$disk]}" "look at it with qemu-img check" && return; }
	# The size of the image, not of the files below it, which newer versions list as well.
	bytes=$(sed -n 's/^    "virtual-size": \([0-9]*\),*$/\1/p' "$private/info")
	[[ $bytes =~ ^($a_number)$ ]] || bytes=0
	size[$disk]=$bytes
	[ "${size[$disk]}" -gt 0 ] || problem "$disk: qemu-img does not say how large ${source[$disk]} is" "look at qemu-img info"
	if grep -q '^    "backing-filename":' "$private/info"; then
		problem "$disk has a backing chain" "virsh blockpull makes one image of it"
	fi
	! grep -q '"compat": "0.10"' "$private/info" || no_bitmap[$disk]=yes
	if grep -q '^    "snapshots": \[' "$private/info"; then
		problem "$disk has internal snapshots, which would be lost" "remove them: qemu-img snapshot -d"
	fi
}

# choose_target DISK GROUP: as --map-disk says, or in the volume group if one is given, or as --dir
# says; else the path that it has now.
choose_target() {
	local disk=$1 group=$2 path=${source[$1]} name mapped='' entry

	name=$(basename -- "$path")
	for entry in "${disk_map[@]}"; do
		[ "${entry%%=*}" != "$disk" ] || mapped=${entry#*=}
	done
	target_kind[$disk]="file" target_volume[$disk]=''
	[ "${kind[$disk]}" != qcow2 ] || target_kind[$disk]=qcow2
	# The disk that it becomes a part of has a place.
	! is_partition "$disk" || { target[$disk]='' target_kind[$disk]="file" && return; }
	if [ -n "$mapped" ]; then
		target[$disk]=$mapped
	elif [ -n "$group" ]; then
		name=${name%.qcow2} name=${name%.img} name=${name%.raw}
		name=${name//[^A-Za-z0-9_+.-]/_}
		target[$disk]=/dev/$group/${name/#-/_}
	elif [ -n "$dir_option" ]; then
		[ "${kind[$disk]}" = file ] || [ "${kind[$disk]}" = qcow2 ] || name+=.img
		target[$disk]=$dir_option/$name
	elif [ -n "${volume[$disk]}" ]; then
		target[$disk]=/dev/${volume[$disk]}
	else
		target[$disk]=$path
	fi
	case ${target[$disk]} in
	/dev/*) target_kind[$disk]=lvm ;;
	*.qcow2) target_kind[$disk]=qcow2 ;;
	*.img | *.raw) target_kind[$disk]="file" ;;
	/*) ;;
	*) problem "$disk would go to ${target[$disk]}" "name a path from / on" ;;
	esac
	if [ "${target_kind[$disk]}" = lvm ]; then
		volume_of_path new "${target[$disk]}"
		target_volume[$disk]=$found_volume
		[ -n "${target_volume[$disk]}" ] ||
			problem "$disk would go to ${target[$disk]}, and there is no such volume group there" \
				"--vg, --dir or --map-disk $disk=PATH name another place"
	fi
}
