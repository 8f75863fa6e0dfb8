# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What the operator reads who has ended this program by a signal: what is left half done, and that the
# same command goes on.  INT, TERM and HUP do the same.

# tell_interrupted: once everything that this run had started has ended.  Of a cutover or a live move
# after_failure tells, which takes it back.
tell_interrupted() {
	[ -n "$signal" ] && ! $cutting && ! $arriving || return 0
	if $dry_run; then
		warn "interrupted; a dry run changes nothing"
		return
	fi
	case $command in
	copy) tell_copy_interrupted ;;
	run | live | prepare | sync | cutover) tell_move_interrupted ;;
	rollback | finish | purge) tell_end_interrupted ;;
	*) warn "interrupted; nothing was changed" ;;
	esac
}

tell_copy_interrupted() {
	if $finish_wanted; then
		warn "interrupted; what is left of the marks and snapshots the same command removes"
	elif [ "${begun[copy]:-}" != now ]; then
		warn "interrupted; nothing was copied"
	elif [ "${finished[copy]:-}" = now ]; then
		warn "interrupted; ${target[disk]} on $(name_of new) is complete"
	else
		warn "interrupted; ${target[disk]} on $(name_of new) is not complete and must not be used; the same command goes on from here"
	fi
}

tell_move_interrupted() {
	local where

	where="$vm stays on $(name_of old)"
	if [ -z "${begun[prepared]:-}" ]; then
		warn "interrupted; nothing was changed"
	elif [ -n "${begun[rollback]:-}" ]; then
		tell_end_interrupted
	elif [ -n "${begun[committed]:-}" ]; then
		warn "interrupted; $vm belongs to $(name_of new) already; the same command completes the move (blkmigrate status $(quote "$vm") tells more)"
	elif [ -z "${begun[bulk]:-}" ]; then
		warn "interrupted; $where, and its disks were not copied yet; the same command goes on from here, blkmigrate purge $(quote "$vm") abandons it"
	elif [ -z "${finished[bulk]:-}" ]; then
		warn "interrupted; $where, and its disks on $(name_of new) are not complete; the same command goes on from here, blkmigrate purge $(quote "$vm") abandons it"
	else
		warn "interrupted; $where, and its disks on $(name_of new) lack the last changes; the same command goes on from here, blkmigrate purge $(quote "$vm") abandons it"
	fi
}

tell_end_interrupted() {
	if [ -z "$token" ]; then
		warn "interrupted; nothing was changed"
	elif [ -n "${begun[rollback]:-}" ]; then
		warn "interrupted while $vm is taken back to $(name_of old); blkmigrate rollback $(quote "$vm") completes that"
	else
		warn "interrupted; what is not done yet the same command does (blkmigrate status $(quote "$vm") tells more)"
	fi
}

# end_by_signal STATUS: a shell script that has started this program ends with it only if the program
# dies by the signal.  Where that is ignored, the status tells.
end_by_signal() {
	trap - EXIT
	if [ -n "$signal" ] && [ "$1" -gt 128 ]; then
		trap - "$signal"
		kill -s "$signal" $$
	fi
	exit "$1"
}
