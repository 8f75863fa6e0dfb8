# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Bytes from disk to disk: all of it, or what has changed, with the pipes that people type.

# VIEW is what is read on the old host: the disk, its snapshot, or an export of it.

# Whether the machine may write to its disks while they are read.
in_use=false

# bulk DISK VIEW: send all of it.
bulk() {
	local status=0 words=(blkread)

	[ -z "${finished[untouched-$1]:-}" ] || journal undo "untouched-$1"
	begin_map "$1"
	forget_digests "$1"
	if will_compare "$1"; then
		digest_file=$private/$1.digests
		printf '%s\n' "$2" >"$digest_file"
		words+=(-v)
	fi
	transfer "$1" "$(stamped "$1" "${words[@]}" "$2")" || status=$?
	digest_file=''
	[ "$status" = 0 ] || forget_digests "$1"
	[ "$status" = 0 ] || return "$status"
	record_map "$1"
}

# will_compare DISK: whether compare comes after its copy, and may believe the digests that both ends
# of that have.  With --verify full both sides are read.
will_compare() {
	! $verify_full && [ "$command" != copy ] || return
	[[ " ${disks[*]} " != *" $1 "* ]] || { $snapshots_wanted && [ -n "${volume[$1]:-}" ]; }
}

forget_digests() {
	rm -f "$private/$1.digests"
}

# have_digests DISK VIEW: whether both ends of a copy of all of VIEW, after which nothing else was
# sent, came to the same digest: blkread of what it read, blkwrite of what it read back from the medium,
# past the page cache.  Set $copied_digest to it.
copied_digest=''
have_digests() {
	local lines=()

	copied_digest=''
	[ -e "$private/$1.digests" ] && mapfile -t lines <"$private/$1.digests" && [ "${lines[0]}" = "$2" ] || return
	! $dry_run || return 0
	[ ${#lines[@]} = 3 ] || return
	[[ " ${lines[1]} ${lines[2]} " =~ \ read\ (blk128:[0-9a-f]{32})\  ]] || return
	copied_digest=${BASH_REMATCH[1]}
	[[ " ${lines[1]} ${lines[2]} " == *" write, verified $copied_digest "* ]]
}

# by_map DISK VIEW: send what differs from the target.  Both sides are read completely, but for a
# target whose map was made while it was written, and holds.
by_map() {
	local map words

	if take_map "$1"; then
		words=(cat -- "$(map_path "$1")")
	else
		sink_words "$1"
		words=("$(program blksum)" --map -l "${size[$1]}" "${sink_words[@]}")
	fi
	map=$(ssh_text new "$(quote "${words[@]}")")
	transfer "$1" "$(stamped "$1" blkdiff --map - "$2")" "$map"
}

# by_snapshot DISK OLDER [VIEW]: send what the exception store of the older snapshot lists.
by_snapshot() {
	transfer "$1" "$(stamped "$1" blkdiff --snapshot "$2" ${3:+"$3"})"
}

# by_what_is_known DISK VIEW BASE: send what has changed since the snapshot BASE; by map if there is
# none or it cannot be used.
by_what_is_known() {
	local disk=$1 from=$2 base=$3

	if [ -n "$base" ]; then
		by_base "$disk" "$base" "$from" && return
		warn "$disk: the snapshot $base cannot be used; comparing both disks completely instead"
	fi
	by_map "$disk" "$from"
}

# by_base DISK SNAPSHOT VIEW: send what has changed since the snapshot, as LVM knows it.
by_base() {
	local base

	base=$(path_of_snapshot "$1" "$2")
	if [ "${kind[$1]}" = thin ]; then
		by_thin "$1" "$base" "${3:-${source[$1]}}"
	else
		by_snapshot "$1" "$base" "$3"
	fi
}

path_of_snapshot() {
	printf '/dev/%s/%s\n' "${volume[$1]%/*}" "$2"
}

# copy_disk DISK: one pass, after which the target holds what the source holds now.
copy_disk() {
	local disk=$1 base='' from=${view[$1]:-${source[$1]}}

	if $snapshots_wanted && [ -n "${volume[$disk]:-}" ]; then
		if [ -n "${taken[$disk]:-}" ]; then
			snapshot=${taken[$disk]}
			unset "taken[$disk]"
		else
			clear_snapshots "$disk"
			take_snapshot "$disk"
		fi
		base=${base_of[$disk]}
		from=$(path_of_snapshot "$disk" "$snapshot")
	fi
	watched "$disk" send "$disk" "$from" "$base" || die "$disk: the copy failed; the same command resumes it"
	unset "made[$disk]"
	if [ "$from" = "${view[$disk]:-${source[$disk]}}" ]; then
		return
	fi
	act old lvchange -q -q --addtag blkmigrate.copied "${volume[$disk]%/*}/$snapshot" >/dev/null ||
		die "$(name_of old): the snapshot $snapshot cannot be marked"
	drop_snapshots "$disk" "$snapshot"
}

# send DISK VIEW BASE: send all of it to an empty target, else what has changed.
send() {
	if [ -n "${made[$1]:-}" ]; then
		bulk "$1" "$2"
	else
		by_what_is_known "$@"
	fi
}

# compare DISK VIEW: compare the digests of both sides, those of the copy, if it was one of all of VIEW;
# else they are read once, at the same time; false if they differ.
compare() {
	local disk=$1 from=$2 ours theirs words

	if have_digests "$disk" "$from"; then
		$dry_run || say "$disk: both sides are $copied_digest"
		return
	fi
	words=("$(program blksum)" --medium -l "${size[$disk]}")
	sink_words "$disk"
	words+=("${sink_words[@]}")
	show old "$(quote blksum --medium "$from")"
	show new "$(quote "${words[@]}")"
	$dry_run && return
	far_begin old "$private/ours" blksum --medium "$from"
	far_begin new "$private/theirs" "${words[@]}"
	wait "${far[0]}" || die "$(name_of old): $from cannot be read"
	wait "${far[1]}" || die "$(name_of new): ${target[$disk]} cannot be read"
	far=()
	ours=$(<"$private/ours") theirs=$(<"$private/theirs")
	ours=$(digest "$ours") theirs=$(digest "$theirs")
	[[ $ours =~ ^blk128:[0-9a-f]{32}$ && $theirs =~ ^blk128:[0-9a-f]{32}$ ]] ||
		die "$disk: blksum did not print a digest on both hosts: \"$(printable "$ours")\", \"$(printable "$theirs")\""
	[ "$ours" = "$theirs" ] || return 1
	say "$disk: both sides are $ours"
}

# digest LINE: print what blksum printed, without the name.  If the name had to be escaped, a
# backslash begins the line.
digest() {
	local line=${1#\\}

	printf '%s\n' "${line%% *}"
}

# --- blkmigrate copy --------------------------------------------------------------

copy_main() {
	disks=(disk)
	source[disk]=$1
	[[ $2 == ?*:?* ]] || usage "$2: the target is HOST:PATH"
	address[new]=${2%%:*}
	target[disk]=${2#*:}
	absolute_or_dotted
	connect
	[[ ${target[disk]} == */* || -z $group_option ]] || target[disk]=/dev/$group_option/${target[disk]}
	absolute_or_dotted
	inspect_source disk
	volume_of_path new "${target[disk]}"
	target_volume[disk]=$found_volume
	identify_copy
	choose_ciphers
	session_open "$id"
	journal_read
	if $finish_wanted; then
		finish_copy
		return
	fi
	resumable=true
	programs_ready
	need_codec
	prepare_copy
	$dry_run || { compare_sectors && warn_of_end; }
	keep_copy
	journal begin copy
	each_disk copy_disk disk
	if $verify_full; then
		verify_copy
	fi
	journal 'done' copy
	say_copied
}

# absolute_or_dotted: put "./" before a path that a program could take for an option.
absolute_or_dotted() {
	[[ ${source[disk]}${target[disk]} != *$'\n'* ]] || die "names with a line feed are not supported"
	[[ ${source[disk]} != -* ]] || source[disk]=./${source[disk]}
	[[ ${target[disk]} != -* ]] || target[disk]=./${target[disk]}
}

# prepare_copy: with --create, make the target; use one that exists already if it is ours, or with
# --overwrite.
prepare_copy() {
	local whole

	find_room disk || die "--size $why"
	look_at_target disk
	# It is as large as it was made.
	[[ $there != "ours file "* || ${there##* } -lt $(room_of disk) ]] || room[disk]=${there##* }
	case $there in
	absent | ours*)
		[ "$there" != absent ] || $create || die "$(name_of new): ${target[disk]} is not there; --create makes it"
		if [ -n "${target_volume[disk]}" ]; then
			target_kind[disk]="lvm"
		elif [[ ${target[disk]} == /dev/* ]]; then
			die "$(name_of new): ${target[disk]} would lie under /dev, and no volume group has that name"
		else
			target_kind[disk]="file"
		fi
		make_target disk
		! is_thin_target disk || $dry_run || warn_of_pool
		return
		;;
	"other device "* | "other volume "*) target_kind[disk]=block ;;
	"other file "*) target_kind[disk]="file" ;;
	*) die "$(name_of new): ${target[disk]} is neither a device nor a file" ;;
	esac
	$overwrite || die "$(name_of new): ${target[disk]} is there already, and blkmigrate did not make it as a copy of this very disk; --overwrite accepts it"
	whole=${there##* }
	[ "${target_kind[disk]}" = file ] || [ "$whole" -ge "${size[disk]}" ] ||
		die "$(name_of new): ${target[disk]} has $whole bytes, ${size[disk]} are needed"
	# The map covers as many bytes as the source has, and blkwrite does not cut a file unasked.
	if [ "${target_kind[disk]}" = file ] && [ "$whole" -ne "$(room_of disk)" ]; then
		act new truncate -s "$(room_of disk)" -- "${target[disk]}" || die "$(name_of new): ${target[disk]} cannot be made as large as the disk"
	fi
}

# verify_copy: compare the snapshot, if there is one: the source must not change meanwhile.
verify_copy() {
	local from=${source[disk]}

	if $snapshots_wanted && [ -n "${volume[disk]:-}" ]; then
		copied_snapshot disk
		from=$(path_of_snapshot disk "${copied:-SNAPSHOT}")
	fi
	compare disk "$from" && return
	warn "the digests differ; sending the differences again"
	by_map disk "$from" || die "the copy failed; the same command resumes it"
	compare disk "$from" ||
		die "${target[disk]} still differs from $from: a disk or the memory of one of the hosts does not keep the data that is written to it"
}

say_copied() {
	$dry_run && return
	say "copied: ${source[disk]} to $(name_of new):${target[disk]}, ${size[disk]} bytes"
	if [ "${target_kind[disk]}" != block ]; then
		say "the same command sends the changes since then; with --finish it removes its marks"
	fi
}

# finish_copy: remove snapshots and marks.
finish_copy() {
	drop_snapshots disk
	unmark_target disk
	forget_state old
	forget_state new
	say "finished: ${target[disk]} on $(name_of new) is yours, the snapshots on $(name_of old) are gone"
}
