# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Which disks are migrated.  A skipped one stays on the old host, and the new definition does not
# have it; swap that is recreated becomes a disk of the same size, with the UUID and label by which
# the guest's fstab finds it; a file that both hosts see is not copied onto itself.

disks_wanted=() disks_unwanted=() swaps_wanted=()
# disks are copied, swaps recreated, shared ones are there already, and skipped ones are none of
# these; placed are all disks for which something is made on the new host.
disks=() shared=() swaps=() skipped=() placed=()
declare -A swap_uuid=() swap_label=()

# contains WORD [WORD ...]: whether the first is among the others.
contains() {
	local word=$1 each

	shift
	for each; do
		[ "$each" != "$word" ] || return 0
	done
	return 1
}

is_skipped() {
	! contains "$1" "${swaps_wanted[@]}" || return 1
	! contains "$1" "${disks_unwanted[@]}" || return 0
	[ ${#disks_wanted[@]} -gt 0 ] && ! contains "$1" "${disks_wanted[@]}"
}

# check_selection DISK ...: a misspelt name must not cause a disk to be copied, or left behind.
check_selection() {
	local each

	for each in "${disks_wanted[@]}" "${disks_unwanted[@]}" "${swaps_wanted[@]}" "${later_wanted[@]}"; do
		contains "$each" "$@" ||
			problem "$vm has no disk called $each" "virsh domblklist $(quote "$vm") shows what they are called"
	done
}

# --- swap -------------------------------------------------------------------------

# inspect_swap DISK FORMAT: inspect it as any disk; all of it must be swap, from its first byte.
inspect_swap() {
	local disk=$1 type

	inspect_vm_disk "$disk" "$2"
	if [ "${kind[$disk]}" = qcow2 ] || [ "${target_kind[$disk]}" = qcow2 ]; then
		problem "$disk is qcow2, and only swap on a raw disk can be recreated" "leave out --recreate-swap $disk, and it is copied"
		return
	fi
	ask_lines old "(TYPE|UUID|LABEL)=$a_line" bash -c 'for tag in TYPE UUID LABEL; do
			printf "%s=%s\n" "$tag" "$(blkid -p -o value -s "$tag" -- "$1")"
		done' swap "${source[$disk]}" && [ ${#answers[@]} = 3 ] ||
		die "$(name_of old): ${source[$disk]} cannot be looked at with blkid"
	type=${answers[0]#TYPE=}
	[ "$type" = swap ] ||
		problem "$disk is no swap as a whole: blkid finds ${type:-none} on ${source[$disk]}" \
			"leave out --recreate-swap $disk, and it is copied"
	swap_uuid[$disk]=${answers[1]#UUID=} swap_label[$disk]=${answers[2]#LABEL=}
}

# make_swaps: repeating it does no harm, as nothing has used them yet.
make_swaps() {
	local disk words

	for disk in "${swaps[@]}"; do
		words=(mkswap)
		[ -z "${swap_uuid[$disk]}" ] || words+=(-U "${swap_uuid[$disk]}")
		[ -z "${swap_label[$disk]}" ] || words+=(-L "${swap_label[$disk]}")
		[ -z "${within[$disk]:-}" ] || { make_swap_within "$disk" "${words[@]}" && continue; }
		# A new volume holds another one's old data, and a guest can read all of its disk.
		[ "${target_kind[$disk]}" != lvm ] ||
			act new blkdiscard -z -- "${target[$disk]}" ||
			die "$(name_of new): ${target[$disk]} cannot be zeroed"
		act new "${words[@]}" -- "${target[$disk]}" >/dev/null 2>"$private/why" ||
			die "$(name_of new): no swap can be made on ${target[$disk]}: $(tail -n 1 "$private/why")"
	done
}
