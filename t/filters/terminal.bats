#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# What a display shows on a terminal, and what it does to others there.

load ../helpers

# on_terminal COLUMNS COMMAND: the lines that it showed; the status is the command's.
on_terminal() {
	python3 "$root/t/terminal.py" "$@"
}

@test "what others print on the terminal begins on a line of its own, at any width" {
	make_noise noise 1M
	slowly='head -c 512K noise; sleep 1.5; echo another program >/dev/tty; sleep 1.5; tail -c +524289 noise'

	for columns in 40 80 200; do
		on_terminal "$columns" "{ $slowly; } | blkmeter -i 0.1 -s 1M >out" >lines
		cat lines

		grep -qx 'another program' lines
		[ "$(grep -c '512 KiB' lines)" = 1 ]
		grep -q '^blkmeter: 1.0 MiB' lines
		cmp noise out
	done
}

@test "two meters on one terminal and a filter that prints lines do not overwrite each other" {
	make_noise noise 1M
	slowly='head -c 512K noise; sleep 2; tail -c +524289 noise'

	on_terminal 100 "{ $slowly; } | blkmeter -i 0.1 -N one | { cat; echo a line >&2; } |
		blkmeter -i 0.1 -N two >out" >lines
	cat lines

	grep -qx 'a line' lines
	grep -q '^one: 1.0 MiB (1048576 bytes)' lines
	grep -q '^two: 1.0 MiB (1048576 bytes)' lines
	cmp noise out
}

@test "a job in the background is not stopped by its summary with stty tostop" {
	make_noise noise 1M

	run -0 on_terminal 80 'set -m; stty tostop
		{ sleep 0.5; cat noise; } | blkmeter -i 0.1 >out &
		wait $!'
	echo "$output"

	cmp noise out
	run -0 on_terminal 80 'set -m; stty -tostop; cat noise | blkmeter -i 0.1 >out & wait $!'
	[[ $output = *'blkmeter: 1.0 MiB (1048576 bytes)'* ]]
}

@test "Ctrl-C leaves the line that was drawn, and the next begins below" {
	make_noise noise 1M

	run on_terminal 80 "trap 'echo was interrupted' INT
		{ cat noise; sleep 100; } | blkmeter -i 0.1 -s 2M >out" ' 50% '
	echo "$output"

	[[ $output = *'1.0 MiB of 2.0 MiB  50%'*'ETA 0:'*$'\n''^C'*$'\n''was interrupted'* ]]
}

@test "a delta with notes of how far the comparison is passes unchanged, and is whole" {
	make_noise old 64M
	cp old new
	printf change | dd of=new bs=1 seek=100 conv=notrunc status=none

	blkdiff old new | blkmeter --json -i 0.1 2>json >delta
	cat json

	last_line=$(tail -n 1 json)
	[ "$(jq -r .kind <<<"$last_line")" = delta ]
	[[ $last_line = *'"percent":100.0,'* ]]
	cp old target
	blkwrite target <delta
	cmp new target
}
