# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What is in CD-ROM drives, with --copy-media.  A file that has to be copied is made and marked
# as disks are; one that the new host has already, byte for byte, is used as it is.  The old
# host's stays even at a purge, for other machines may have it in their drives.

# media are copied, media_there need not be.
media=() media_there=()

# find_medium DEV TYPE FORMAT PATH POOL VOLUME: of a drive, if there is something in it.
find_medium() {
	local drive=$1 path=$4

	[ "$2" != volume ] || path=$(vm_on old vol-path --pool "$5" -- "$6") || path=''
	[ -n "$path" ] || [ "$2" = network ] || return 0
	[[ $drive =~ ^[A-Za-z0-9]+$ && $path == /* && $path != *$'\xef\xbf\xbd'* && ${3:-raw} == raw ]] &&
		on old test -f "$path" || {
		remark "what is in the drive $drive is no raw file that could be copied${path:+: $path}; the drive will be empty"
		return
	}
	source[$drive]=$path
	inspect_source "$drive"
	choose_medium_target "$drive"
	if same_medium "$drive"; then
		media_there+=("$drive")
	else
		media+=("$drive")
	fi
}

# An image of a disc is a file there, too.
choose_medium_target() {
	local group_option=''

	choose_target "$1"
	[ "${target_kind[$1]}" = file ] ||
		problem "what is in the drive $1 would go to ${target[$1]}" "name a file that ends in .iso or .img"
}

# same_medium DRIVE: the new host has a file there with the same digest.
same_medium() {
	local ours theirs

	[ "$(on new stat -L -c '%F %s' -- "${target[$1]}" 2>/dev/null)" = "regular file ${size[$1]}" ] || return 1
	ours=$(on old blksum "${source[$1]}") && theirs=$(on new blksum "${target[$1]}") || return 1
	[ "$(digest "$ours")" = "$(digest "$theirs")" ]
}

# copy_media: before the disks, while nothing waits for it.
copy_media() {
	local drive

	for drive in "${media[@]}"; do
		copy_disk "$drive"
		compare "$drive" "${source[$drive]}" ||
			die "${target[$drive]} on $(name_of new) differs from ${source[$drive]}; the same command copies it again"
	done
}
