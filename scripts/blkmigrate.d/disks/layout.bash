# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Partitions and filesystems, as the guest will look for them on a disk that LVM has rounded up.

# check_gpt: if LVM rounds up, or the target is larger, the partition table's copy is no longer at the
# end of the disk.
check_gpt() {
	local disk more

	for disk in "${disks[@]}"; do
		[ -z "${within[$disk]:-}" ] || continue
		more=$(($(room_of "$disk") - size[$disk]))
		if [ "${target_kind[$disk]}" = lvm ] && [ -n "${target_volume[$disk]}" ]; then
			ask new '[1-9][0-9]{0,17}' vgs --noheadings --nosuffix --units b -o vg_extent_size "${target_volume[$disk]%/*}" || continue
			more=$((($(room_of "$disk") + answer - 1) / answer * answer - size[$disk]))
		fi
		[ "$more" != 0 ] && has_gpt "$disk" || continue
		remark "$disk has a GPT, and gets $more bytes more: the guest finds its backup header before the end, and may say so; there, $(gpt_remedy "/dev/$disk")"
	done
}

# has_gpt DISK: whether a GPT follows its first sector, as the guest sees it.
has_gpt() {
	asks_yes old bash -c 'set -o pipefail
		head() {
			case $2 in
			qcow2)
				file=$(mktemp) || exit
				qemu-img dd -U -f qcow2 -O raw bs=4096 count=2 "if=$1" "of=$file" && cat "$file"
				rm -f "$file"
				;;
			file) dd "if=$1" bs=4096 count=2 status=none ;;
			*) dd "if=$1" bs=4096 count=2 iflag=direct status=none ;;
			esac
		}
		head "$@" | grep -aobF "EFI PART" | grep -q "^$3:"' gpt "${source[$1]}" "${kind[$1]}" "${sector[$1]:-512}"
}

# same_layout DISK VIEW: whether partitions and what is in each of them are the same on both sides, with
# sectors as the guest sees them.  Signatures at an offset from the end, of RAID for example, are not
# found where the end has moved.
same_layout() {
	local ours theirs hint="look at both with blkid -p and partx; --verify full compares all their bytes"

	$dry_run && return
	[ "${target_kind[$1]:-}" != lvm ] ||
		hint="a target of the very same size, a file say, keeps what is found from the end of a disk: --map-disk"
	ours=$(brief layout old "$2" "${sector[$1]:-512}" "${within[$1]:+0}" "${size[$1]:-}") && theirs=$(brief layout new "${sink[$1]:-${target[$1]}}" "${sector[$1]:-512}" "${offset[$1]:-}" "${size[$1]:-}") ||
		die "$1: partitions and filesystems cannot be looked at; blkid and partx have to be on both hosts"
	[ "$ours" = "$theirs" ] || die "$1: blkid and partx do not recognise the same on ${target[$1]} as on ${source[$1]}:
$(diff <(echo "$ours") <(echo "$theirs") || true)
$hint"
}

# layout HOST FILE SECTOR [OFFSET SIZE]: print what is recognised, a line for each partition, and for each signature
# on the disk or in a partition.  Partitions begin and end in units of 512 bytes, whatever the sectors
# are.  Other tags than these are printed by some versions of blkid only.  With an offset it is of a
# partition there, which has none itself.
layout() {
	on "$1" bash -c '
		path=$1 sector=$2 offset=$3 size=$4
		command -v blkid >/dev/null && command -v partx >/dev/null || exit
		dd "if=$path" of=/dev/null bs=4096 count=1 status=none || exit
		recognise() {
			local where=$1 status=0 list

			shift
			list=$(blkid -p -o export "$@" -- "$path" 2>/dev/null) || status=$?
			case $status in
			0) ;;
			2) return ;;
			8) list=TYPE=ambivalent ;;
			*) exit 1 ;;
			esac
			grep -E "^(TYPE|UUID|UUID_SUB|LABEL)=" <<<"$list" | sort | sed "s/^/$where /"
		}
		if [ -n "$offset" ]; then
			recognise disk -O "$offset" -S "$size"
			exit
		fi
		recognise disk
		# No table is status 1.
		list=$(partx -g -r -S "$sector" -o NR,START,SECTORS,TYPE,UUID,NAME,FLAGS,SCHEME "$path" 2>/dev/null) || list=""
		while read -r number start length rest; do
			[ -n "$number" ] || continue
			echo "partition $number: start=$start size=$length $rest"
			recognise "partition $number:" -O "$((start * 512))" -S "$((length * 512))"
		done <<<"$list"' layout "$2" "$3" "${4:-}" "${5:-}"
}
