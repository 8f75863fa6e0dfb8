#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkmigrate is killed after, before and in the middle of every line of its journal, and is
# resumed or rolled back: whatever it was doing, the virtual machine runs on one host only, and
# continues to count.

load ../helpers
load ../lab/network
load ../lab/libvirt
load ../lab/migrate

# Every line of the journal that an undisturbed migration writes.
journal_lines() {
	make_running web raw
	migrate run web --to new --yes
	on old 'cut -d " " -f 2,3 /var/lib/blkmigrate/from/*/journal'
}

# each_line WHEN COMMAND: kill it there, then run the command.  A pattern in ONLY, in the
# environment, selects some of the lines.
each_line() {
	local line

	journal_lines | sort -u >lines
	[ "$(wc -l <lines)" -gt 15 ]
	while IFS= read -r line <&4; do
		wipe_hosts
		killed "$1" "$line"
		echo "# killed $1 '$line', at $SECONDS s: $stage" >&3
		"$2"
	done 4< <(grep -E "${ONLY:-.}" lines)
}

# goes_back_if_it_can: it can until it is committed.
goes_back_if_it_can() {
	if [ -n "$(on new 'ls /var/lib/blkmigrate/to/*/commit 2>/dev/null')" ]; then
		goes_nowhere_but_on
	else
		goes_back
	fi
}

@test "killed after each line of its journal, the same command resumes" {
	each_line after goes_on
}

@test "killed after each line of its journal, it is rolled back, unless it was committed" {
	each_line after goes_back_if_it_can
}

@test "killed before each line of its journal, the same command resumes" {
	each_line before goes_on
}

@test "killed before each line of its journal, it is rolled back, unless it was committed" {
	each_line before goes_back_if_it_can
}

@test "killed in the middle of each line of its journal, the same command resumes" {
	each_line torn goes_on
}

@test "killed in the middle of each line of its journal, it is rolled back, unless it was committed" {
	each_line torn goes_back_if_it_can
}

@test "killed after a rollback that it has not recorded, it is rolled back" {
	killed after 'done defined'
	kill_driver_at before 'undo rollback'
	run -137 migrate rollback web

	goes_back
}

@test "killed when a rollback begins, it is rolled back" {
	killed after 'done defined'
	kill_driver_at after 'begin rollback'
	run -137 migrate rollback web

	goes_back
}
