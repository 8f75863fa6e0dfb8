# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkmigrate prepare, of a machine whose migration is prepared already: a plan of what the machine is
# now, with the places and choices of the first one.  What was copied is kept.

# plan_again: only before the cutover.
plan_again() {
	local disk known=() gone=() was_vm=$vm
	local -A planned=()

	continue_committed
	! $moved || die_as "$refused" "$vm is on $(name_of new) already"
	[ -z "${begun[quiet]:-}${begun[down]:-}" ] || die_as "$refused" "$vm is in the cutover: blkmigrate rollback $(quote "$vm") first"
	known=("${placed[@]}" "${sliced[@]}" "${shared[@]}")
	for disk in "${known[@]}"; do
		planned[$disk]=$(place_of "$disk")
	done
	backup_end
	choose_as_before
	find_vm "${xen_config:-$uuid}"
	[ "$new_name" != "$was_vm" ] || new_name=''
	make_plan
	for disk in "${known[@]}"; do
		contains "$disk" "${placed[@]}" "${sliced[@]}" "${shared[@]}" || gone+=("$disk")
		! contains "$disk" "${placed[@]}" "${sliced[@]}" "${shared[@]}" || [ "$(place_of "$disk")" = "${planned[$disk]}" ] ||
			problem "$disk is not the disk, or would not go to the place, that was planned: ${planned[$disk]} before, $(place_of "$disk") now" \
				"begin anew: blkmigrate purge $(quote "$was_vm")"
	done
	[ ${#gone[@]} = 0 ] ||
		problem "$vm has no ${gone[*]} any more, for which there is a place on $(name_of new)" "begin anew: blkmigrate purge $(quote "$was_vm")"
	show_plan
	preflight
	consent
	forget_copies "${known[@]}"
	save_plan
	programs_ready
	prepare_targets
	[ -n "${finished[prepared]:-}" ] || journal 'done' prepared
}

# place_of DISK: what may not change, because of what is copied.
place_of() {
	echo "${kind[$1]} ${source[$1]} (${identity[$1]:-}) of ${size[$1]} bytes to ${target_kind[$1]} ${target[$1]} of $(room_of "$1")$(where_within "$1")"
}

# choose_as_before: as the options that gave the first plan.
choose_as_before() {
	local disk

	for disk in "${placed[@]}" "${media_there[@]}"; do
		disk_map+=("$disk=${target[$disk]}")
	done
	[ ${#sizes_wanted[@]} -gt 0 ] || {
		for disk in "${disks[@]}"; do
			! is_larger "$disk" || sizes_wanted+=("$disk=$(room_of "$disk")")
		done
	}
	disks_unwanted+=("${skipped[@]}") swaps_wanted+=("${swaps[@]}") later_wanted+=("${later[@]}")
}

# forget_copies DISK ...: a target that is made again, of a disk that was planned before, lacks what
# snapshots and checkpoints say was copied; one that is new has not been copied yet.
forget_copies() {
	local disk lost=false

	for disk in "${placed[@]}"; do
		[ "${at_target[$disk]}" = absent ] || continue
		! contains "$disk" "$@" || lost=true
		[ -z "${begun[bulk]:-}" ] || journal undo bulk
	done
	$lost || return 0
	for disk; do
		drop_snapshots "$disk"
	done
	drop_checkpoints
}
