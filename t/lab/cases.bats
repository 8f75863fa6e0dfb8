#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What says of a case in the guest whether it is good (cases.bash), without a guest.

load ../helpers

# report FUNCTION: what `try` says of it, which is defined in the text on standard input.
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

@test "a case of which all checks hold is ok" {
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

@test "no file of cases has a function that another has as well" {
	run -0 bash -c 'grep -hoE "^[a-z_]+\(\)" "$1"/t/lab/cases*.bash "$1"/t/lab/guest-lvm | sort | uniq -d' twice "$root"

	[ "$output" = "" ]
}
