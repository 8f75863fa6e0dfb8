# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# How large a target is: as the disk, or larger by --size; and thin volumes, which --vg GROUP/POOL asks
# for.  What is behind the end of the disk is zeros.

# room[DISK] is the size of its target in bytes; empty: that of the disk.
declare -A room=()
sizes_wanted=()

# thin_pool is GROUP/POOL: volumes that are made in that group are thin ones of that pool.
thin_pool=''

# room_of DISK: print it.
room_of() {
	printf '%s\n' "${room[$1]:-${size[$1]}}"
}

# is_larger DISK: whether it is; what is no disk of the machine, as the image of its memory, is not.
is_larger() {
	[ -n "${room[$1]:-}" ] && [ "${room[$1]}" -gt "${size[$1]}" ]
}

# find_room DISK: from --size [DISK=]SIZE, +SIZE is so much more; the last that is for the disk counts,
# and one without a disk is for all others.  False, with the reason in $why, if that cannot be.
find_room() {
	local disk=$1 entry wanted='' for_all=''

	for entry in "${sizes_wanted[@]}"; do
		case $entry in
		"$disk="*) wanted=${entry#*=} ;;
		*=*) ;;
		*) for_all=$entry ;;
		esac
	done
	wanted=${wanted:-$for_all}
	[ -n "$wanted" ] && [ -z "${within[$disk]:-}" ] || return 0
	parse_size "${wanted#+}" || return
	[[ $wanted != +* ]] || parsed=$((parsed + size[$disk]))
	parsed=$(((parsed + 511) / 512 * 512))
	room[$disk]=$parsed
	why="${wanted} is less than the ${size[$disk]} bytes that the disk has, and a disk cannot be made smaller"
	[ "$parsed" -ge "${size[$disk]}" ]
}

# find_rooms: of all disks that have a place.
find_rooms() {
	local disk entry

	for disk in "${disks[@]}"; do
		find_room "$disk" || problem "$disk: --size $why" "leave out --size, or name a larger one"
	done
	for entry in "${sizes_wanted[@]}"; do
		[[ $entry != *=* ]] || { contains "${entry%%=*}" "${disks[@]}" && [ -z "${within[${entry%%=*}]:-}" ]; } ||
			problem "--size $entry: no disk ${entry%%=*} is copied as a whole" "virsh domblklist $(quote "$vm") shows its disks"
	done
}

# ends_before DISK: whether its end is before that of a file, which blkwrite has to leave as large as it is.
ends_before() {
	[[ ${target_kind[$1]} == @(file|qcow2) ]] && is_larger "$1"
}

# is_thin_target DISK
is_thin_target() {
	[ -n "$thin_pool" ] && [ "${target_kind[$1]}" = lvm ] && [ "${target_volume[$1]%/*}" = "${thin_pool%/*}" ]
}

# look_at_pool: set $pool_zeroes to whether a new block of the pool reads as zeros where nothing was
# written to it, $pool_free to the bytes that are left in it, and $group_free to those by which it can
# be extended.  False if there is no such thin pool.
pool_zeroes=no pool_free=0 group_free=0
look_at_pool() {
	ask new "(yes|no) ($a_number) ($a_number)|no thin pool" bash -c '
		list=$(lvs --noheadings --nosuffix --units b --separator "|" -o segtype,zero,lv_size,data_percent,vg_free "$1" 2>/dev/null) || list=""
		IFS="|" read -r type zero size percent free <<<"${list//[[:blank:]]/}"
		[ "$type" = thin-pool ] || { echo "no thin pool"; exit; }
		left=$(awk -v size="$size" -v percent="$percent" "BEGIN { printf \"%.0f\", size * (100 - percent) / 100 }") || exit
		[ "$zero" = zero ] && zero=yes || zero=no
		echo "$zero $left $free"' thin-pool "$thin_pool" ||
		die "$(name_of new) cannot be asked about the thin pool $thin_pool"
	read -r pool_zeroes pool_free group_free <<<"$answer"
	[ "$answer" != "no thin pool" ]
}

# reads_as_zeros DISK: the target was made a moment ago, and nobody has written to it.
reads_as_zeros() {
	[ -n "${made[$1]:-}" ] || return
	[ "${target_kind[$1]}" = file ] || { is_thin_target "$1" && [ "$pool_zeroes" = yes ]; }
}

# make_thin_volume DISK
make_thin_volume() {
	$dry_run || look_at_pool || die "$(name_of new): $thin_pool is no thin pool: lvs $(quote "${thin_pool%/*}") shows those that it has"
	act new lvcreate -q -q -y -V "$(bytes_for_lvm "$1")" --thinpool "${thin_pool#*/}" -n "${target_volume[$1]#*/}" \
		--addtag "blkmigrate:$id" "${thin_pool%/*}" >/dev/null ||
		die "$(name_of new): the thin volume ${target_volume[$1]} of $(room_of "$1") bytes cannot be made in $thin_pool"
}

# bytes_for_lvm DISK: print its size as lvcreate takes it, which rounds it up to whole extents.
bytes_for_lvm() {
	printf '%sb\n' "$((($(room_of "$1") + 511) / 512 * 512))"
}

# check_thin_pool: a pool that is full stops whoever writes to any of its volumes.
check_thin_pool() {
	local disk whole=0 sent=0

	for disk in "${placed[@]}"; do
		is_thin_target "$disk" && [ "${at_target[$disk]}" = absent ] || continue
		whole=$((whole + $(room_of "$disk")))
		sent=$((sent + ${to_send[$disk]:-${size[$disk]}}))
	done
	[ "$whole" -gt 0 ] || return 0
	look_at_pool || {
		problem "$(name_of new) has no thin pool $thin_pool" "lvs ${thin_pool%/*} shows those that it has; --vg ${thin_pool%/*} makes volumes that are not thin"
		return
	}
	if [ "$((pool_free + group_free))" -lt "$sent" ]; then
		problem "the thin pool $thin_pool on $(name_of new) has $pool_free bytes free, and up to $sent are sent" "lvextend it, or name another one"
	elif [ "$pool_free" -lt "$whole" ]; then
		remark "the thin pool $thin_pool on $(name_of new) has $pool_free bytes free, and $vm may fill $whole: a pool that is full stops all machines that write to it"
	fi
}

# warn_of_pool: of a disk that is copied by itself.
warn_of_pool() {
	[ "$pool_free" -ge "${size[disk]}" ] ||
		warn "the thin pool $thin_pool on $(name_of new) has $pool_free bytes free, and the disk ${size[disk]}: a pool that is full stops all who write to it"
}

# warn_of_end: of a disk that is copied by itself: where its end is not the target's.
warn_of_end() {
	local whole

	ask new "$a_number" bash -c 'if [ -b "$1" ]; then blockdev --getsize64 "$1"; else stat -L -c %s -- "$1"; fi' \
		size "${target[disk]}" || die "$(name_of new): ${target[disk]}: its size cannot be read"
	whole=$answer
	[ "$whole" -gt "${size[disk]}" ] && has_gpt disk || return 0
	warn "${target[disk]} is larger than the disk by $((whole - size[disk])) bytes, and the backup header of its GPT is before its end: $(gpt_remedy "${target[disk]}")"
}

gpt_remedy() {
	printf 'sgdisk -e %s (or sfdisk --relocate gpt-bak-std %s) moves it\n' "$1" "$1"
}
