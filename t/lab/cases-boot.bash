# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Snapshots of a guest that went down, in the one that is booted then; see cases.bash.

# The state when the guest is shut down.
until_rebooted() {
	make_pair
	change 1024 400
	vgchange -q -an vg
}

after_reboot_cases() {
	vgchange -q -ay vg
	try "across a reboot" across_reboot
}

across_reboot() {
	snapshot=/dev/vg/old origin=/dev/vg/origin target=/dev/vg/target
	[ "$(exceptions $snapshot)" = 100 ]

	patch --snapshot $snapshot
	same $origin $target
}

# The work in progress when the guest is killed; it says when it may be killed.
until_killed() {
	make_pair 16k 40M
	scribble -n 0 -s 64 "$origin" &
	wait_for 60 many_exceptions
	# On a line of its own: the last one may have been a progress bar.
	printf '\nkill me now\n'
	wait
}

many_exceptions() {
	[ "$(exceptions /dev/vg/old)" -gt 100 ]
}

after_kill_cases() {
	vgchange -q -ay vg
	try "after the guest was killed while it wrote" after_kill
}

after_kill() {
	snapshot=/dev/vg/old origin=/dev/vg/origin target=/dev/vg/target
	many_exceptions
	different $origin $target

	patch --snapshot $snapshot
	same $origin $target
}
