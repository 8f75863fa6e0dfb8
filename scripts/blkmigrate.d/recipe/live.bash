# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkmigrate live: the machine moves while it runs.  libvirt copies its memory, and its disks to the
# targets that were made here; what is around that is done as for a cutover.
#
# libvirt leaves the machine paused on the new host.  So where the last answer of that host is lost, and
# libvirt lets the machine go on where it was, it does not run on both.  It is let run by the commit.
# From the moment when it is off on the old host, and paused on the new one, its memory is there alone:
# then it can only go on there.

live='' native=false auto_converge=false post_copy=false stay_paused=false backward=false
timeout='' timeout_action=abort parallel=''

# goes_awake: the plan is one in which the machine does not boot.
goes_awake() {
	[ "$keep_memory" = yes ] || [ "$live" = yes ]
}

# vm_live NAME: what an earlier run has begun goes on where the memory is on the new host, and is taken
# back where it is not.
vm_live() {
	live=yes
	connect_old
	open_migration "$1"
	if $opened; then
		continue_committed
		! $moved || return 0
		go_on_or_clear
		! $moved || return 0
		id='' finished=() begun=() cutting=false
	fi
	begin_live "$1"
	if $dry_run; then
		show_live
		return
	fi
	move_live
	show_console
	finish
}

# begin_live NAME: like begin_migration.
begin_live() {
	made=()
	begin_migration "$1"
	[ ${#media[@]} = 0 ] || step media copy_media
}

# move_live: up to here nothing has happened to the machine.
move_live() {
	local state

	keep_room old
	keep_room new
	state=$(source_state) || exit
	[[ $state == @(running|paused) ]] || die "$vm is $state on $(name_of old)"
	check_targets_are_ours "$vm stays where it is"
	cutting=true
	[ "$state" != paused ] && ! $stay_paused || journal 'done' paused
	journal 'done' ran
	step defined claim_there
	step firmware note_parts
	[ ${#shared[@]} = 0 ] || { journal begin delta && share_volumes; }
	# Its last moments must not wait for the journal.
	for state in quiet fenced committed started; do
		journal begin "$state"
	done
	use_room new
	mark_post_copy
	migrate_live
	cutting=false arriving=true
	let_go
	journal 'done' started
	arrive
}

# arrive: the machine is off on the old host, and its memory on the new one.
arrive() {
	local state

	cutting=false arriving=true
	state=$(source_state) || exit
	[ "$state" = 'shut off' ] || [ "$persistent,$state" = no,none ] || die "$vm is $state on $(name_of old)"
	step quiet autostart_off
	step fenced fence
	step delta leave_disks
	[ -z "$tunnel" ] || step routed route_machine
	commit
	arriving=false
	resume
	record_parts
	drop_live_folder
}

# leave_disks: of the old host; nothing writes to them from now on.
leave_disks() {
	local disk

	for disk in "${shared[@]}"; do
		[ -z "${volume[$disk]:-}" ] ||
			act old lvchange -q -q -an "${volume[$disk]}" >/dev/null ||
			warn "${volume[$disk]} stays active on $(name_of old); $vm runs from it on $(name_of new)"
	done
	keep_written
}

# share_volumes: QEMU on both hosts has them open for a while, and one of them writes.
share_volumes() {
	local disk

	for disk in "${shared[@]}"; do
		[ -z "${volume[$disk]:-}" ] || act new lvchange -q -q -ay "${volume[$disk]}" >/dev/null ||
			die "${volume[$disk]} cannot be activated on $(name_of new)"
	done
}

# --- what an earlier run has left ---------------------------------------------------

# memory_is: $memory_at is old, new, or none where the machine is off on both; the token of the earlier
# run is gone, so whatever virsh it had on the old host has ended, and libvirt has taken back what was
# not complete.
memory_at=''
memory_is() {
	local ours theirs status=0 try

	end_job
	ours=$(state_at_rest) || die "libvirt on $(name_of old) does not answer; nothing is started anywhere"
	theirs=$(domain_state new) || die "libvirt on $(name_of new) does not answer; nothing is started anywhere"
	memory_at=none
	if [[ $ours == @(running|paused) ]]; then
		memory_at=old
		! left_for_good || memory_at=new
	fi
	[ "$memory_at" != old ] || return 0
	[[ $theirs == @(running|paused) ]] || {
		! ran_there || refuse_stale
		return 0
	}
	domain_is_ours || status=$?
	case $status in
	0) memory_at=new ;;
	1) ;;
	*) die "$(name_of new) cannot be asked about $vm; nothing is started anywhere" ;;
	esac
}

# end_job: libvirt's own, on the old host; it is over when this returns, or broken in post-copy, which it
# does not abort.
end_job() {
	local try state

	for ((try = 0; try < 240; try++)); do
		state=$(source_state) || exit
		[[ $state == @(running|paused) ]] || return 0
		vm_ask -q old "$any_text" domjobinfo "$uuid" && [[ $answer =~ Operation:\ +Outgoing ]] || return 0
		if [ "$state" = paused ] && left_for_good; then
			[[ $answer != *failed* ]] || return 0
		fi
		[ $((try % 40)) != 0 ] || vm_act old domjobabort "$uuid" >/dev/null 2>&1 || true
		sleep 0.25
	done
	die "libvirt on $(name_of old) does not end its migration of $vm; nothing is started anywhere"
}

# go_on_or_clear: $moved says that it has gone on.
go_on_or_clear() {
	if [ -n "${begun[started]:-}" ]; then
		session_renew
		memory_is
		if [ "$memory_at" = new ]; then
			go_on_there
			return
		fi
	fi
	say "$vm was left on its way by an earlier run; what that has made on $(name_of new) is removed"
	take_back_live
}

go_on_there() {
	say "the memory of $vm is on $(name_of new) already; it continues there"
	catch_up
	moved=true
	finish
}

# catch_up: what was left to do when its memory was on the new host.
catch_up() {
	[ -z "${finished[committed]:-}" ] || return 0
	end_old_half
	[ -n "${finished[started]:-}" ] || journal 'done' started
	arrive
}

# end_old_half: of a machine that runs on the new host, or did: it has no memory that could go on.
end_old_half() {
	local state

	state=$(source_state) || exit
	[[ $state == @(running|paused) ]] || return 0
	[ "$state" = paused ] || die "$vm runs on $(name_of old), and is on $(name_of new) as well; nothing is done"
	if left_for_good; then
		fetch_rest
		return
	fi
	vm_act old destroy "$uuid" >/dev/null || die "the half of $vm on $(name_of old), which has moved, cannot be ended"
}

# --- taken back ---------------------------------------------------------------------

# take_back_live: the machine is where it was, and nothing is left of this on either host.
take_back_live() {
	roll_back
	purge_target
	drop_live_folder
	forget_state old
	forget_state new
}

# back_where_it_was: in a rollback: what is on the new host was not let run.
back_where_it_was() {
	memory_is
	[ "$memory_at" != new ] ||
		die_as "$needs_person" "the memory of $vm is on $(name_of new) only, and it continues there without loss: blkmigrate live $(quote "$vm") --to ${address[new]}"
}

# let_go_on: what libvirt has left paused on the old host.  QEMU on the new one holds the lock of a shared
# disk until it has ended, which takes a moment.
let_go_on() {
	local try

	[ -n "${begun[started]:-}" ] && [ -z "${finished[paused]:-}" ] || return 0
	for ((try = 0; try < 40; try++)); do
		[ "$try" = 0 ] || nap 0.5
		! vm_act old resume "$uuid" >/dev/null 2>"$private/resume.err" || return 0
	done
	die "$vm is paused on $(name_of old), and cannot be resumed ($(printable "$(tail -n 1 "$private/resume.err")")): virsh resume it there"
}

# end_mover: from the trap.
arriving=false
end_mover() {
	[ -z "$mover" ] || kill "$mover" 2>/dev/null || true
	! $arriving ||
		warn "the memory of $vm is on $(name_of new), where it is paused; the same command resumes it, and nothing is lost"
}

# hurry: what libvirt still does is ended, before the command that waits for it is.
hurry() {
	[ -n "${begun[started]:-}" ] && [ -z "${finished[started]:-}" ] || return 0
	vm_act old domjobabort "$uuid" >/dev/null 2>&1 || true
}
