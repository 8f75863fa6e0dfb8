#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Every call of a migration, answered in every odd way: t/blkmigrate/hostile.bats has some of them.

load ../helpers
load ../blkmigrate/migrate
load ../blkmigrate/hosts

setup() {
	hosts_begin
	export -f blkmigrate migrate
	export root dir
}

# one_place: the machine does not run on both hosts.
one_place() {
	[ "$(cat host/*/web.state 2>/dev/null | grep -c running)" -le 1 ]
}

# each_call COMMAND: run it from the start for each call that it makes and each kind of answer.  A
# part of them: FIRST, FIRST + STEP and so on.
each_call() {
	local number count kind

	machine_is running
	"$@"
	count=$(grep -cE '^(old|new) ' calls)
	for ((number = ${FIRST:-1}; number <= count; number += ${STEP:-1})); do
		for kind in "${odd_answers[@]}"; do
			machine_is running
			with_odd "$kind" "$number" "$@"
			one_place
		done
	done
}

@test "run: whatever is answered, nothing of it is run or shown, and the machine runs once at most" {
	each_call migrate run
}

@test "run --keep-memory: the same" {
	each_call migrate run --keep-memory
}

@test "status, of a migration that is under way" {
	local number kind

	migrate prepare
	blkmigrate status web
	count=$(grep -cE '^(old|new) ' calls)
	for ((number = 1; number <= count; number++)); do
		for kind in "${odd_answers[@]}"; do
			with_odd "$kind" "$number" blkmigrate status web
			[ "$(cat host/old/web.state)" = running ]
		done
	done
}
