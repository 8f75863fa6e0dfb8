#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Configuration files of blkmigrate: which option holds, where it is from, and that nothing is executed.

load ../helpers
load migrate

setup() {
	migrate_begin
	export XDG_CONFIG_HOME=$dir/etc
	mkdir etc
	conf=etc/blkmigrate.conf
}

config() {
	"$root/scripts/blkmigrate" config "$@"
}

@test "the last one holds, a host's section for that host alone, and the command line" {
	printf '%s\n' '# all' 'jobs = 4' '' ' bwlimit=20M ' 'quiesce = yes' 'ssh-option = Port=22' \
		'[new]' 'jobs = 5' 'vg = ssd' 'map-disk = vda=/x y' '[other]' 'jobs = 6' >"$conf"

	run -0 config
	[[ $output == *"jobs = 4  # $dir/$conf:2"* ]]
	[[ $output == *"bwlimit = 20M  # $dir/$conf:4"* ]]
	[[ $output == *"quiesce = yes  # $dir/$conf:5"* ]]
	[[ $output == *"passes = 5  # default"* ]]
	[[ $output != *vg* ]]
	run -0 config --to new --ssh-option=-4 --bwlimit 1M
	[[ $output == *"jobs = 5  # $dir/$conf:8"*"map-disk = vda=/x y  # $dir/$conf:10"* ]]
	[[ $output == *"bwlimit = 1M  # command line"* ]]
	[[ $output == *"ssh-option = -4  # command line"*"ssh-option = Port=22  # $dir/$conf:6"* ]]
	: >empty
	run -0 config --config empty

	[[ $output == *"jobs = 2  # default"* ]]
}

@test "what holds is what a copy does, to the host of its target" {
	printf '%s\n' "state = $dir/state" "ssh-option = -F$config" '[new]' 'create = yes' 'verify = full' '[old]' 'jobs = 3' >"$conf"

	run -0 --separate-stderr "$root/scripts/blkmigrate" copy old.img new:"$dir/new.img"

	cmp old.img new.img
	[[ $stderr == *'both sides are blk128:'* ]]
	[ -d state ]
}

@test "a later command takes the section of the host that the plan names" {
	printf '%s\n' 'downtime = 1' 'ssh-option = -4' '[far]' 'downtime = 2' 'passes = 3' 'ssh-option = -6' >"$conf"

	run -0 inside 'given=([--passes]=9) passes=9
		read_configuration
		configure ""
		echo "$downtime $passes ${ssh_options[*]}"
		configure far
		configure far
		echo "$downtime $passes ${ssh_options[*]}"'

	[ "$output" = $'1 9 -4\n2 9 -4 -6' ]
}

@test "a line that is not understood is a usage error with its place, and nothing is executed" {
	for line in 'jobs' 'jobs = 99' 'jobs = $(touch oops)' 'fly = yes' 'quiesce = maybe' 'to = new' 'config = x' \
		'`touch oops` = 1' '[]' 'a[$(touch oops)] = 1' '--jobs = 4'; do
		printf '\n%s\n' "$line" >"$conf"
		run -64 --separate-stderr config
		[[ $stderr == "blkmigrate: $dir/$conf:2: "* ]]
		[ -z "$output" ]
	done
	printf 'bwlimit = @$(touch oops)\n' >"$conf"
	run -0 config

	[ ! -e oops ]
}

@test "a file that others may write to is refused" {
	echo 'jobs = 3' >"$conf"
	for mode in 620 602 666; do
		chmod "$mode" "$conf"
		run -64 --separate-stderr config
		[ "$stderr" = "blkmigrate: $dir/$conf: others may write to it (chown, chmod go-w); it is not read" ]
	done
	chmod 644 "$conf"
	run -0 config
	run -64 config --config none
}
