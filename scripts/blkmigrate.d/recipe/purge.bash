# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkmigrate purge: what a migration has left, on the side where the machine is not.

# vm_purge NAME: of a migration that was made, the old disks go; of one that was not, what
# was made for it on the new host.
vm_purge() {
	local status=0 state

	need_migration "$1"
	committed || status=$?
	case $status in
	0)
		[ -n "${finished[finished]:-}" ] || die "the migration is not finished yet: blkmigrate finish $(quote "$vm")"
		state=$(source_state) || exit
		# A purge that was stopped may have undefined it.
		[ "$state" = none ] || source_is_fenced || die "$vm on $(name_of old) is not fenced and off; nothing is removed"
		type_name "This removes the disks of $vm on $(name_of old) for good"
		purge_source
		;;
	1)
		[ -z "${begun[down]:-}" ] || die "$vm is in the cutover: blkmigrate rollback $(quote "$vm") first"
		type_name "This removes what was made for $vm on $(name_of new); it stays on $(name_of old)"
		purge_target
		;;
	*) die "$(name_of new) cannot be asked; nothing is removed" ;;
	esac
	# The commit goes last: without it what is left could be taken for a migration that failed.
	act old rm -rf -- "$(state_of old)"
	act new rm -rf -- "$(state_of new)"
	say "purged"
}

type_name() {
	local answer=''

	say "$1:"
	if [ "$status" = 0 ]; then
		for disk in "${disks[@]}" "${swaps[@]}"; do
			say "  ${source[$disk]}"
		done
	else
		for disk in "${placed[@]}"; do
			say "  ${target[$disk]}"
		done
	fi
	[ ! -t 0 ] || printf 'Type its name to go on: ' >&2
	IFS= read -r answer || true
	[ "$answer" = "$vm" ] || die "that is not its name; nothing was removed"
}

purge_source() {
	local disk

	for disk in "${disks[@]}" "${swaps[@]}"; do
		if ! (inspect_source "$disk") 2>/dev/null; then
			say "${source[$disk]} is not there any more"
			continue
		fi
		[ "$(identify "$disk")" = "${identity[$disk]}" ] ||
			die "${source[$disk]} is not the disk that was copied; nothing of it is removed"
		case ${kind[$disk]} in
		lvm | thin) act old lvremove -q -q -y "${volume[$disk]}" >/dev/null || die "${volume[$disk]} cannot be removed" ;;
		file | qcow2) act old rm -f -- "${source[$disk]}" || die "${source[$disk]} cannot be removed" ;;
		*) say "${source[$disk]} is a device of its own: it is left as it is" ;;
		esac
	done
	for disk in "${skipped[@]}"; do
		say "$disk was skipped: what is on it is left as it is"
	done
	for disk in "${shared[@]}"; do
		say "${source[$disk]} is what $vm on $(name_of new) has, too: it is left as it is"
	done
	[ "$state" != none ] || return 0
	drop_checkpoints
	source_undefine || die "$vm cannot be undefined on $(name_of old)"
}

purge_target() {
	local disk

	backup_end
	drop_checkpoints
	for disk in "${placed[@]}"; do
		drop_snapshots "$disk"
		remove_target "$disk" || die "${target[$disk]} cannot be removed"
	done
	refresh_pool
}
