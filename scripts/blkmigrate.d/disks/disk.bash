# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The kind of each disk, its place on the new host, and the creation of its target.
#
# For each DISK (vda, or "disk" if there is only one): source[DISK] and target[DISK] are paths;
# kind[DISK] and target_kind[DISK] are lvm, thin, block, file or qcow2; volume[DISK] and
# target_volume[DISK] are VG/LV if it is a volume; size[DISK] is what a guest sees, in bytes.
# made[DISK] is set if this run made the target, which is still empty then.

declare -A source=() kind=() volume=() size=() target=() target_kind=() target_volume=() made=()

# inspect_source DISK: look_at_source, or die.
inspect_source() {
	look_at_source "$1" || die "$(name_of old): ${source[$1]}: $why"
}

# look_at_source DISK: fill kind, volume and size.  False, with the reason in $why, if it is no
# disk.
why=''
look_at_source() {
	local disk=$1

	ask old "(lvm|thin) ($a_number) $a_name/$a_name|(block|file) ($a_number)|neither a device nor a file|not there" bash -c '
		path=$1
		if [ -b "$path" ]; then
			if volume=$(lvs --noheadings --separator " " -o segtype,vg_name,lv_name "$path" 2>/dev/null); then
				read -r type group name _ <<<"$volume"
				[ "$type" = thin ] || type=lvm
				echo "$type $(blockdev --getsize64 "$path") $group/$name"
			else
				echo "block $(blockdev --getsize64 "$path")"
			fi
		elif [ -f "$path" ]; then
			echo "file $(stat -L -c %s "$path")"
		elif [ -e "$path" ]; then
			echo "neither a device nor a file"
		else
			echo "not there"
		fi' inspect "${source[$disk]}" || die "$(name_of old) cannot be asked about ${source[$disk]}"
	case $answer in
	lvm\ * | thin\ * | block\ * | file\ *)
		read -r "kind[$disk]" "size[$disk]" "volume[$disk]" <<<"$answer"
		;;
	*)
		why=$answer
		return 1
		;;
	esac
	why='has no size'
	[ "${size[$disk]}" -gt 0 ]
}

# volume_of_path HOST PATH: set $found_volume to VG/LV if the path is, or would be, that of a
# volume; else to nothing.
found_volume=''
volume_of_path() {
	ask "$1" "$a_name/$a_name|no volume" bash -c '
		path=$1
		if volume=$(lvs --noheadings --separator / -o vg_name,lv_name "$path" 2>/dev/null); then
			echo $volume
		elif [ ! -e "$path" ] && [[ $path =~ ^/dev/([A-Za-z0-9_+.][A-Za-z0-9_+.-]*)/([A-Za-z0-9_+.][A-Za-z0-9_+.-]*)$ ]] &&
			vgs "${BASH_REMATCH[1]}" >/dev/null 2>&1; then
			echo "${BASH_REMATCH[1]}/${BASH_REMATCH[2]}"
		else
			echo "no volume"
		fi' volume "$2" || die "$(name_of "$1") cannot be asked about $2"
	found_volume=${answer#no volume}
}

# look: print what is at the target: "absent", or whose it is ("ours", "other"), its kind and its
# size.  A volume is ours if it has our tag; a file, if it has a second name with the migration's id
# in it.
look='
path=$1 volume=$2 mark=$3 tag=$4
if [ -n "$volume" ]; then
	if ! list=$(lvs --noheadings --nosuffix --units b --separator "|" -o lv_size,lv_tags "$volume" 2>/dev/null); then
		if [ -e "$path" ] || [ -L "$path" ]; then
			echo "other thing 0"
			exit
		fi
		# An inactive volume has no path either; only the list of its group shows it.
		group=${volume%/*} found=$volume
		if ! list=$(lvs --noheadings --separator / -o vg_name,lv_name "$group" 2>/dev/null); then
			list=$(vgs --noheadings -o vg_name) || exit
			found=$group
		fi
		if grep -qxF -e "$found" <<<"${list//[[:blank:]]/}"; then
			echo "$found is there, and cannot be read" >&2
			exit 1
		fi
		echo absent
		exit
	fi
	IFS="|" read -r size tags <<<"${list//[[:blank:]]/}"
	case ,$tags, in
	*,"$tag",*) echo "ours volume $size" ;;
	*) echo "other volume $size" ;;
	esac
elif [ -b "$path" ]; then
	echo "other device $(blockdev --getsize64 "$path")"
elif [ -f "$path" ]; then
	if [ "$path" -ef "$mark" ]; then echo "ours file $(stat -L -c %s "$path")"
	else echo "other file $(stat -L -c %s "$path")"; fi
elif [ -e "$path" ] || [ -L "$path" ]; then
	echo "other thing 0"
else
	echo absent
fi'

# look_at_target DISK: fill $there.
there=''
look_at_target() {
	ask new "absent|(ours|other) (volume|device|file|thing) ($a_number)" bash -c "$look" look \
		"${target[$1]}" "${target_volume[$1]:-}" "$(mark_of "$1")" "blkmigrate:$id" ||
		die "$(name_of new) cannot be asked about ${target[$1]}"
	there=$answer
}

mark_of() {
	local path=${target[$1]}

	printf '%s/.%s.blkmigrate-%s\n' "$(dirname -- "$path")" "$(basename -- "$path")" "$id"
}

# make_target DISK: use one that is ours, make one that is absent, leave all else alone.
make_target() {
	local disk=$1

	look_at_target "$disk"
	case $there in
	ours*) ;;
	absent)
		case ${target_kind[$disk]} in
		lvm) make_volume "$disk" ;;
		file | qcow2) make_file "$disk" ;;
		*) die "$(name_of new): ${target[$disk]} is not there" ;;
		esac
		made[$disk]=yes
		;;
	*)
		die "$(name_of new): ${target[$disk]} is there already, and this migration did not make it; remove it, or name another target"
		;;
	esac
	# The rest of a thin volume that was made now is zeros, and takes no room.
	[ "${target_kind[$disk]}" != lvm ] || { is_thin_target "$disk" && reads_as_zeros "$disk"; } || clear_tail "$disk"
}

# make_volume DISK: LVM rounds its size up to whole extents.
make_volume() {
	local group=${target_volume[$1]%/*} name=${target_volume[$1]#*/}

	if is_thin_target "$1"; then
		make_thin_volume "$1"
		return
	fi
	act new lvcreate -q -q -y -L "$(bytes_for_lvm "$1")" -n "$name" \
		--addtag "blkmigrate:$id" "$group" >/dev/null ||
		die "$(name_of new): the volume ${target_volume[$1]} of $(room_of "$1") bytes cannot be made"
}

# clear_tail DISK: zero what LVM's rounding added, which may hold another volume's old data.
clear_tail() {
	local disk=$1 whole

	if $dry_run; then
		show new "dd if=/dev/zero of=$(quote "${target[$disk]}") oflag=seek_bytes seek=${size[$disk]} bs=512 # to the end, conv=notrunc"
		return
	fi
	ask new "$a_number" blockdev --getsize64 "${target[$disk]}" || die "$(name_of new): ${target[$disk]}: its size cannot be read"
	whole=$answer
	[ "$whole" -ge "${size[$disk]}" ] ||
		die "$(name_of new): ${target[$disk]} has $whole bytes, ${size[$disk]} are needed"
	[ "$whole" -gt "${size[$disk]}" ] || return 0
	zero_bytes "$disk" "${size[$disk]}" $((whole - size[disk]))
}

# zero_bytes DISK FIRST COUNT: of its target.
zero_bytes() {
	[ "$3" -gt 0 ] || return 0
	act new dd if=/dev/zero "of=${target[$1]}" bs=1M iflag=count_bytes oflag=seek_bytes \
		"seek=$2" "count=$3" conv=notrunc,fsync status=none ||
		die "$(name_of new): ${target[$1]}: the $3 bytes from $2 on cannot be zeroed"
}

# make_file DISK: give it its final name when it has its size, by a link, which does not replace a
# file that was made there meanwhile.
make_file() {
	local path=${target[$1]} mark words

	mark=$(mark_of "$1")
	mapfile -t words < <(file_maker "$1" "$mark")
	perform new "$(quote "${words[@]}") && $(quote ln -T -- "$mark" "$path")" '
set -e
umask 077
path=$1 mark=$2
shift 2
rm -f -- "$mark"
"$@"
sync -- "$mark"
ln -T -- "$mark" "$path"
sync -- "$(dirname -- "$path")"' "$path" "$mark" "${words[@]}" ||
		die "$(name_of new): $path cannot be made"
}

# file_maker DISK FILE: print the command that makes it, one word a line.
file_maker() {
	case ${target_kind[$1]},$preallocate in
	qcow2,) printf '%s\n' qemu-img create -q -f qcow2 "$2" "$(room_of "$1")" ;;
	qcow2,*) printf '%s\n' qemu-img create -q -f qcow2 -o preallocation=falloc "$2" "$(room_of "$1")" ;;
	*,) printf '%s\n' truncate -s "$(room_of "$1")" -- "$2" ;;
	*) printf '%s\n' fallocate -l "$(room_of "$1")" -- "$2" ;;
	esac
}

# unmark_target DISK: remove our mark; from now on no run overwrites it.
unmark_target() {
	look_at_target "$1"
	case $there in
	"ours volume "*) act new lvchange -q -q --deltag "blkmigrate:$id" "${target_volume[$1]}" >/dev/null ;;
	"ours file "*) act new rm -f -- "$(mark_of "$1")" ;;
	esac || die "$(name_of new): the mark of ${target[$1]} cannot be removed"
}

# remove_target DISK: remove it if it is ours.
remove_target() {
	look_at_target "$1"
	case $there in
	"ours volume "*) act new lvremove -q -q -y "${target_volume[$1]}" >/dev/null ;;
	"ours file "*) act new rm -f -- "${target[$1]}" "$(mark_of "$1")" ;;
	esac || die "$(name_of new): ${target[$1]} cannot be removed"
}
