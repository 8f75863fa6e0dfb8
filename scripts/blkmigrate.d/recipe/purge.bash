# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkmigrate purge: remove what a migration left on the host that the machine is not on.

# vm_purge NAME: remove the old disks after a migration; without one, whatever was made for it on
# the new host.
vm_purge() {
	local status=0 state

	need_migration "$1"
	committed || status=$?
	case $status in
	0)
		[ -n "${finished[finished]:-}" ] || die_as "$refused" "the migration is not finished yet: blkmigrate finish $(quote "$vm")"
		state=$(source_state) || exit
		# A purge that was interrupted may have undefined it.
		[ "$state" = none ] || source_is_fenced || die_as "$refused" "$vm on $(name_of old) is not fenced and off; nothing is removed"
		check_source_purge
		type_name "This removes the disks of $vm on $(name_of old) for good" source "${disks[@]}" "${swaps[@]}"
		purge_source "$state"
		;;
	1)
		[ -z "${begun[started]:-}" ] || [ "$live" != yes ] || die_as "$refused" "$vm is being moved live: blkmigrate rollback $(quote "$vm") first"
		[ -z "${begun[down]:-}" ] || die_as "$refused" "$vm is in the cutover: blkmigrate rollback $(quote "$vm") first"
		check_target_purge
		type_name "This removes what was made for $vm on $(name_of new); it stays on $(name_of old)" target "${placed[@]}"
		purge_target
		;;
	*) die "$(name_of new) cannot be asked; nothing is removed" ;;
	esac
	drop_memory
	# Remove the commit last: without it, the remains would look like a migration that failed.
	forget_state old
	forget_state new
	id='' changed=true
	say "purged"
}

# forget_state HOST: remove what is kept of the migration there.
forget_state() {
	act "$1" rm -rf -- "$(state_of "$1")" || die "$(name_of "$1"): $(state_of "$1") cannot be removed"
}

# type_name TEXT source|target DISK ...: show the operator which paths go, and ask for consent.
type_name() {
	local disk part typed=''
	local -n paths=$2

	say "$1:"
	for disk in "${@:3}"; do
		say "  ${paths[$disk]}"
	done
	for part in "${parts[@]}"; do
		[ "$2,${part_how[$part]}" != source,copy ] || say "  ${part_source[$part]}"
	done
	[ ! -t 0 ] || printf 'Type its name to continue: ' >&2
	IFS= read -r typed || true
	[ "$typed" = "$vm" ] || die_as "$refused" "that is not its name; nothing was removed"
}

# purge_source STATE: remove the machine's disks on the old host.
purge_source() {
	local disk

	for disk in "${disks[@]}" "${swaps[@]}"; do
		# A host that does not answer has not lost its disks.
		if ! asks_yes old bash -c '[ -e "$1" ] || [ -L "$1" ]' exists "${source[$disk]}"; then
			say "${source[$disk]} is not there any more"
			continue
		fi
		inspect_source "$disk"
		identify "$disk"
		[ "${kind[$disk]}" = block ] || [ "$identified" = "${identity[$disk]}" ] ||
			die "${source[$disk]} is not the disk that was copied; nothing of it is removed"
		case ${kind[$disk]} in
		lvm | thin) act old lvremove -q -q -y "${volume[$disk]}" >/dev/null || die "${volume[$disk]} cannot be removed" ;;
		file | qcow2) act old rm -f -- "${source[$disk]}" || die "${source[$disk]} cannot be removed" ;;
		*) say "${source[$disk]} is a device of its own: left as it is" ;;
		esac
	done
	for disk in "${skipped[@]}"; do
		say "$disk was skipped: left as it is"
	done
	for disk in "${shared[@]}"; do
		say "${source[$disk]} is also the disk of $vm on $(name_of new): left as it is"
	done
	purge_firmware
	[ "$1" != none ] || return 0
	drop_checkpoints
	source_undefine || die "$vm cannot be undefined on $(name_of old)"
}

purge_target() {
	local disk

	backup_end
	drop_checkpoints
	for disk in "${disks[@]}"; do
		drop_snapshots "$disk"
	done
	for disk in "${placed[@]}"; do
		remove_target "$disk"
	done
	refresh_pool
}
