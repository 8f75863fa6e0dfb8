# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Partitions and filesystems, as the guest will look for them on a disk that LVM has rounded up.

# check_gpt: if LVM rounds up, the partition table's copy is no longer at the end of the disk.
check_gpt() {
	local disk more

	for disk in "${disks[@]}"; do
		[ "${target_kind[$disk]}" = lvm ] && [ -n "${target_volume[$disk]}" ] || continue
		ask new '[1-9][0-9]{0,17}' vgs --noheadings --nosuffix --units b -o vg_extent_size "${target_volume[$disk]%/*}" || continue
		more=$((answer - size[$disk] % answer))
		[ "$more" != "$answer" ] && has_gpt "$disk" || continue
		remark "$disk has a GPT, and gets $more bytes more: the guest finds its backup header before the end, and may say so; there, sgdisk -e /dev/$disk (or sfdisk --relocate gpt-bak-std /dev/$disk) moves it"
	done
}

# has_gpt DISK: whether a GPT follows its first sector, of 512 or 4096 bytes.
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
		head "$@" | grep -aobF "EFI PART" | grep -qE "^(512|4096):"' gpt "${source[$1]}" "${kind[$1]}"
}

# same_layout DISK VIEW: whether what is recognised is the same on both sides.  Signatures at an
# offset from the end, of RAID for example, are not found where the end has moved.
same_layout() {
	local ours theirs

	$dry_run && return
	ours=$(brief layout old "$2") && theirs=$(brief layout new "${sink[$1]:-${target[$1]}}") ||
		die "$1: partitions and filesystems cannot be looked at; blkid and sfdisk have to be on both hosts"
	[ "$ours" = "$theirs" ] || die "$1: blkid and sfdisk do not recognise the same on ${target[$1]} as on ${source[$1]}:
$(diff <(echo "$ours") <(echo "$theirs") || true)
a target of the very same size, a file say, keeps it: --map-disk"
}

# layout HOST FILE: print what is recognised, without the file's name.
layout() {
	on "$1" bash -c 'command -v blkid >/dev/null && command -v sfdisk >/dev/null || exit
		blkid -p -o export -- "$1" | grep -v "^DEVNAME="
		sfdisk -d -- "$1" 2>/dev/null | sed "/^device:/d; s/^.* : start=/start=/"
		true' layout "$2"
}
