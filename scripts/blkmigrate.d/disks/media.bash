# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The discs in CD-ROM drives, with --copy-media.  A file that must be copied is made and marked like
# a disk; if the new host has an identical file already, that is used as it is.  Even a purge keeps
# the old host's file, since other machines may have it in their drives.

# media are copied; media_there are on the new host already.
media=() media_there=()

# find_medium DEV TYPE FORMAT PATH POOL VOLUME: record the medium of a drive, if there is one in it.
find_medium() {
	local drive=$1 path=$4

	if [ "$2" = volume ]; then
		vm_ask old "$a_line" vol-path --pool "$5" -- "$6" || answer=''
		path=$answer
	fi
	[ -n "$path" ] || [ "$2" = network ] || return 0
	[[ $drive =~ ^[A-Za-z0-9]+$ && $path == /* && $path != *$'\xef\xbf\xbd'* && ${3:-raw} == raw ]] &&
		asks_yes old test -f "$path" || {
		remark "the medium in the drive $drive is not a raw file that can be copied${path:+: $path}; the drive will be empty"
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

# choose_medium_target DRIVE: an image of a disc is always a file, whatever --vg says.
choose_medium_target() {
	choose_target "$1" ''
	[ "${target_kind[$1]}" = file ] ||
		problem "the medium in the drive $1 would go to ${target[$1]}" "name a file that ends in .iso or .img"
}

# same_medium DRIVE: whether the new host has a file there with the same digest.
same_medium() {
	local ours theirs

	ask -q new "$a_line" stat -L -c '%F %s' -- "${target[$1]}" && [ "$answer" = "regular file ${size[$1]}" ] || return 1
	ask old "$any_text" blksum --medium "${source[$1]}" || return 1
	ours=$(digest "$answer")
	ask new "$any_text" blksum --medium "${target[$1]}" || return 1
	theirs=$(digest "$answer")
	[[ $ours == blk128:* && $ours = "$theirs" ]]
}

# copy_media: copy them before the disks, when no downtime depends on it.
copy_media() {
	local drive

	for drive in "${media[@]}"; do
		copy_disk "$drive"
		compare "$drive" "${source[$drive]}" ||
			die "${target[$drive]} on $(name_of new) differs from ${source[$drive]}; the same command copies it again"
	done
}
