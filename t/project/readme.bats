#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# README's recipes, run as they are printed, on two hosts of the test's own.

load ../helpers
load ../world

# blocks: README's code blocks of prompts, each ended by a line "--".
blocks() {
	awk '/^```/ { if (inside && prompts) printf "%s--\n", block
			inside = !inside; block = ""; prompts = 0; next }
		inside { block = block $0 "\n" }
		inside && /^(old|new)# / { prompts = 1 }' "$root/README.md"
}

# block PATTERN: the only one of them that has it.
block() {
	blocks | awk -v pattern="$1" 'BEGIN { RS = "--\n" } index($0, pattern) { print; n++ }
		END { exit n != 1 }'
}

# run_block PATTERN: its commands, each on its host; a line that ends in \ or | goes on.
# Who listens runs in the background, and must end well by itself.
run_block() {
	local line host='' command='' listener=''

	block "$1" >commands
	echo "old# true" >>commands
	while IFS= read -r line <&9; do
		case $line in
		old#\ * | new#\ *)
			[ -z "$command" ] || run_command || return
			host=${line%%#*}
			command=${line#*# }
			;;
		*) command+=$'\n'$line ;;
		esac
	done 9<commands
	[ -z "$listener" ] || wait "$listener"
}

run_command() {
	if [[ $command == "nc -l"* ]]; then
		background on_exec "$host" "$command"
		listener=$pid
		wait_for_port 5000
	else
		on "$host" "$command" 3>&- 9<&-
	fi
}

copied() {
	cmp old.img new.img
}

@test "README: over several connections" {
	start_world

	run_block 'blkfan -n 8'

	copied
}

@test "README: by ssh" {
	start_world

	run_block '/dev/vg/web | blkmeter | blkzip | ssh'

	copied
}

@test "README: watched from the new host" {
	start_world

	run_block 'blkmeter -f'

	copied
}

@test "README: by nc" {
	require nc
	start_world

	run_block 'nc -l'

	copied
}

@test "README: to a host that has only gunzip and dd" {
	start_world

	run_block 'gunzip | dd'

	copied
}

@test "README: from a host that has only dd and gzip" {
	start_world

	run_block 'blkwrite -r'

	copied
}

@test "README: into a file and back" {
	start_world

	run_block 'web.blk'

	cmp old.img "$(cat old.device)"
}

@test "README: the check afterwards" {
	start_world
	cp old.img new.img

	run_block 'md5sum -c'
}

@test "README: the check afterwards finds a difference" {
	start_world
	cp old.img new.img
	flip_bit new.img 100000001

	run ! run_block 'md5sum -c'
}

@test "README: what is missing or different" {
	start_world

	run_block 'blkdiff --map'

	copied
}

# One needs device-mapper: the lab's guest runs that.
@test "README has no recipe that is not run here or in the lab's guest" {
	[ "$(blocks | grep -cx -- --)" = 10 ]
	block 'lvcreate -s' >/dev/null
	grep -q 'lvcreate -s' "$root"/t/lab/cases-*.bash
}

@test "README's two commands are make's" {
	grep -qx 'scripts/deps && make demo' "$root/README.md"
	grep -qx 'make check' "$root/README.md"
	make -s -n -C "$root" demo check >/dev/null
}

@test "README tells of every filter and where its manual is" {
	for filter in $(make -s -C "$root" filters); do
		grep -q "^| \[\`$filter\`\](filters/$filter.1) |" "$root/README.md"
	done
}
