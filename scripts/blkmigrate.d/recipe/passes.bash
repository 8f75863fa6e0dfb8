# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Copying while the virtual machine runs, in passes, each of which sends what has changed since the
# one before.

# copy_in_passes: make passes until little is left to send.  Disks that can only be read while the
# machine is off are left for then.
copy_in_passes() {
	local pass=0 seconds=0 before running images=true began

	[ ${#media[@]} -eq 0 ] || step media copy_media
	if $dry_run; then
		show_first_pass
		return
	fi

	[ -z "${begun[fenced]:-}" ] || return 0
	resumable=true
	programs_ready
	check_disks "nothing is copied"
	check_targets_are_ours "nothing is copied"
	running=$(source_state) || exit
	trim_before "$running"
	[ -n "${begun[bulk]:-}" ] || journal begin bulk
	began=$SECONDS
	if is_up "$running"; then
		in_use=true
		take_together
	fi
	each_disk copy_pass $(disks_for_now "$running")
	if is_up "$running"; then
		copy_images
		images=$images_copied
		$images || warn "qcow2 disks are copied when $vm is off"
	fi
	[ -n "${finished[bulk]:-}" ] || journal 'done' bulk
	is_up "$running" || return 0
	say_pass 0 $((SECONDS - began))
	while [ "$pass" -lt "$passes" ]; do
		before=$seconds
		seconds=$SECONDS
		check_disks "no further pass is made"
		take_together
		each_disk copy_pass $(disks_of lvm) $(disks_of thin)
		if $images; then
			copy_images
			images=$images_copied
		fi
		seconds=$((SECONDS - seconds))
		pass=$((pass + 1))
		say_pass "$pass" "$seconds"
		[ "$seconds" -gt "$downtime" ] || break
		[ "$before" = 0 ] || [ "$seconds" -lt "$before" ] || break
	done
}

show_first_pass() {
	local disk

	trim_before "$was_running"
	if is_up "$was_running"; then
		in_use=true
		take_together
	fi
	for disk in $(disks_for_now "$was_running"); do
		copy_disk "$disk"
	done
	! is_up "$was_running" || copy_images
}

# disks_for_now STATE: print those of the first pass.  A machine that is off waits for nothing but what it
# starts with: the disks of --later follow when it runs.
disks_for_now() {
	local disk

	for disk in $(disks_but qcow2); do
		! is_up "$1" && contains "$disk" "${later[@]}" || printf '%s\n' "$disk"
	done
}

# say_pass NUMBER SECONDS: what a pass took, 0 being the first copy, and how long a cutover now would keep
# the machine down: the last changes are those of at most such a pass; a disk that is read on both sides
# then takes what the plan says, where a rate is known.
say_pass() {
	local seconds=$2

	if [ "$1" = 0 ]; then
		say "copied once, in $(duration "$2")"
		return
	fi
	find_downtime
	[ "$seconds" -gt 0 ] || seconds=1
	if [ -n "$downtime_seconds" ]; then
		say "pass $1 took $(duration "$2"); with a cutover now, down for about $(duration $((seconds + downtime_seconds))), and while it shuts down and starts"
	else
		say "pass $1 took $(duration "$2"); with a cutover now, down for about $(duration "$seconds"), while disks without snapshots are read on both sides, and while it shuts down and starts"
	fi
}

# copy_pass DISK: a disk that is read in place, or from a snapshot.
copy_pass() {
	sink_open "$1"
	copy_disk "$1"
	sink_close "$1"
}

# disks_of KIND, disks_but KIND: print a line for each.
disks_of() {
	local disk

	for disk in "${disks[@]}"; do
		[ "${kind[$disk]}" != "$1" ] || printf '%s\n' "$disk"
	done
}

disks_but() {
	local disk

	for disk in "${disks[@]}"; do
		[ "${kind[$disk]}" = "$1" ] || printf '%s\n' "$disk"
	done
}

# check_copies: check once, while it runs, that the last snapshot of each disk and its target are
# the same.
check_copies() {
	local disk from

	for disk in "${disks[@]}"; do
		[ -n "${volume[$disk]:-}" ] || continue
		copied_snapshot "$disk"
		[ -n "$copied" ] || continue
		from=$(path_of_snapshot "$disk" "$copied")
		sink_open "$disk"
		compare "$disk" "$from" || compare_again "$disk" "$from"
		sink_close "$disk"
	done
}

compare_again() {
	warn "$1: the digests differ; sending the differences again"
	by_map "$1" "$2" && compare "$1" "$2" ||
		die "${target[$1]} still differs from $2: a disk or the memory of one of the hosts does not keep the data that is written to it"
}
