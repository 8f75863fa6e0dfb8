# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The map of a target that blkwrite makes while all of a disk is copied, to/ID/DISK.map on the new
# host: with it the next pass by map reads the old side alone.
#
# It is used once, by the pass after the copy, and only for a regular file on a file system of that
# host, whose kernel notes each write to it: beside the map, in DISK.map.of, stands what it belongs to,
# as map_of_what prints it.  If any of that is not so any more, the target is read again.  A device has
# no such note, and the file of a qcow2 disk is written by QEMU after blkwrite has ended.
#
# mapping[DISK] is set while a copy makes a map.

declare -A mapping=()

map_path() {
	printf '%s/%s.map\n' "$(state_of new)" "$1"
}

# map_of_what: on the new host, print what a map belongs to: the migration and its size as the caller
# gives them, this boot, and of the target its file system, inode, size and last change.  False for
# what another host, or another mount of the same disk, may write to.
map_of_what='
map_of_what() {
	local boot kind

	[ -f "$2" ] && read -r boot </proc/sys/kernel/random/boot_id && kind=$(stat -f -c %T -- "$2") || return
	case $kind in
	ext2/ext3 | xfs | btrfs | f2fs | zfs | tmpfs | ramfs | overlayfs) ;;
	*) return 1 ;;
	esac
	echo "blkmigrate-map 1 $1 $boot $(stat -L -c "%d:%i %s %.9Z" -- "$2")"
}
'

# begin_map DISK: all of it is about to be copied.  What is no disk, as a medium or an image of memory,
# has no next pass.  Where there is no room for a map none is made: a hash of 16 bytes for each 64 KiB,
# and as much again, and 16 MiB, for what else is kept there.
begin_map() {
	unset "mapping[$1]"
	! $dry_run && [[ " ${disks[*]} " == *" $1 "* ]] || return 0
	[ "${target_kind[$1]}" = file ] && ! several_lanes && is_next_by_map "$1" || return 0
	guarded new bash -c '
		umask 077
		map=$1
		rm -f -- "$map" "$map.of" && mkdir -p -m 700 -- "${map%/*}" || exit
		room=$(df --output=avail -B1 -- "${map%/*}") && room=${room##*[[:space:]]} || exit
		[[ $room =~ ^[0-9]{1,18}$ ]] && [ "$room" -ge "$2" ]' begin-map \
		"$(map_path "$1")" $((size[$1] / 2048 + (16 << 20))) || return 0
	mapping[$1]=yes
}

# is_next_by_map DISK: nothing on the old host knows what has changed.  Of a target with several
# partitions the kernel does not note which was written to.
is_next_by_map() {
	[ -z "${within[$1]:-}" ] || return
	case ${kind[$1]} in
	file | block) ;;
	lvm | thin) ! $snapshots_wanted ;;
	*) false ;;
	esac
}

# record_map DISK: the copy has succeeded.  Blkwrite ends the map after it has closed the target, so
# whatever has changed the target later than the map has written to it since.
record_map() {
	[ -n "${mapping[$1]:-}" ] || return 0
	guarded new bash -c "$map_of_what"'
		umask 077
		map=$1
		what=$(map_of_what "$2" "$3") || exit
		ended=$(stat -c %.9Y -- "$map") && changed=${what##* } || exit
		[ "${changed/.}" -le "${ended/.}" ] && echo "$what" >"$map.of"' record-map \
		"$(map_path "$1")" "$id ${size[$1]}" "${target[$1]}" || true
	unset "mapping[$1]"
}

# take_map DISK: whether there is a map of its target that holds; it is not used a second time, for
# what follows changes the target.
take_map() {
	local disk=$1

	! $dry_run && [ "${target_kind[$disk]}" = file ] || return
	ask new 'good|none|stale' bash -c "$map_of_what"'
		map=$1
		[ -e "$map.of" ] || { echo none; exit; }
		was=$(cat -- "$map.of") && rm -f -- "$map.of" || exit
		if what=$(map_of_what "$2" "$3") && [ "$what" = "$was" ]; then
			echo good
		else
			rm -f -- "$map"
			echo stale
		fi' take-map "$(map_path "$disk")" "$id ${size[$disk]}" "${target[$disk]}" || return
	[ "$answer" != stale ] ||
		say "$disk: something has changed ${target[$disk]} on $(name_of new) since it was copied: its map is made again"
	[ "$answer" = good ]
}

# --- targets that nobody has written to ---------------------------------------------

# note_untouched: at the end of prepare: the next command may send all of a disk as an image, with its
# digest, where nothing has been sent yet.
note_untouched() {
	local disk

	! $dry_run || return 0
	for disk in "${disks[@]}"; do
		[ -z "${made[$disk]:-}" ] || [ -n "${finished[untouched-$disk]:-}" ] || journal 'done' "untouched-$disk"
	done
}

# find_untouched: set made for those that are still as they were made.  A file that is no longer all
# hole is compared by a map, which writes only what differs.
find_untouched() {
	local disk

	for disk in "${disks[@]}"; do
		[ -n "${finished[untouched-$disk]:-}" ] && [ -z "${made[$disk]:-}" ] || continue
		if [ "${target_kind[$disk]}" = file ]; then
			ask new "$a_number" stat -L -c %b -- "${target[$disk]}" && [ "$answer" = 0 ] || continue
		fi
		made[$disk]=yes
	done
}
