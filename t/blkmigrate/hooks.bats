#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Hooks before and after each step.

load ../helpers
load hosts

setup() {
	hosts_begin
	mkdir hooks
	chmod 755 hooks
}

# hook NAME TEXT
hook() {
	printf '#!/bin/bash\n%s\n' "$2" >"hooks/$1"
	chmod 755 "hooks/$1"
}

@test "hooks run before and after each step, with names; after the shutdown a failure only warns" {
	hook 1-tell 'echo "$BLKMIGRATE_WHEN $BLKMIGRATE_STEP $BLKMIGRATE_COMMAND $BLKMIGRATE_VM $BLKMIGRATE_FROM $BLKMIGRATE_TO" >>"'"$dir"'/told"'
	hook 2-fail '[ "$BLKMIGRATE_WHEN,$BLKMIGRATE_STEP" != after,fenced ] || { echo no monitoring; exit 3; }'
	hook 3-not-run 'touch "'"$dir"'/pwned"'
	chmod 644 hooks/3-not-run

	run -0 --separate-stderr migrate run --hooks hooks

	[[ $stderr == *"blkmigrate: the hook $dir/hooks/2-fail failed after the step fenced: status 3: no monitoring"* ]]
	[ "$(cat host/new/web.state)" = running ]
	[ ! -e pwned ]
	[ "$(grep -c . told)" = "$(sort -u told | grep -c .)" ]
	[ "$(head -n 1 told)" = 'before prepared run web old new' ]
	[ "$(grep -nE '(before|after) (bulk|down|committed) ' told | cut -d : -f 2 | cut -d ' ' -f 1,2 | paste -s -d ,)" = \
		'before bulk,after bulk,before down,after down,before committed,after committed' ]
}

@test "a hook that fails before the shutdown, or that others may write to, stops it; the same command goes on" {
	hook stop '[ "$BLKMIGRATE_WHEN,$BLKMIGRATE_STEP" != before,down ]'

	run -4 --separate-stderr migrate run --hooks hooks
	[[ $stderr == *"blkmigrate: the hook $dir/hooks/stop failed before the step down: status 1"* ]]
	[ "$(cat host/old/web.state)" = running ]
	run ! grep shutdown log
	hook stop true
	chmod 777 hooks/stop
	run -4 --separate-stderr migrate run --hooks hooks
	[[ $stderr == *"others may write to it, or to its folder"* ]]
	chmod 755 hooks/stop

	run -0 migrate run --hooks hooks

	[ "$(cat host/new/web.state)" = running ]
}
