#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkmigrate copy, where a test must wait until what a killed run left has given up.

load ../helpers
load ../blkmigrate/migrate

setup() {
	migrate_begin
}

@test "killed at any line of the journal, the same command completes the copy" {
	break_program sync 'echo >>'"$dir"'/syncs
		command -p sync "$@"
		[ "$(wc -l <'"$dir"'/syncs)" != "$(cat '"$dir"'/kill-at)" ] || kill -KILL "$(cat '"$dir"'/driver)"'
	for at in 1 2 3 4; do
		rm -f new.img .new.img.* syncs
		echo $at >kill-at
		background env PATH="$PATH" "$root/scripts/blkmigrate" copy --state "$dir/state" \
			--ssh-option "-F$config" --create old.img new:"$dir/new.img"
		echo "$pid" >driver
		wait_for 30 gone "$pid"

		run -0 migrate copy --create --verify full old.img new:"$dir/new.img"
		cmp old.img new.img
	done
}

@test "two runs of the same copy never work at the same time" {
	make_noise old.img 32M
	background "$root/scripts/blkmigrate" copy --state "$dir/state" --ssh-option "-F$config" \
		--bwlimit 1M --create old.img new:"$dir/new.img"
	wait_for 20 test -s new.img

	run -2 --separate-stderr migrate copy old.img new:"$dir/new.img"

	[[ $stderr == *"another blkmigrate is at work on this, on this host: "*", process $pid, since "* ]]
}
