#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# How `make check` runs the files of tests, and what it says at its end.

load ../helpers

# report FILE STATUS: what bats reported of it, on standard input, as the Makefile keeps it.
report() {
	echo "$1" >>files
	cat >"${1//\//+}"
	echo "$2" >"${1//\//+}.status"
}

@test "the summary counts all, and names skipped and failed tests once more" {
	printf '1..2\nok 1 one\nok 2 three is # odd\n' | report t/a.bats 0
	printf '1..3\nok 1 one\nnot ok 2 two are equal\n# ok 4\nok 3 three # skip needs moon\n' | report t/b/b.bats 1

	run -1 --separate-stderr "$root/t/summary" .

	[ "$output" = "skipped: t/b/b.bats: three # skip needs moon
failed: t/b/b.bats: two are equal
3 passed, 1 failed, 1 skipped" ]
	[ -z "$stderr" ]
}

@test "the summary of what passed is one line and status 0" {
	printf '1..1\nok 1 one\n' | report a.bats 0

	run -0 --separate-stderr "$root/t/summary" .

	[ "$output" = "1 passed, 0 failed" ]
}

@test "a file that broke off, failed outside of its tests or never ran has failed" {
	printf '1..2\nok 1 one\n' | report cut.bats 0
	printf '1..1\nok 1 one\n' | report outside.bats 1
	echo "bats: syntax error" | report broken.bats 1
	echo never.bats >>files

	run -1 --separate-stderr "$root/t/summary" .

	[ "$output" = "failed: cut.bats: 2 tests planned, 1 reported
failed: outside.bats: exit status 1, though no test failed
failed: broken.bats: none tests planned, 0 reported
failed: never.bats: none tests planned, 0 reported
2 passed, 4 failed" ]
}

@test "tests that end programs by HUP and INT pass where make was started with both ignored" {
	# bats would take a line that begins with its own word for a test of this file.
	printf '@%s' 'test "a program ends by HUP and by INT" {
		for signal in HUP INT; do
			status=0
			sh -c "kill -$signal \$\$; sleep 1" || status=$?
			[ $status -gt 128 ]
		done
	}' >signals.bats

	run -0 bash -c "trap '' HUP INT; exec make -C '$root' RESULTS='$dir' '$dir/signals.bats.run'"

	[ "$(cat ./*signals.bats.status)" = 0 ]
}

@test "make help lists the targets" {
	run -0 make -C "$root" --no-print-directory help

	[ "${lines[0]}" = "make                 the filters, in bin/" ]
	[[ $output == *"make check-lab "* ]]
}
