# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Snapshots in a guest that is killed while it writes, and in the one that is booted then;
# see cases.bash.

# What is under way when the guest is killed; says when that may be.
until_killed() {
	make_pair 16k 40M
	lvrename -q vg old killed-old
	lvrename -q vg origin killed
	lvrename -q vg target killed-target
	make_pair
	change 1024 400
	sync
	scribble -n 0 -s 64 /dev/vg/killed &
	wait_for 60 many_exceptions
	echo "kill me now"
	wait
}

many_exceptions() {
	[ "$(exceptions /dev/vg/killed-old)" -gt 300 ]
}

after_kill_cases() {
	volumes_stay=yes
	vgchange -q -ay vg
	try "across a reboot" across_reboot
	try "after the guest was killed while it wrote" after_kill
}

across_reboot() {
	snapshot=/dev/vg/old origin=/dev/vg/origin target=/dev/vg/target
	[ "$(exceptions $snapshot)" = 100 ]

	patch --snapshot $snapshot
	same $origin $target
}

after_kill() {
	snapshot=/dev/vg/killed-old origin=/dev/vg/killed target=/dev/vg/killed-target
	[ "$(exceptions $snapshot)" -gt 300 ]

	patch --snapshot $snapshot
	same $origin $target
}
