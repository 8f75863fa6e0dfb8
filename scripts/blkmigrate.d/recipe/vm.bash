# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkmigrate run and its parts: the recipe, in order.

# vm_run NAME: run all of it.  What an earlier run completed is not done again.
vm_run() {
	connect_old
	open_migration "$1"
	if $opened; then
		continue_committed
		! $moved || return 0
		step prepared prepare_targets
	else
		begin_migration "$1"
	fi
	find_untouched
	copy_in_passes
	if $dry_run; then
		show_cutover
		return
	fi
	step compared check_copies
	cutover
	show_console
	finish
}

vm_plan() {
	plan_only "$1" show_plan
}

# vm_preflight NAME: the checks alone, without the estimate, which takes two seconds.
vm_preflight() {
	plan_only "$1" true
}

# plan_only NAME SHOW: make the plan, show it, and check it; nothing is kept.
plan_only() {
	connect_old
	open_migration "$1"
	! $opened || die_as "$refused" "$vm is being migrated already: blkmigrate status $(quote "$vm")"
	find_vm "$1"
	connect_new
	make_plan
	"$2"
	preflight
	say "nothing is in the way"
}

vm_prepare() {
	connect_old
	open_migration "$1"
	if $opened; then
		plan_again
	else
		begin_migration "$1"
	fi
	note_untouched
}

vm_sync() {
	need_migration "$1"
	continue_committed
	! $moved || die_as "$refused" "$vm is on $(name_of new) already"
	step prepared prepare_targets
	find_untouched
	copy_in_passes
}

vm_cutover() {
	need_migration "$1"
	continue_committed
	! $moved || return 0
	[ -n "${finished[bulk]:-}" ] || die_as "$refused" "the disks of $vm have not been copied yet: blkmigrate sync $(quote "$vm")"
	cutover
	show_console
	finish
}

vm_rollback() {
	local disk

	need_migration "$1"
	if [ "$live" = yes ]; then
		take_back_live
		return
	fi
	roll_back
	for disk in "${disks[@]}"; do
		drop_snapshots "$disk"
	done
	backup_end
	drop_checkpoints
}

vm_finish() {
	need_migration "$1"
	continue_committed
	$moved || die_as "$refused" "$vm has not been moved yet: blkmigrate cutover $(quote "$vm")"
}

# vm_verify NAME: while it runs, only the last snapshot can be compared.  It succeeds only if something
# was.
vm_verify() {
	local disk equal=true

	need_migration "$1"
	continue_committed
	! $moved || die_as "$refused" "$vm runs on $(name_of new), which has changed its disks since"
	for disk in "${disks[@]}"; do
		copied=''
		[ -z "${volume[$disk]:-}" ] || copied_snapshot "$disk"
		if [ -n "$copied" ]; then
			sink_open "$disk"
			if compare "$disk" "$(path_of_snapshot "$disk" "$copied")"; then
				note_compared "$disk" true
			else
				note_compared "$disk" false
				warn "$disk: the digests of both sides differ"
				equal=false
			fi
			sink_close "$disk"
		else
			say "$disk: there is no snapshot to compare with"
		fi
	done
	$equal || exit 1
	[ ${#compared[@]} -gt 0 ] ||
		die "nothing of $vm was compared: only snapshots of volumes that were copied can be, while it runs; blkmigrate cutover $(quote "$vm") --verify full compares all disks when it is off"
}

connect_old() {
	make_private
	reach old
}

# connect_new [COMMAND]: the command is run first where the new host does not answer.
connect_new() {
	[ -n "${address[new]}" ] || usage_error "say where it goes: --to HOST"
	reach new "$@"
	tcp_ready
	lanes_ready
	ports_ready
	compress_ready
}

# open_migration NAME: resume the one that is known; $opened says whether there was one.  Call it
# plainly, like continue_committed, so that errexit stays on inside.
opened=false planned_live=''
open_migration() {
	local wanted=${address[new]}

	opened=false
	find_migration "$1"
	[ -n "$found" ] || return 0
	opened=true
	load_plan || die "$(name_of old): the plan in $(state_of old) cannot be read"
	planned_live=$live
	configure "${address[new]}"
	[ -z "$wanted" ] || [ "$wanted" = "${address[new]}" ] ||
		die_as "$refused" "$vm is being migrated to ${address[new]}; to go elsewhere, blkmigrate rollback and purge first"
	[ "$command" = prepare ] || ! $keep_memory_wanted || [ "$keep_memory" = yes ] ||
		die_as "$refused" "$vm was planned without --keep-memory; to plan it again: blkmigrate prepare $(quote "$vm") --keep-memory"
	# The journal tells how bad that is.
	connect_new journal_read
	fits_command
	! $dry_run || die_as "$refused" "$vm is being migrated already; a dry run is of one that is not: blkmigrate status $(quote "$vm")"
	choose_ciphers
	session_open "$uuid"
	find_pushed
	[[ $command != @(run|sync|cutover) ]] || need_codec
	journal_read
	if [ -n "${begun[rollback]:-}" ]; then
		roll_back
	fi
}

# fits_command: what was begun by live is not gone on with by run, nor the other way round.
fits_command() {
	case $command,$planned_live in
	live,) die_as "$refused" "$vm is being migrated by blkmigrate run: to move it live, blkmigrate rollback and purge first" ;;
	run,yes | prepare,yes | sync,yes | cutover,yes | verify,yes) die_as "$refused" "$vm is being moved by blkmigrate live; the same command resumes that, and blkmigrate rollback undoes it" ;;
	esac
}

need_migration() {
	connect_old
	open_migration "$1"
	$opened || die_as "$refused" "no migration of $1 is known on $(name_of old): blkmigrate run $(quote "$1") --to HOST begins one"
}

# begin_migration NAME: plan, preflight, consent; then make the targets.
begin_migration() {
	local mine

	find_vm "$1"
	connect_new
	make_plan
	show_plan
	preflight
	consent
	choose_ciphers
	[ -n "$token" ] || session_open "$uuid"
	if $dry_run; then
		needs_no_programs || programs_ready
		prepare_targets
		return
	fi
	# Another run may have begun one while the operator read the plan.
	mine=$id
	find_migration "$uuid"
	[ -z "$found" ] || die_as "$refused" "$vm is being migrated already: blkmigrate status $(quote "$vm")"
	id=$mine
	save_plan
	saved=true changed=true
	# Nothing of it is left where live fails.
	[ "$live" != yes ] || cutting=true
	needs_no_programs || programs_ready
	step prepared prepare_targets
}

# needs_no_programs: where libvirt copies all.
needs_no_programs() {
	[ "$live" = yes ] && [ ${#media[@]} = 0 ]
}

# Whether this run has made a plan that is kept.
saved=false

consent() {
	local consented=''

	if $yes || $dry_run; then
		return
	fi
	[ -t 0 ] || die_as "$refused" "there is no terminal to ask on: --yes agrees in advance"
	read -r -p "Move $vm to $(name_of new)? [y/n] " consented
	[[ $consented == [yY]* ]] || die_as "$refused" "nothing was changed"
}

prepare_targets() {
	local disk

	for disk in "${placed[@]}"; do
		make_target "$disk"
	done
	make_tables
	make_swaps
	refresh_pool
}

# continue_committed: after the commit there is only one way: finish the migration.  $moved says
# whether there was a commit.
moved=false
continue_committed() {
	local status=0

	moved=false
	committed || status=$?
	case $status in
	0) ;;
	1) return 0 ;;
	*) die "$(name_of new) cannot be asked whether $vm was committed to it; nothing is started anywhere" ;;
	esac
	moved=true
	[ "$live" != yes ] || catch_up
	resume
	finish
}

# finish: remove marks, snapshots and checkpoints; the old disks stay until purge.
finish() {
	local disk

	if [ -z "${finished[finished]:-}" ]; then
		if [ "$autostart" = yes ]; then
			vm_keep new autostart "$new_uuid" || die "autostart of $vm cannot be switched on at $(name_of new)"
		fi
		bring_later
		for disk in "${disks[@]}"; do
			drop_snapshots "$disk"
		done
		for disk in "${placed[@]}"; do
			unmark_target "$disk"
		done
		refresh_pool
		keep_written_again
		journal 'done' finished
	fi
	say_how_it_is
	if [ "$persistent" = yes ]; then
		say "$vm is on $(name_of new)$(other_name). Its disks on $(name_of old) are kept, and it cannot start there, until: blkmigrate purge $(quote "$vm")"
	else
		say "$vm is on $(name_of new)$(other_name), where it is defined. Its disks on $(name_of old) are kept until: blkmigrate purge $(quote "$vm"); do not create it there again"
	fi
}
