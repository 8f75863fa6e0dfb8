# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Which disks go along.  One that is skipped stays on the old host, and the new definition is
# without it; swap that is made anew gets a disk of its size, with the UUID and label by which
# the guest's fstab finds it; a file that both hosts see is not copied onto itself.

disks_wanted=() disks_unwanted=() swaps_wanted=()
# disks are copied, swaps made anew, shared ones are there already, and skipped ones are none of
# these; placed is all that gets a place on the new host.
disks=() shared=() swaps=() skipped=() placed=()
declare -A swap_uuid=() swap_label=()

# contains WORD [WORD ...]: the first is among the others.
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

# check_selection DISK ...: who misspells the name of one of these would have it copied, or
# left behind.
check_selection() {
	local each

	for each in "${disks_wanted[@]}" "${disks_unwanted[@]}" "${swaps_wanted[@]}" "${later_wanted[@]}"; do
		contains "$each" "$@" ||
			problem "$vm has no disk called $each" "virsh domblklist $(quote "$vm") shows what they are called"
	done
}

# --- swap -------------------------------------------------------------------------

# inspect_swap DISK FORMAT: as any disk; and what is on it is swap, from its first byte.
inspect_swap() {
	local disk=$1 tags=()

	inspect_vm_disk "$disk" "$2"
	if [ "${kind[$disk]}" = qcow2 ] || [ "${target_kind[$disk]}" = qcow2 ]; then
		problem "$disk is qcow2, and only swap on a raw disk is made anew" "leave out --recreate-swap $disk, and it is copied"
		return
	fi
	mapfile -t tags < <(on old bash -c 'for tag in TYPE UUID LABEL; do
			printf "%s\n" "$(blkid -p -o value -s "$tag" -- "$1")"
		done' swap "${source[$disk]}")
	[ "${tags[0]:-}" = swap ] ||
		problem "$disk is no swap as a whole: blkid finds ${tags[0]:-none} on ${source[$disk]}" \
			"leave out --recreate-swap $disk, and it is copied"
	swap_uuid[$disk]=${tags[1]:-} swap_label[$disk]=${tags[2]:-}
}

# make_swaps: a second time does no harm; nothing has used them yet.
make_swaps() {
	local disk words

	for disk in "${swaps[@]}"; do
		# The volume holds what another one has left there, and a guest can read all of its disk.
		[ "${target_kind[$disk]}" != lvm ] ||
			act new blkdiscard -z -- "${target[$disk]}" ||
			die "$(name_of new): ${target[$disk]} cannot be zeroed"
		words=(mkswap)
		[ -z "${swap_uuid[$disk]}" ] || words+=(-U "${swap_uuid[$disk]}")
		[ -z "${swap_label[$disk]}" ] || words+=(-L "${swap_label[$disk]}")
		act new "${words[@]}" -- "${target[$disk]}" >/dev/null 2>"$private/why" ||
			die "$(name_of new): no swap can be made on ${target[$disk]}: $(tail -n 1 "$private/why")"
	done
}
