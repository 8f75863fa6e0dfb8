#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What a migration has done is never guessed: a journal that cannot be read is not an empty one, a
# step that failed is not done, and a host that does not answer has not lost its disks.

load ../helpers
load migrate

setup() {
	test_begin
}

# recorded LINE ...: the journal has these.
recorded() {
	mkdir -p state/from/0123456789ab
	printf '%s\n' "$@" >state/from/0123456789ab/journal
}

# failing NUMBER CODE: with a host that cannot be asked for the NUMBERth time, and only then, of those
# while $counting.
failing() {
	rm -f asked
	inside 'counting=true
		on() {
			! $counting || echo >>asked
			! $counting || [ "$(wc -l <asked)" != '"$1"' ] || return 255
			feed "$@" </dev/null
		}
		'"$2"
}

@test "a journal is read; lines that were cut do not count, and without one nothing was begun" {
	run -0 inside 'journal_read; echo "${#begun[@]} ${#finished[@]}"'
	[ "$output" = '0 0' ]
	recorded '2026-01-01T00:00:00Z begin bulk .' '2026-01-01T00:00:01Z done bulk .' \
		'2026-01-01T00:00:01Z note transient: nothing $(touch oops) .' '2026-01-01T00:00:02Z begin qui' \
		'2026-01-01T00:00:03Z begin sent-vda .' '2026-01-01T00:00:04Z begin fenced .' '2026-01-01T00:00:05Z undo fenced .'

	run -0 inside 'journal_read; echo "$(printf "%s\n" "${!begun[@]}" | sort | xargs); ${!finished[*]}"'

	[ "$output" = 'bulk sent-vda; bulk' ]
	[ ! -e oops ]
}

@test "a journal that cannot be read is not an empty one" {
	mkdir -p state/from/0123456789ab/journal

	run -2 --separate-stderr inside 'journal_read; echo on'
	[ -z "$output" ]
	[[ $stderr == *"the journal on this host cannot be read ($dir/state/from/0123456789ab/journal); nothing is done"* ]]
	rmdir state/from/0123456789ab/journal
	recorded '2026-01-01T00:00:00Z done ran .'
	run -2 --separate-stderr failing 1 'journal_read; echo on'
	[ -z "$output" ]
	run -2 --separate-stderr failing 1 'if journal_read; then echo on; fi; echo on'

	[ -z "$output" ]
}

@test "a line of the journal that is not understood ends the program, and is never a subscript" {
	recorded '2026-01-01T00:00:00Z begin x[$(touch${IFS}oops)] .'

	run -2 --separate-stderr inside 'journal_read'

	[[ $stderr == *'the journal on this host has a line that is not understood: 2026-01-01T00:00:00Z begin x'* ]]
	[ ! -e oops ]
}

@test "a step that fails is not recorded as done, also where errexit is off" {
	fails='f() { false; }; g() { return 3; }'
	for code in 'step one f' 'step one f || echo no' 'if step one g; then echo yes; fi'; do
		rm -rf state
		run inside "$fails; $code"
		[ "$status" != 0 ]
		[ -z "$output" ] || [[ $output == 'blkmigrate: one: this step of the migration failed (status '* ]]
		run -1 grep 'done one' state/from/0123456789ab/journal
	done

	run -0 inside 'step two true; step two false'

	grep ' done two \.$' state/from/0123456789ab/journal
}

@test "a machine that ran is not taken for one that was off if the journal cannot be read" {
	recorded '2026-01-01T00:00:00Z done ran .' '2026-01-01T00:00:01Z begin quiet .' '2026-01-01T00:00:02Z done down .'
	code='domain_state() { echo "shut off"; }
		journal_read
		[ -n "${begun[quiet]:-}" ] || echo "asked again whether it runs"
		[ -n "${finished[ran]:-}" ] || echo "left off"'

	run -0 inside "$code"
	[ -z "$output" ]
	run -2 --separate-stderr failing 1 "$code"

	[ -z "$output" ]
}

# --- purge ------------------------------------------------------------------------

purging='counting=false disks=(vda) source[vda]=$PWD/old.img kind[vda]=file size[vda]=4096
	identify vda
	identity[vda]=$identified
	counting=true
	source_undefine() { :; }
	drop_checkpoints() { :; }'

@test "purge removes the old disks, and says which are gone" {
	truncate -s 4096 old.img

	run -0 inside "$purging; purge_source 'shut off'"
	[ ! -e old.img ]
	truncate -s 4096 old.img
	run -0 inside "$purging; rm old.img; purge_source 'shut off'"

	[ "$output" = "$dir/old.img is not there any more" ]
}

@test "purge stops if the old host cannot be asked, at whichever question" {
	for number in 1 2 3 4; do
		truncate -s 4096 old.img
		run -2 --separate-stderr failing "$number" "$purging; purge_source 'shut off'; echo purged"
		[ -z "$output" ]
		[ -e old.img ]
	done
	run -0 --separate-stderr failing 5 "$purging; purge_source 'shut off'; echo purged"

	[ ! -e old.img ]
}

# --- the commit -------------------------------------------------------------------

# commits NUMBER CODE: what a host that fails like that says about the commit.
commits() {
	failing "$1" 'begun[defined]=yes
		address[new]=""
		domain_state() { on new echo "${running:-none}"; }
		vm_on() { on new cat there.xml; }
		disk_paths() { cat "$1"; }
		mkdir -p state/to/0123456789ab state/from/0123456789ab
		touch state/to/0123456789ab/defining
		echo "<vda /x" >there.xml
		echo "<vda ${path:-/x}" >state/from/0123456789ab/target.xml
		'"$2"'
		status=0
		committed || status=$?
		echo "$status"'
}

@test "whether it was committed is yes, no, or not known" {
	[ "$(commits 0 '')" = 1 ]
	[ "$(commits 0 'touch state/to/0123456789ab/commit')" = 0 ]
	rm state/to/0123456789ab/commit
	[ "$(commits 0 'running=running')" = 0 ]
	[ "$(commits 0 'running=running path=/y; echo "<vda /y" >state/from/0123456789ab/target.xml')" = 1 ]
	[ "$(commits 0 'running=running; rm state/to/0123456789ab/defining')" = 1 ]
	for number in 1 2 3 4 5; do
		[ "$(commits "$number" 'running=running')" = 255 ]
	done
}

# --- what was made ----------------------------------------------------------------

making='counting=false disks=(vda) placed=(vda) source[vda]=$PWD/old.img kind[vda]=file size[vda]=4096
	target[vda]=$PWD/new.img target_kind[vda]="file" target_volume[vda]="" volume[vda]=""
	make_target vda
	counting=true'

@test "a target is not left, or left marked, with status 0 where the new host cannot be asked" {
	truncate -s 4096 old.img
	for work in remove_target unmark_target; do
		for number in 1 2; do
			run -2 --separate-stderr failing "$number" "$making; $work vda; echo on"
			[ -z "$output" ]
			[[ $stderr == *"this host"* ]]
			[ -e new.img ]
			[ -e .new.img.blkmigrate-0123456789ab ]
		done
	done

	run -0 inside "$making; unmark_target vda"
	[ ! -e .new.img.blkmigrate-0123456789ab ]
	[ -e new.img ]
}

@test "purge before the move fails if the new host cannot be asked" {
	truncate -s 4096 old.img
	for number in 1 2; do
		run -2 --separate-stderr failing "$number" "$making; purge_target; echo purged"
		[ -z "$output" ]
		[ -e new.img ]
	done

	run -0 failing 3 "$making; purge_target; echo purged"
	[ "$output" = purged ]
	[ ! -e new.img ]
}

@test "snapshots are not left with status 0 where the old host cannot be asked" {
	code='volume[vda]=vg/web
		lvs() { echo "web-blkmigrate-1 blkmigrate:0123456789ab"; }
		on() { shift; case "$*" in lvs*) return 255 ;; *) "$@" ;; esac; }
		'

	for work in drop_snapshots copied_snapshot clear_snapshots; do
		run -2 --separate-stderr inside "$code $work vda; echo on"
		[ -z "$output" ]
		run -2 --separate-stderr inside "$code if $work vda; then echo on; fi; echo on"
		[ -z "$output" ]
	done
}
