#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A delta on a file that is shorter than its base, or than what an undo log restores: what
# is missing is in no record, so the target would be wrong.

load ../helpers
load delta

# refused TARGET COMMAND ...: nothing is written, and the byte where the file ends is named.
refused() {
	local target=$1 end

	shift
	end=$(stat -c %s "$target")
	cp "$target" before
	run -2 --separate-stderr "$@"
	[ "${#stderr_lines[@]}" = 1 ]
	[[ $stderr == "blkwrite: $target: at byte $end: neither the old data of the "*" nor its new data: the file ends there, and "* ]]
	cmp "$target" before
}

@test "a delta on a file that is shorter than its base is refused before the first byte" {
	make_pair
	blkdiff old new >delta
	head -c 2000000 old >short
	: >empty

	refused short blkwrite --verify short <delta
	refused short bash -c 'cat delta | blkwrite --verify short'
	refused short bash -c 'cat delta | blkwrite --undo log short'
	refused empty blkwrite empty <delta
	refused empty bash -c 'cat delta | blkwrite empty'
	[ ! -e log ]
	run -2 --separate-stderr bash -c 'cat delta | blkwrite --create none'
	[ ! -e none ]
}

@test "a delta by map on a file that is shorter than the mapped one is refused" {
	make_pair
	blksum --map old | blkdiff --map - new >delta
	head -c 2000000 old >short
	: >empty

	refused short blkwrite short <delta
	refused short bash -c 'cat delta | blkwrite short'
	refused empty bash -c 'cat delta | blkwrite empty'
}

@test "a delta of a range is compared with that range of the file" {
	make_pair
	blkdiff -o 1M old new >delta
	head -c 3M old >short
	cp old target

	refused short blkwrite -o 1M short <delta
	blkwrite -o 1M target <delta
	cmp -i 1M target new
}

@test "a delta that grows a file is applied to its base, and again, and after a cut" {
	make_image old 3M 1
	make_image new 5M 2
	blkdiff old new >delta
	cp old target

	run -2 bash -c 'head -c 3M delta | blkwrite target'
	run -0 bash -c 'cat delta | blkwrite target'
	cmp target new
	run -0 blkwrite target <delta
	cmp target new
	: >nothing
	blkdiff nothing new | blkwrite --create fresh
	cmp fresh new
}

@test "a delta that shrinks a file is applied to its base, and again" {
	make_image old 5M 1
	make_image new 3M 2
	blkdiff old new >delta
	cp old target

	run -0 blkwrite target <delta
	run -0 blkwrite target <delta
	cmp target new
	truncate -s 2999999 target
	refused target blkwrite target <delta
}

@test "a list of changes must cover the missing end of a file" {
	make_pair
	blkdiff --list old new >list
	blkdiff --changes list new >delta
	head -c 2000000 old >short

	refused short blkwrite short <delta
	run -2 --separate-stderr bash -c 'cat delta | blkwrite short'
	[[ $stderr == *"the file ends there, and no record says what comes up to "* ]]
	echo "1900000 $((8388608 - 1900000))" >>list
	head -c 2000000 old >short
	blkdiff --changes list new | blkwrite short
	cmp short new
}

@test "a list of changes that covers only a part of the missing end is refused" {
	make_noise old 3M
	make_noise new 3M 2
	echo "0 3000000" >list
	blkdiff --changes list new >delta
	: >empty

	run -2 --separate-stderr blkwrite empty <delta
	[[ $stderr == "blkwrite: empty: at byte 3000000: neither "*"the file ends there, and no record says what comes up to 3145728" ]]
	[ ! -s empty ]
	run -2 bash -c 'cat delta | blkwrite empty'
}

@test "an undo log on a file that is shorter than the restored ranges is refused" {
	make_pair
	cp old target
	blkdiff old new | blkwrite --undo log target
	head -c 8000000 target >short

	refused short blkwrite short <log
	refused short bash -c 'cat log | blkwrite short'
}

@test "--force applies a delta to a shorter file, and says what stays unknown" {
	make_pair
	blkdiff old new >delta
	head -c 2000000 old >short

	run -0 --separate-stderr blkwrite --force short <delta

	[[ $stderr == *"overwritten by --force that the delta was not made for"* ]]
	[ "$(stat -c %s short)" = 8388608 ]
}
