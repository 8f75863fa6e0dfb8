# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The identity of a disk, independent of its name: a path may lead to another disk tomorrow.
#
# An identity is one word: the UUID of a volume; file.INODE.BIRTH of a file, whose inode may be that
# of another one later; of another device what its driver knows it by (the UUID of a device-mapper
# device, the name that a disk has of its maker, what lies behind a loop device), and only where
# there is none of these its number, which may be another one's after the next boot.

# shellcheck disable=SC2034
a_identity='[A-Za-z0-9_.:+-]{1,300}'

# A function for scripts on a host.
identity_of='
identity_of() {
	local path=$1 major minor number folder name said

	if [ -f "$path" ]; then
		stat -L -c "file.%i.%W" -- "$path"
		return
	fi
	[ -b "$path" ] || return
	if said=$(lvs --noheadings -o lv_uuid "$path" 2>/dev/null) && [[ $said =~ [A-Za-z0-9-]+ ]]; then
		echo "${BASH_REMATCH[0]}"
		return
	fi
	said=$(stat -L -c "%t %T" -- "$path") && read -r major minor <<<"$said" || return
	printf -v number "%d:%d" "0x$major" "0x$minor"
	folder=/sys/dev/block/$number
	for name in dm/uuid wwid device/wwid serial device/serial ../wwid ../device/wwid ../serial ../device/serial; do
		# Of a partition the disk tells, and the number of the partition.
		[[ $name != ../* ]] || [ -e "$folder/partition" ] || continue
		[ -s "$folder/$name" ] || continue
		said=$(tr -d " \n" <"$folder/$name" | tr -c "A-Za-z0-9_.:+-" _) || return
		[ -n "$said" ] || continue
		[ ! -e "$folder/partition" ] || said+=.$(cat "$folder/partition") || return
		echo "disk.${said:0:250}"
		return
	done
	if [ -e "$folder/loop/backing_file" ] && name=$(cat "$folder/loop/backing_file") && [ -f "$name" ]; then
		said=$(stat -L -c "%i.%W" -- "$name") || return
		echo "loop.$said.$(cat "$folder/loop/offset")"
		return
	fi
	echo "device.$number"
}'

# identify DISK: set $identified to the identity of what is at source[DISK].
identified=''
identify() {
	ask old "$a_identity" bash -c "$identity_of"'
		identity_of "$1"' identity "${source[$1]}" ||
		die "$(name_of old): ${source[$1]} cannot be looked at"
	identified=$answer
}

# A digest of who a host is, and of some words.  Hosts that are clones of one have its machine-id.
digest_here='
digest_here() {
	{
		cat /etc/machine-id 2>/dev/null
		uname -n
		[ $# = 0 ] || printf "%s\0" "$@"
	} | sha256sum
}'

# identify_host: set $host_identity to the old host's.
host_identity=''
identify_host() {
	ask old '[0-9a-f]{64}  -' bash -o pipefail -c "$digest_here"'
		digest_here' host || die "$(name_of old) cannot be asked for its identity"
	host_identity=${answer%% *}
}

# identify_copy: set $id, from the one disk that copy reads and from the place where it goes: the
# words that were typed may mean another disk on another host, or in another folder.
identify_copy() {
	local from

	ask old '[0-9a-f]{64}  -' bash -o pipefail -c "$identity_of$digest_here"'
		identity=$(identity_of "$1") || exit
		case $identity in
		file.*) digest_here "$identity" "$(realpath -e -- "$1")" ;;
		*) digest_here "$identity" ;;
		esac' copy "${source[disk]}" || die "$(name_of old): ${source[disk]} cannot be looked at"
	from=$answer
	# A disk that does not exist yet has only a name; and the name of a volume survives a reboot.
	ask new '[0-9a-f]{64}  -' bash -o pipefail -c "$identity_of$digest_here"'
		if [ -n "$2" ]; then
			digest_here "$2"
		elif [ -b "$1" ]; then
			identity=$(identity_of "$1") && digest_here "$identity"
		else
			path=$(realpath -m -- "$1") && digest_here "$path"
		fi' copy "${target[disk]}" "${target_volume[disk]}" ||
		die "$(name_of new): ${target[disk]} cannot be looked at"
	id=$(printf '%s\n' "$from" "$answer" | sha256sum)
	id=${id:0:12}
}
