#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# make bench measures what it says; this does not test how fast anything is.

load ../helpers

# bench [ARGUMENT ...]: on a tiny disk, one run after the warm-up.
bench() {
	mkdir -p tmp
	TMPDIR=$dir/tmp "$root/t/bench/bench" --disk disk --runs 1 --json report "$@"
}

make_disk() {
	require nbdcopy nbdkit qemu-img
	make_image disk 8M
}

@test "each contender of a row is run, and the table and the JSON have the results" {
	make_disk

	run -0 --separate-stderr bench --rows 1

	[ "$(grep -c '^| 1 .*blkread, blkwrite.*MB/s' <<<"$output")" = 3 ]
	grep -q '^row 1: qemu-img convert: run 1: ' <<<"$stderr"
	jq -e '.rows[0].runs | length == 6 and all(.[]; length == 1 and .[0].seconds > 0)' report
	jq -e '.lines | length == 3 and all(.[]; .ours_figure > 0 and .peer_figure > 0)' report
	jq -e '.machine.versions["qemu-img"]' report
}

@test "the inputs of each row can be made" {
	make_disk

	run -0 --separate-stderr python3 - <<-EOF
		import sys
		sys.path.insert(0, "$root/t/bench")
		import prepare
		made = prepare.Prepared("$dir", "$dir/disk")
		for name in "little", "eighth", "changed", "stream", "origin":
		    made.need(name)
		made.remove()
	EOF
}

@test "a contender that did not do the job is reported, and its time is not used" {
	make_disk
	mkdir broken
	ln -s "$BIN"/* broken/
	rm broken/blkwrite
	printf '#!/bin/sh\nexec cat >/dev/null\n' >broken/blkwrite
	chmod +x broken/blkwrite

	BIN=$dir/broken run -2 --separate-stderr bench --rows 1

	grep -q '^bench: row 1: blkread, blkwrite: did not do the job: .*target differ' <<<"$stderr"
	jq -e '.lines == [] and (.rows[0].failures | keys == ["blkread, blkwrite"])' report
	jq -e '.rows[0].runs | length == 5' report
}

@test "a contender that fails is reported, with its message" {
	make_disk
	mkdir broken
	ln -s "$BIN"/* broken/
	rm broken/blkread
	printf '#!/bin/sh\necho out of order >&2\nexit 3\n' >broken/blkread
	chmod +x broken/blkread

	BIN=$dir/broken run -2 --separate-stderr bench --rows 1

	grep -q '^bench: row 1: blkread, blkwrite: exit status [23]: .*out of order' <<<"$stderr"
}

@test "missing programs are reported, with how to get them, before anything is measured" {
	make_disk
	mkdir few
	ln -s /usr/bin/python3 few/

	run -2 --separate-stderr env PATH="$dir/few" python3 "$root/t/bench/bench" --disk disk --rows 1

	[[ $stderr == "bench: needs "*qemu-utils*"; scripts/deps --bench installs "* ]]
	[ -z "$output" ]
}

@test "an unknown row is refused" {
	run -2 --separate-stderr bench --rows 1,77

	[ "$stderr" = "bench: there is no row 77" ]
}

@test "a run that is ended early leaves nothing" {
	make_disk
	background bench --rows 1 --runs 1000
	wait_for 20 eval 'ls tmp/blk-bench.*/*/target'

	kill -TERM -- "-$pid"

	wait_for 20 gone "$pid"
	# The programs of its pipe may end after it.
	wait_for 20 eval '[ -z "$(ls tmp)" ]'
}
