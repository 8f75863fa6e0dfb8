#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A map of what has arrived resumes a copy that broke off, repeatedly if need be; until the copy
# is complete, the target's first MiB is zero.

load ../helpers
load delta

# begin_copy SIZE: a source, and a target that holds something else.
begin_copy() {
	make_image source "$1" 4
	make_noise target "$1" 5
	blkread source >stream
}

# interrupted STREAM LENGTH TARGET: only so much of the stream arrives, and the target does
# not look like a disk.
interrupted() {
	run -2 --separate-stderr bash -c "head -c $2 '$1' | blkwrite '$3'"
	[[ $stderr == *"the stream was cut"* ]]
	is_zero "$3" 0 1048576
}

resume() {
	blksum --map "$1" | blkdiff --map - source | blkwrite --verify "$1"
}

length_of() {
	stat -c %s "$1"
}

@test "a copy that was cut at ten places is resumed, and the resuming delta, cut at ten, again" {
	local first second

	begin_copy 6M
	for first in 1 2 3 4 5 6 7 8 9 10; do
		cp target half
		interrupted stream $(($(length_of stream) * first / 11)) half
		blksum --map half | blkdiff --map - source >delta
		# At the same place and at the middle; at every one where THOROUGH is set.
		every 6 "$first" {1..10}
		for second in "${some[@]}"; do
			echo "cut at $first and $second eleventh"
			cp half quarter
			interrupted delta $(($(length_of delta) * second / 11)) quarter

			resume quarter

			cmp source quarter
		done
	done
}

@test "what arrived before the cut is not sent again" {
	begin_copy 8M
	run -2 bash -c "head -c $(($(length_of stream) * 9 / 10)) stream | blkwrite target"

	blksum --map target | blkdiff --map - source >delta

	[ "$(length_of delta)" -lt $(($(length_of stream) / 3)) ]
}

@test "a copy that was killed at any moment is resumed" {
	local call

	begin_copy 6M
	for call in 2 6 11 17; do
		cp target half
		run inject '' pwrite64 "signal=KILL:when=$call" bash -c 'exec blkwrite -j 1 half <stream'
		is_zero half 0 1048576

		resume half

		cmp source half
	done
}

@test "a resuming delta that was killed while it committed shows no half disk" {
	local call

	begin_copy 6M
	interrupted stream 3000000 target
	blksum --map target | blkdiff --map - source >delta
	for call in 1 2 3; do
		cp target half
		run inject '' fsync,fdatasync "signal=KILL:when=$call" bash -c 'exec blkwrite half <delta'

		cmp -s source half || ! cmp -s -n 65536 source half

		resume half
		cmp source half
	done
}

@test "a resuming delta whose first MiB does not read back shows no half disk" {
	require strace
	make_noise source 2M
	cp source target
	clear_range target 0 1048576
	blksum --map target | blkdiff --map - source >delta

	# Its last page was not written, whatever the system says.
	run -2 --separate-stderr inject "$PWD/target" pwrite64 retval=4096:when=1 \
		blkwrite -j 1 --verify target <delta

	[[ $stderr == *"4096 bytes read back otherwise than they were sent"* ]]
	is_zero target 0 1048576
	resume target
	cmp source target
}

@test "the first MiB of a delta is flushed from its end to its beginning" {
	require strace
	make_noise source 2M
	cp source target
	clear_range target 0 1048576
	blksum --map target | blkdiff --map - source >delta

	strace -o calls -e trace=pwrite64,fsync,fdatasync -P "$PWD/target" blkwrite -j 1 target <delta

	cmp source target
	sed -n 's/^f.*sync(.*/sync/p; s/^pwrite64.* 4096, \(0\|4096\|131072\)) = 4096$/\1/p' calls |
		tail -n 6 | tr '\n' ' ' >order
	[ "$(cat order)" = "131072 sync 4096 sync 0 sync " ]
}

@test "a copy to a device that is larger is resumed" {
	begin_copy 5M
	truncate -s 8M target
	attach target
	run -2 bash -c "head -c 2000000 stream | blkwrite $device"

	resume "$device"

	cmp -n 5242880 source "$device"
}

@test "a copy to a range of a disk is resumed" {
	make_image source 3M 4
	make_noise target 8M 5
	cp target expected
	dd if=source of=expected bs=1M seek=2 conv=notrunc status=none
	blkread source >stream
	run -2 bash -c "head -c 1500000 stream | blkwrite -o 2M -l 3M target"

	blksum --map -o 2M -l 3M target | blkdiff --map - source | blkwrite -o 2M -l 3M target

	cmp expected target
}

@test "a source that went on changing is copied as it is now" {
	begin_copy 6M
	interrupted stream 3000000 target
	change source 8

	resume target

	cmp source target
}

@test "resuming over ssh, deflated, with a cut of the link in between" {
	start_sshd
	begin_copy 6M
	interrupted stream 2000000 target

	run -2 --separate-stderr bash -c "ssh -F '$config' new blksum --map '$dir/target' | blkdiff --map - source |
		blkzip | head -c 1000000 | ssh -F '$config' new blkwrite '$dir/target'"
	is_zero target 0 1048576
	ssh -F "$config" new blksum --map "$dir/target" | blkdiff --map - source | blkzip |
		ssh -F "$config" new blkwrite --verify "$dir/target"

	cmp source target
}

@test "a target that is complete already gets nothing" {
	begin_copy 4M
	blkwrite target <stream

	blksum --map target | blkdiff --map - source >delta

	[ -z "$(records <delta)" ]
}
