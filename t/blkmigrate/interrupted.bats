#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Signals: what the operator reads, what ends, and what the same command does next.

load ../helpers
load migrate

setup() {
	migrate_begin
}

# slow_copy [OPTION ...]: a copy of 32 MiB that has begun, as $pid.
slow_copy() {
	make_noise old.img 32M
	background "$root/scripts/blkmigrate" copy --state "$dir/state" --ssh-option "-F$config" \
		--bwlimit 1M --create old.img new:"$dir/new.img" 2>said
	wait_for 60 eval 'grep -q " begin copy " state/from/*/journal'
	sleep 0.5
}

@test "Ctrl-C in a copy: what is left, what goes on, and a terminal as it was" {
	make_noise old.img 32M

	run -130 python3 "$root/t/terminal.py" 100 "trap : INT; stty -a >before
		$root/scripts/blkmigrate copy --state $dir/state --ssh-option -F$config --bwlimit 1M --create old.img new:$dir/new.img
		status=\$?
		stty -a >after
		exit \$status" 'ETA'
	echo "$output"

	said=$(tr -d ' \n' <<<"$output")
	[[ $said = *"interrupted;$dir/new.imgonnewisnotcompleteandmustnotbeused;thesamecommandgoesonfromhere" ]]
	[[ $said != *[Bb]rokenpipe* && $said != *Terminated* ]]
	grep -q '^blkmigrate: interrupted' <<<"$output"
	cmp before after
	[ -z "$(ls tmp)" ]
	wait_for 60 eval '! fuser -s state/lock/*'
}

@test "TERM and HUP do the same, and the program dies by them" {
	for name in TERM:143 HUP:129; do
		rm -rf new.img .new.img* state
		slow_copy

		kill -s "${name%:*}" "$pid"

		wait "$pid" || status=$?
		[ "$status" = "${name#*:}" ]
		wait_for 60 gone "$pid"
		cat said
		[[ $(<said) = *"blkmigrate: interrupted; $dir/new.img on new is not complete"* ]]
		[[ $(<said) != *[Bb]roken\ pipe* ]]
		wait_for 60 eval '! fuser -s state/lock/*'
	done
}

@test "status tells of a copy that runs, was interrupted, and is complete" {
	slow_copy

	run -0 migrate status old.img
	[[ ${lines[0]} = "copy of $dir/old.img: being copied" && ${lines[3]} = '  next: wait; blkmigrate is at work: '*"process $pid, "* ]]
	kill -HUP "$pid"
	wait_for 60 gone "$pid"
	run -0 migrate status
	[[ ${lines[0]} = "copy of $dir/old.img: interrupted; not complete, and not to be used (begun 20"* ]]
	[ "${lines[3]}" = "  next: blkmigrate copy $dir/old.img new:$dir/new.img goes on from there" ]
	migrate status --json >result
	"$root/t/blkmigrate/fits-schema" "$root/scripts/blkmigrate.d/recipe/result.schema.json" <result
	[ "$(jq -r '.copies[0].stage, .copies[0].source' result)" = $'interrupted\n'"$dir/old.img" ]
	migrate copy old.img new:"$dir/new.img"
	cmp old.img new.img
	run -0 migrate status "$dir/old.img"
	[[ ${lines[0]} = "copy of $dir/old.img: complete as of 20"* ]]
	migrate copy --finish old.img new:"$dir/new.img"
	run -3 migrate status old.img
	[[ $output = *'no migration of old.img is known'*', nor a copy of it' ]]
}

@test "a file of a copy that was damaged is named, and no line of it is obeyed" {
	migrate copy --create old.img new:"$dir/new.img"
	file=$(echo state/from/*/copy)

	sed -i 's/^size=.*/size=a[$(touch pwned)]/' "$file"
	run -2 migrate status
	[[ $output = *"state/from/"*"/copy cannot be understood: size=a[\$(touch pwned)]" && ! -e pwned ]]
	sed -i '/^size=/d' "$file"
	run -2 migrate status
	[[ $output = *"has no line for the size" ]]
}

@test "TERM while both sides are compared ends what reads there, on both hosts" {
	migrate copy --create old.img new:"$dir/new.img"
	# shellcheck disable=SC2016
	break_program blksum 'case "$*" in
		*--map*) exec '"$BIN"'/blksum "$@" ;;
	esac
	echo $$ >>"'"$dir"'/reads"
	exec sleep 1000'
	background "$root/scripts/blkmigrate" copy --state "$dir/state" --ssh-option "-F$config" \
		--verify full old.img new:"$dir/new.img" 2>said
	wait_for 60 eval '[ "$(wc -l <reads)" = 2 ]' 2>/dev/null

	kill -TERM "$pid"

	wait_for 60 gone "$pid"
	for each in $(cat reads); do
		wait_for 60 gone "$each"
	done
	grep -q '^blkmigrate: interrupted; ' said
}

@test "each step of a move has its words" {
	# words BEGUN FINISHED: what a run is told that was interrupted there.
	words() {
		inside 'signal=INT command=run token=mine address[new]=new
			begun=() finished=()
			for each in '"$1"'; do begun[$each]=now; done
			for each in '"$2"'; do finished[$each]=now; done
			tell_interrupted
			trap - EXIT' 2>&1
	}

	[ "$(words '' '')" = "blkmigrate: interrupted; nothing was changed" ]
	[[ $(words prepared '') = *'; web stays on this host, and its disks were not copied yet; the same command goes on from here, blkmigrate purge web abandons it' ]]
	[[ $(words 'prepared bulk' prepared) = *'; web stays on this host, and its disks on new are not complete; the same command'* ]]
	[[ $(words 'prepared bulk' 'prepared bulk') = *'; web stays on this host, and its disks on new lack the last changes; the same command'* ]]
	[[ $(words 'prepared bulk committed' 'prepared bulk') = *'; web belongs to new already; the same command completes the move'* ]]
	[[ $(words 'prepared rollback' 'prepared') = *' while web is taken back to this host; blkmigrate rollback web completes that' ]]
}
