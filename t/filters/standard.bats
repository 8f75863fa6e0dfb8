#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What every filter must do with its standard descriptors and its command line, as a
# table: one line is one way to run one of them.

load ../helpers

setup() {
	test_begin
	make_image image 1M
	make_image old 1M 2
	blkread image >stream
	blksum image >sums
	blksum --map old >map
	printf '0 65536 1 dirty\n' >changes
}

all='blkread blkzip blkmeter blkfan blkwrite blkdiff blksum'

# each FUNCTION: call it with each line of standard input, a command, and say which failed.
each() {
	local command failed=0

	while IFS= read -r command; do
		if ! "$1" "$command"; then
			echo "# $command: status $status" >&2
			cat messages >&2
			failed=1
		fi
	done
	return $failed
}

# Commands that print something and read image, stream or sums.
printing() {
	cat <<-'EOC'
		blkread image
		blkread -r image
		blkread - <image
		blkzip <stream
		blkzip <image
		blkzip --store <stream
		blkzip stream | blkzip -d
		blkmeter -q <stream
		blkmeter -q <image
		blkmeter -q -B 1M <stream
		blksum image
		blksum -a sha256 image
		blksum --tag image
		blksum --map image
		blksum -c sums
		blksum <stream
		blkdiff old image
		blkdiff --list old image
		blkdiff --json old image
		blkdiff --map map image
		blkdiff --map - image <map
		blkdiff --changes changes image
		blkdiff --list --changes changes image
	EOC
}

# try COMMAND: run it with all of bash's errors out of the way; $status, messages, output.
try() {
	status=0
	bash -o pipefail -c "$1" >output 2>messages || status=$?
}

@test "a full standard output is an error for each that prints" {
	full() {
		try "$1 >/dev/full"
		[ "$status" = 2 ] && grep -q 'No space left on device' messages
	}

	printing | each full
}

@test "a closed standard output is an error for each that prints" {
	closed() {
		try "$1 >&-"
		[ "$status" = 2 ] && [ "$(wc -l <messages)" = 1 ]
	}

	printing | each closed
}

@test "a reader that has gone ends each that prints, silently and by SIGPIPE" {
	gone_reader() {
		try "set +o pipefail; { sleep 0.3; $1; } | true; exit \${PIPESTATUS[0]}"
		[ "$status" = 141 ] && [ ! -s messages ]
	}

	printing | each gone_reader
}

@test "a closed standard error does not disturb a success" {
	silent() {
		try "$1"
		mv output before
		try "$1 2>&-"
		[ "$status" = 0 ] && same_but_id before output
	}

	printing | each silent
}

# Streams carry a random id; with a given one they must be the same.
same_but_id() {
	cmp -s "$1" "$2" || [ "$(content "$1")" = "$(content "$2")" ]
}

# content STREAM: its digest; of a map or a delta, the records.
content() {
	blksum <"$1" 2>/dev/null || "$root/t/format/blkstream.py" <"$1" | sed '1s/ id .*//'
}

@test "a failure fails with a closed standard error too, and prints nothing elsewhere" {
	wrong() {
		try "$1 2>&-"
		[ "$status" = 2 ] && [ ! -s output ]
	}

	each wrong <<-'EOC'
		blkread missing
		blkzip missing
		blkmeter missing
		blkdiff missing image
		blkdiff --map missing image
		blkdiff --changes missing image
		blksum missing
		blkwrite missing <stream
		blkfan <stream
		blkfan cat <image
		blkfan --nonsense cat
		blkread --nonsense image
		blkzip --nonsense
		blkmeter --nonsense
		blkdiff --nonsense old image
		blksum --nonsense
		blkwrite --nonsense target
	EOC
}

@test "a target that was opened while standard error was closed gets no message" {
	make_noise target 1M
	head -c 70000 stream >short

	run -2 bash -c 'blkwrite target <short 2>&-'

	is_zero target 0 1048576
}

@test "a closed standard input is an error for each that reads it" {
	no_input() {
		try "$1 <&-"
		[ "$status" = 2 ] && [ -s messages ]
	}

	each no_input <<-'EOC'
		blkread -
		blkzip
		blkzip -d
		blkzip -t
		blkmeter -q
		blkwrite --create target
		blkwrite -r --create target
		blkdiff --map - image
		blkdiff --changes - image
		blksum
		blksum -c
	EOC
	[ ! -s target ]
}

@test "a closed standard input is nothing to those that do not read it" {
	closed() {
		try "$1 <&-"
		[ "$status" = 0 ] && [ -s output ]
	}

	each closed <<-'EOC'
		blkread image
		blkdiff old image
		blkdiff --map map image
		blkdiff --list --changes changes image
		blksum image
		blksum --map image
		blksum -c sums
	EOC
}

@test "a closed standard output is nothing to blkwrite" {
	run -0 bash -c 'blkwrite --create -v target <stream >&-'

	cmp image target
}

@test "all three closed: blkwrite still writes what it should and nothing else" {
	run -0 bash -c 'exec 3<stream; (blkread image <&- 2>&-) | blkwrite --create target >&- 2>&-'

	cmp image target
}

@test "an unknown option prints usage on standard error and exits with 2" {
	usage() {
		try "$1 </dev/null"
		[ "$status" = 2 ] && [ ! -s output ] && grep -q "^usage: ${1%% *} " messages
	}

	for filter in $all; do
		printf '%s\n' "$filter --nonsense" "$filter -Z"
	done | each usage
}

@test "a missing or surplus operand is a usage error" {
	usage() {
		try "$1 </dev/null"
		[ "$status" = 2 ] && [ ! -s output ] && grep -q '^usage: ' messages
	}

	each usage <<-'EOC'
		blkread
		blkread image image
		blkwrite
		blkwrite target target
		blkzip image image
		blkdiff
		blkdiff image
		blkdiff old image image
		blkdiff --map map old image
		blkdiff --map
		blksum -a
	EOC
}

@test "an operand that is not a file is named" {
	named() {
		try "$1"
		[ "$status" = 2 ] && [ ! -s output ] && grep -q "^${1%% *}: ${1##* }: " messages
	}

	each named <<-'EOC'
		blkread missing
		blkread /
		blkread /dev/null
		blkzip missing
		blkdiff old missing
		blkdiff old /
		blkdiff old /dev/null
		blkdiff image <map --map missing
		blksum missing
		blksum /
		blkwrite <stream missing
		blkwrite <stream /
		blkwrite <stream /dev/zero
	EOC
}

@test "a number that is none is refused with its option and its value" {
	refused() {
		local value=${1#* } option
		option=${value%% *}
		value=${value#* }
		value=${value%% *}
		try "$1"
		[ "$status" = 2 ] && [ ! -s output ] && grep -qe "$option.*$value" messages
	}

	each refused <<-'EOC'
		blkread -o 12abc image
		blkread -l -5 image
		blkread -j 0 image
		blkread -j 65 image
		blkwrite -o 1.5 target <stream
		blkwrite -l 9E target <stream
		blkwrite -j many target <stream
		blkzip -j 0x4 <stream
		blkmeter -L fast <stream
		blkmeter -B -1 <stream
		blkmeter -i 0 <stream
		blkdiff -o 1X old image
		blkdiff -l -1 old image
		blkdiff -j 0 old image
		blkdiff --era-block big --changes changes image
		blksum -o 1X image
		blksum --grid 5000 --map image
	EOC
}
