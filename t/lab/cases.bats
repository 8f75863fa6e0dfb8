#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The code that judges a case in the guest (cases.bash), without a guest.

load ../helpers

# report FUNCTION: print what `try` reports about a function that standard input defines.
report() {
	local text

	text=$(cat)
	bash -uo pipefail -c ". '$root/t/lab/cases.bash'
		lvs() { :; }
		$text
		number=0 failures=0
		try 'the name' $1
		echo \"failures: \$failures\""
}

@test "a case whose checks all hold is ok" {
	run -0 report good <<<'good() { [ 1 = 1 ]; echo quiet; true; }'

	[ "${lines[0]}" = "ok 1 the name" ]
	[ "${lines[2]}" = "failures: 0" ]
}

@test "a check in the middle of a case fails it, and is named" {
	run -0 report bad <<<'bad() { echo loud; [ 1 = 2 ]; true; }'

	[ "${lines[0]}" = "not ok 1 the name" ]
	[[ $output == *"# loud"*"[ 1 = 2 ]"*"failures: 1" ]]
}

@test "so does one in a function that a case calls, and one in a pipe" {
	run -0 report bad <<<'helper() { false; echo on; }; bad() { helper; true; }'
	[ "${lines[0]}" = "not ok 1 the name" ]
	run -0 report bad <<<'bad() { false | cat; true; }'
	[ "${lines[0]}" = "not ok 1 the name" ]
}

@test "no two files of cases have a function of the same name" {
	run -0 bash -c 'grep -hoE "^[a-z_]+\(\)" "$1"/t/lab/cases*.bash "$1"/t/lab/guest-lvm | sort | uniq -d' twice "$root"

	[ "$output" = "" ]
}
