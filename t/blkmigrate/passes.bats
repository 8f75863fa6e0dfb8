#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What is said between the passes of a machine that runs.

load ../helpers
load migrate

# passes SECONDS: of a machine with a volume, whose passes take so long.
passes() {
	inside 'lasts=($1) disks=(vda '"${2:-}"')
		kind=([vda]=lvm [vdb]=file) to_send=([vda]=1000 [vdb]=4000) begun=([bulk]=now) finished=([bulk]=now)
		programs_ready() { :; }
		check_disks() { :; }
		check_targets_are_ours() { :; }
		source_state() { echo running; }
		take_together() { :; }
		disks_for_now() { echo vda; }
		copy_images() { images_copied=true; }
		# The clock goes on, and nothing else happens.
		each_disk() { SECONDS=$((SECONDS + ${lasts[0]:-0})) lasts=("${lasts[@]:1}"); }
		read_rate='"${3:-}"'
		copy_in_passes
		trap - EXIT' "$1" 2>&1
}

@test "after each pass the expected downtime is a number" {
	run -0 passes '200 90 40 20'
	[ "$output" = "copied once, in 3 min
pass 1 took 90 s; with a cutover now, down for about 90 s, and while it shuts down and starts
pass 2 took 40 s; with a cutover now, down for about 40 s, and while it shuts down and starts
pass 3 took 20 s; with a cutover now, down for about 20 s, and while it shuts down and starts" ]
}

@test "a disk that is read on both sides counts with what the plan says" {
	run -0 passes '200 20' vdb 100
	[[ ${lines[1]} = "pass 1 took 20 s; with a cutover now, down for about 61 s, and while"* ]]
	run -0 passes '200 20' vdb
	[[ ${lines[1]} = "pass 1 took 20 s; with a cutover now, down for about 20 s, while disks without snapshots are read on both sides, and"* ]]
}
