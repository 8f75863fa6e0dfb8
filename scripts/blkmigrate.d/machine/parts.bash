# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# How the parts of a machine that firmware.bash finds get to the new host.
#
# What is made there is recorded in to/ID/part-PART: the inode of what was copied, or "absent", where
# the machine itself makes it at its first start.  Nothing else is ever removed.

# look_at_file HOST PATH: $looks is absent, file, folder, device or thing.  Only the kernel's own "no
# such file" is an absence.
looks=''
look_at_file() {
	ask "$1" 'absent|file|folder|device|thing' bash -c '
		if text=$(stat -L -c %F -- "$1" 2>&1); then
			case $text in
			"regular file" | "regular empty file") echo file ;;
			directory) echo folder ;;
			"block special file" | "character special file") echo device ;;
			*) echo thing ;;
			esac
		elif [ -L "$1" ]; then
			echo thing
		else
			case $text in
			*": No such file or directory" | *": Not a directory") echo absent ;;
			*)
				printf "%s\n" "$text" >&2
				exit 1
				;;
			esac
		fi' look-at-file "$2" || die "$(name_of "$1"): $2 cannot be looked at"
	looks=$answer
}

# settle_part PART: how it gets there, or why it cannot.
settle_part() {
	local part=$1 path=${part_source[$1]} there=${part_target[$1]}

	look_at_file old "$path"
	case $looks in
	absent)
		! is_up "$was_running" ||
			problem "$vm runs, and $path on $(name_of old), where $(what_is "$part") of it should be, is not there" \
				"find out where it is (ls -l /proc/PID/fd of QEMU or swtpm), and name that in the definition"
		;;
	"${part_kind[$part]}") part_seen[$part]=yes ;;
	*)
		problem "$path on $(name_of old), $(what_is "$part") of $vm, is no ${part_kind[$part]}" "make it one, for only such are copied"
		return
		;;
	esac
	if [ -n "${part_seen[$part]}" ]; then
		if is_same_place "$path" "$there"; then
			part_how[$part]=shared
			[[ $part != tpm* ]] || check_keeping
			return
		fi
		check_readable "$part"
	fi
	look_at_file new "$there"
	if [ "$looks" = absent ]; then
		check_place "$part"
	elif [ "$part,$looks,${part_seen[$part]}" = loader,file,yes ] && same_content "$path" "$there"; then
		stamp_of old "$path" || die "$(name_of old): $path cannot be looked at"
		part_how[$part]=same part_seen[$part]=$answer
	else
		problem "$(name_of new) has $there already" "rename it, if no virtual machine there needs it and it is not the one of $(name_of old) on storage that both reach"
	fi
}

# stamp_of HOST PATH: $answer changes when the file is written.
stamp_of() {
	ask "$1" '[0-9]+ [0-9.]+' stat -L -c '%s %.9Y' -- "$2"
}

# same_content PATH PATH-THERE: of files.
same_content() {
	local ours

	sums old "$1" || die "$(name_of old): $1 cannot be read"
	ours=$answer
	sums new "$2" || die "$(name_of new): $2 cannot be read"
	[ "$answer" = "$ours" ]
}

# check_readable PART: to this user, and complete by itself.
check_readable() {
	local path=${part_source[$1]}

	asks_yes old test -r "$path" ||
		{ problem "$path on $(name_of old), $(what_is "$1") of $vm, cannot be read" "run this as root there" && return; }
	[ "${part_kind[$1]}" = file ] || return 0
	# The header of a qcow2 file: the place of a backing file's name, and the bit of a data file.
	ask old 'head:[0-9a-f]{0,160}' bash -c 'set -o pipefail; printf head: && head -c 80 -- "$1" | od -An -v -tx1 | tr -d " \n"' head "$path" ||
		problem "the beginning of $path on $(name_of old), $(what_is "$1") of $vm, cannot be read" "see whether it can be read there: head -c 80 $path"
	answer=${answer#head:}
	[[ $answer == 514649fb* ]] || return 0
	if [ "${answer:16:16}" != 0000000000000000 ] || [[ ${answer:8:8},${answer:158:2} == 00000003,?[4-7c-f] ]]; then
		problem "$path has a backing chain, or its data in another file" "make it one file (qemu-img convert), when $vm is off"
	fi
}

# check_place PART: the folder in which it is made, or the one above in which that is made.
check_place() {
	asks_yes new bash -c '
		folder=$1
		until [ -e "$folder" ]; do
			folder=$(dirname -- "$folder")
		done
		[ -d "$folder" ] && [ -w "$folder" ]' check-place "$(dirname -- "${part_target[$1]}")" ||
		problem "${part_target[$1]}, $(what_is "$1") of $vm, cannot be made on $(name_of new)" "make its folder there, so that it can be written to"
}

# check_keeping: libvirt removes the TPM's state with a definition, unless it can be told to leave it.
check_keeping() {
	local host

	for host in old new; do
		keeps_tpm "$host" ||
			problem "both hosts see the TPM's state of $vm, and libvirt on $(name_of "$host") would remove it with the definition there" "upgrade libvirt there (8.9 keeps it)"
	done
}

keeps_tpm() {
	ask -q "$1" "$any_text" virsh help undefine && [[ $answer == *--keep-tpm* ]]
}

# show_parts: in the plan.
show_parts() {
	local part

	for part in "${parts[@]}"; do
		case ${part_how[$part]},${part_seen[$part]} in
		copy,) say "  $part: ${part_source[$part]}, not made yet" ;;
		copy,*)
			say "  $part: ${part_kind[$part]} ${part_source[$part]}, copied when it is off"
			[ "${part_target[$part]}" = "${part_source[$part]}" ] || say "    becomes ${part_target[$part]}"
			;;
		shared,*) say "  $part: ${part_source[$part]}, shared by both hosts: it stays where it is" ;;
		same,*) say "  $part: ${part_target[$part]}, which $(name_of new) has already" ;;
		esac
	done
}

# --- when it is off -----------------------------------------------------------------

record_of() {
	printf '%s/part-%s\n' "$(state_of new)" "$1"
}

# firmware_is_free: nothing is in the way that a machine of the new host may need.
firmware_is_free() {
	local part

	for part in "${parts[@]}"; do
		[ "${part_how[$part]}" = copy ] || continue
		look_at_file new "${part_target[$part]}"
		[ "$looks" = absent ] || die "$(name_of new): ${part_target[$part]} is there already"
	done
}

# copy_firmware: as it is now, for a machine that was never started when it was planned may have been
# since.
copy_firmware() {
	local part

	[ "$parts_known" = yes ] ||
		die "this migration was planned by a version that did not keep the parts of the firmware: blkmigrate purge $(quote "$vm"), and plan it again"
	for part in "${parts[@]}"; do
		case ${part_how[$part]} in
		copy) copy_part "$part" ;;
		same)
			stamp_of old "${part_source[$part]}" || die "$(name_of old): ${part_source[$part]} cannot be looked at"
			[ "$answer" = "${part_seen[$part]}" ] && same_content "${part_source[$part]}" "${part_target[$part]}" ||
				die "${part_source[$part]}, $(what_is "$part") of $vm, was the same on both hosts, and is not any more; move ${part_target[$part]} on $(name_of new) out of the way, and plan again"
			;;
		esac
	done
}

# copy_part PART: and check that it arrived as it was sent.
copy_part() {
	local part=$1 path=${part_source[$1]} there=${part_target[$1]}

	look_at_file old "$path"
	if [ "$looks" = absent ]; then
		[ -z "${part_seen[$part]}" ] || die "$path on $(name_of old), $(what_is "$part") of $vm, was there when this was planned, and is missing now"
		put new "$(record_of "$part")" <<<absent
		return
	fi
	[ "$looks" = "${part_kind[$part]}" ] || die "$path on $(name_of old) is no ${part_kind[$part]}"
	make_folders "$part"
	show_part "$part"
	on old tar -C "$(dirname -- "$path")" -chf - -- "./$(basename -- "$path")" </dev/null |
		guarded_feed new bash -c "$take_part" take-part "$there" "$(basename -- "$path")" "$id" "$(record_of "$part")" ||
		die "$path cannot be copied to $(name_of new)"
	same_content "$path" "$there" || die "$there on $(name_of new) is not what $path is on $(name_of old)"
}

show_part() {
	local path=${part_source[$1]}

	show old "tar -C $(quote "$(dirname -- "$path")") -chf - $(quote "./$(basename -- "$path")") | ssh new tar -C $(quote "$(dirname -- "${part_target[$1]}")") -xpf -"
}

# take_part: it gets its name when it is complete, and on the medium; what is there already is
# replaced only if the record says that an earlier run has made it.
take_part='
set -e
umask 077
path=$1 name=$2 record=$4
folder=$(dirname -- "$path")
work=$folder/.blkmigrate-part-$3
rm -rf -- "$work"
if [ -e "$path" ] || [ -L "$path" ]; then
	if [ ! -e "$record" ] || [ "$(cat -- "$record")" != "$(stat -c %i -- "$path")" ]; then
		echo "blkmigrate: $path is there already, and this migration did not make it" >&2
		exit 1
	fi
	rm -rf -- "$path"
fi
mkdir -- "$work"
tar -C "$work" -xpf -
find "$work/$name" -exec sync {} +
mkdir -p -- "$(dirname -- "$record")"
stat -c %i -- "$work/$name" >"$record.part"
sync -- "$record.part"
mv -T -- "$record.part" "$record"
sync -- "$(dirname -- "$record")"
mv -nT -- "$work/$name" "$path" || true
if [ -e "$work/$name" ]; then
	echo "blkmigrate: $path is there already, and this migration did not make it" >&2
	exit 1
fi
rmdir -- "$work"
sync -- "$folder"'

# make_folders PART: those above it that are missing on the new host, as they are on the old one.
make_folders() {
	local path

	path=$(dirname -- "${part_target[$1]}")
	! asks_yes new test -d "$path" || return 0
	ask_lines old '[0-7]{3,4} [^ ]+ [^ ]+' bash -c '
		folder=$1 list=""
		while [ "$folder" != / ]; do
			list="$(stat -L -c "%a %U %G" -- "$folder")
$list" || exit
			folder=$(dirname -- "$folder")
		done
		printf "%s" "$list"' folders "$(dirname -- "${part_source[$1]}")" ||
		die "$(name_of old): the folders above ${part_source[$1]} cannot be looked at"
	guarded new bash -c '
		set -e
		umask 077
		path=$1 missing=()
		shift
		while [ ! -e "$path" ]; do
			missing=("$path" "${missing[@]}")
			path=$(dirname -- "$path")
		done
		shift $(($# > ${#missing[@]} ? $# - ${#missing[@]} : 0))
		for path in "${missing[@]}"; do
			read -r mode user group <<<"${1:-755 root root}"
			shift || true
			mkdir -- "$path"
			# That user may be unknown here.
			chown -- "$user:$group" "$path" || true
			chmod -- "$mode" "$path"
			sync -- "$(dirname -- "$path")"
		done' make-folders "$path" "${answers[@]}" || die "$(name_of new): $path cannot be made"
}

# sums HOST PATH: $answer has the digests of the files there, as the medium has them.
sums() {
	ask "$1" "$any_text" bash -c "$fresh_function"'
		set -o pipefail
		if [ -d "$1" ]; then
			cd -- "$1" || exit
			mapfile -d "" -t files < <(find -L . -type f -print0)
			fresh "${files[@]}"
			find -L . -type f -exec sha256sum -- {} + | sort
		else
			fresh "$1"
			sha256sum <"$1"
		fi' sums "$2"
}

# remove_firmware: from the new host, what this migration has brought there, and what the machine made
# in its place when it was started.
remove_firmware() {
	local part

	[ -n "${begun[firmware]:-}" ] || return 0
	for part in "${parts[@]}"; do
		[ "${part_how[$part]}" = copy ] || continue
		guarded new bash -c '
			set -e
			path=$1 record=$2 started=$4
			rm -rf -- "$(dirname -- "$path")/.blkmigrate-part-$3"
			[ -e "$record" ] || exit 0
			made=$(cat -- "$record")
			if [ -e "$path" ]; then
				if [ "$made" = "$(stat -c %i -- "$path")" ] || { [ "$made" = absent ] && [ -n "$started" ]; }; then
					rm -rf -- "$path"
					sync -- "$(dirname -- "$path")"
				else
					echo "blkmigrate: $path is not what this migration made: left as it is" >&2
				fi
			fi
			rm -f -- "$record"' remove-part "${part_target[$part]}" "$(record_of "$part")" "$id" "${begun[started]:-}" ||
			die "$(name_of new): ${part_target[$part]} cannot be removed"
	done
}

# purge_firmware: remove from the old host the parts that were copied and are on the new one, and no others.
purge_firmware() {
	local part path

	for part in "${parts[@]}"; do
		path=${part_source[$part]}
		look_at_file old "$path"
		[ "$looks" != absent ] || continue
		if [ "${part_how[$part]}" != copy ]; then
			say "$path was not copied: left as it is"
		elif ! is_there "$part"; then
			say "$path, $(what_is "$part") of $vm, is on $(name_of new) not as it was copied there: left as it is"
		else
			act old bash -c 'rm -rf -- "$(realpath -e -- "$1")" "$1"' remove-part "$path" || die "$path cannot be removed"
		fi
	done
}

# is_there PART: the very file or folder that was copied.
is_there() {
	asks_yes new bash -c '
		[ -e "$2" ] && [ -e "$1" ] || exit 1
		made=$(cat -- "$2") && now=$(stat -c %i -- "$1") || exit 2
		[ "$made" = "$now" ]' is-there "${part_target[$1]}" "$(record_of "$1")"
}

# undefine HOST UUID: without what libvirt would remove with the definition; what was copied is removed
# apart from that.
undefine() {
	local keep=(--keep-nvram) part

	# One there is the one that this migration has made.
	[ "$1,$keep_memory" != new,yes ] || keep+=(--managed-save)
	for part in "${parts[@]}"; do
		[[ $part == tpm* ]] || continue
		if keeps_tpm "$1"; then
			keep+=(--keep-tpm)
			break
		fi
		[ "$1" = old ] || continue
		look_at_file old "${part_source[$part]}"
		[ "$looks" = absent ] ||
			die "$vm stays defined on $(name_of old): libvirt there would remove ${part_source[$part]} with the definition, and it was not copied; when it is not needed, virsh undefine"
	done
	vm_keep "$1" undefine "$2" "${keep[@]}"
}
