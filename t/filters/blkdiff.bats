#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkdiff of two devices, and what holds for every source of changes: options, output, errors.

load ../helpers
load delta

@test "the delta of two images turns one into the other, and says what it replaces" {
	make_pair

	blkdiff old new >delta

	apply delta old
	cmp target new
	records old <delta | grep -q checked
	[ "$(records old <delta | grep -c unchecked)" = 0 ]
}

@test "the delta of equal images is empty" {
	make_image old 5M
	cp old new

	blkdiff old new >delta

	[ -z "$(records <delta)" ]
}

@test "a file differs in nothing from itself" {
	make_image old 5M

	blkdiff old old >delta

	[ -z "$(records <delta)" ]
}

@test "only the pages that differ are sent, neighbours as one" {
	make_noise old 2M
	cp old new
	put new 4095 x
	put new 20000 y
	put new 24575 z
	put new 24576 w
	put new 1048576 v

	blkdiff old new >delta

	[ "$(records old <delta)" = "DATA 0 4096 checked
DATA 16384 12288 checked
DATA 1048576 4096 checked" ]
}

@test "pages that have become zero are sent without data" {
	make_noise old 2M
	cp old new
	clear_range new 8192 8192
	put new 16384 x
	fallocate -p -o 131072 -l 65536 new

	blkdiff old new >delta

	[ "$(records old <delta)" = "ZERO 8192 8192 checked
DATA 16384 4096 checked
ZERO 131072 65536 checked" ]
	apply delta old
	cmp target new
}

@test "a page is data if only its first byte, or only its last, is not zero" {
	truncate -s 1M old new
	put new 0 x
	put new 12287 y

	blkdiff old new >delta

	[ "$(records old <delta)" = "DATA 0 4096 checked
DATA 8192 4096 checked" ]
}

@test "sizes may differ, either way and by any number of bytes" {
	local sizes from to

	make_noise whole 700K
	for sizes in '524288 716800' '716800 524288' '524289 600001' '600001 524289' '1 716799' \
		'716799 1' '0 70001' '70001 0' '300000 300001' '4096 4097' '0 0'; do
		from=${sizes% *} to=${sizes#* }
		echo "$from to $to"
		head -c "$from" whole >old
		head -c "$to" whole >new
		[ "$to" -lt 5000 ] || put new 4096 changed

		blkdiff old new >delta

		apply delta old
		cmp target new
	done
}

@test "ranges beyond the end of the old device are unchecked" {
	make_noise new 300000
	head -c 100000 new >old

	blkdiff old new >delta

	records <delta | grep -qx 'DATA 100000 162144 unchecked'
	records <delta | grep -qx 'DATA 262144 37856 unchecked'
	[ "$(records <delta | wc -l)" = 2 ]
}

@test "holes on either side, or on both, are the zeros that they are" {
	make_image old 16M 1
	make_image new 16M 2

	blkdiff old new >delta

	apply delta old
	cmp target new
	records old <delta | grep -q ZERO
}

@test "two sparse files of a tebibyte take seconds" {
	truncate -s 1T old new
	put old 1000000000000 here
	put new 1000000000000 there
	put new 500000000000 new

	run -0 timeout 20 bash -c 'blkdiff old new >delta'

	[ "$(records <delta)" = "DATA 499999997952 4096 checked
DATA 1000000000000 4096 checked" ]
}

@test "a hole of a tebibyte behind the old end is one record" {
	truncate -s 1M old
	truncate -s 1T new
	put new 700000000000 new

	blkdiff old new >delta

	[ "$(records <delta)" = "ZERO 1048576 699998949376 unchecked
DATA 699999997952 4096 unchecked
ZERO 700000002048 399511625728 unchecked" ]
}

@test "zeros that are read where nothing is known are one record, however long" {
	truncate -s 1M old
	truncate -s 12M new
	dd if=/dev/zero of=new bs=1M count=10 seek=1 conv=notrunc status=none

	blkdiff old new >delta

	[ "$(records <delta)" = "ZERO 1048576 11534336 unchecked" ]
}

@test "-o and -l confine it to a range, whose offsets begin at 0" {
	make_pair
	put new 0 outside
	put new 8388600 outside
	cp old expected
	dd if=new of=expected bs=1M skip=2097152 seek=2097152 count=3145728 \
		iflag=skip_bytes,count_bytes oflag=seek_bytes conv=notrunc status=none

	blkdiff -o 2M -l 3M old new >delta
	cp old target
	blkwrite -o 2M -l 3M target <delta

	cmp target expected
}

@test "-o and -l need not be on any grid" {
	make_pair
	cp old expected
	dd if=new of=expected bs=1M skip=1000001 seek=1000001 count=3000003 \
		iflag=skip_bytes,count_bytes oflag=seek_bytes conv=notrunc status=none

	blkdiff -o 1000001 -l 3000003 old new >delta
	cp old target
	blkwrite -o 1000001 -l 3000003 target <delta

	cmp target expected
}

@test "a range that the new device has not is refused" {
	make_pair 1M

	run -2 --separate-stderr blkdiff -o 1M -l 1 old new

	[ -z "$output" ]
	[ "$stderr" = "blkdiff: new: 1 bytes from 1048576 are asked for, but it ends at 1048576" ]
}

@test "-q and -s say by the status whether anything differs, and nothing else" {
	local option

	make_image old 5M
	cp old same
	cp old other
	put other 5242879 x
	for option in -q -s --quiet --silent; do
		run -0 blkdiff "$option" old same
		[ -z "$output" ]

		run -1 blkdiff "$option" old other
		[ -z "$output" ]

		run -2 --separate-stderr blkdiff "$option" old missing
		[ "$stderr" = "blkdiff: missing: No such file or directory" ]
	done
}

@test "-q: devices of different size differ, unless -l limits the comparison" {
	make_noise long 300000
	head -c 200000 long >short

	run -1 blkdiff -q long short
	run -1 blkdiff -q short long
	run -1 blkdiff -q -o 100 long short
	run -1 blkdiff -q -l 200001 short long
	run -0 blkdiff -q -l 200000 short long
	run -0 blkdiff -q -l 200000 long short
	run -0 blkdiff -q -o 199999 -l 1 short long
}

@test "-q: a difference in size needs no reading" {
	truncate -s 1T old
	truncate -s 1025G new
	attach old
	old=$device
	attach new

	run -1 timeout 5 blkdiff -q "$old" "$device"
}

@test "--list prints the ranges and a total, neighbours as one" {
	make_noise old 4M
	cp old new
	clear_range new 65536 1048576
	put new 1114112 x
	put new 4194303 y

	run -0 --separate-stderr blkdiff --list old new

	[ "$output" = "65536 1052672
4190208 4096
# 2 ranges, 1056768 bytes" ]
	[ "$(no_cache_note <<<"$stderr")" = "" ]
}

@test "--json prints the same as objects" {
	make_noise old 1M
	cp old new
	put new 5000 x

	run -0 --separate-stderr blkdiff --json old new

	[ "$output" = '{"offset":4096,"length":4096}
{"ranges":1,"bytes":4096}' ]
	python3 -c 'import json, sys; [json.loads(line) for line in sys.stdin]' <<<"$output"
}

@test "--changes accepts the output of --list, and the result is the same device" {
	make_pair

	blkdiff --list old new >list
	blkdiff --changes list new >delta

	apply delta old
	cmp target new
	blkdiff --list --changes list new | diff list -
}

@test "--list of equal images is a list too" {
	make_image old 1M

	blkdiff --list old old >list

	[ "$(cat list)" = "# 0 ranges, 0 bytes" ]
	blkdiff --changes list old >delta
	[ -z "$(records <delta)" ]
}

@test "devices are compared as files are" {
	make_pair 4M
	attach old
	old=$device
	attach new 4096

	blkdiff "$old" "$device" >delta

	apply delta old
	cmp target new
}

@test "any number of threads writes the same delta" {
	local jobs

	make_pair
	blkdiff -j 1 old new | records >one

	for jobs in 2 3 16; do
		blkdiff -j "$jobs" old new | records | diff one -
	done
}

@test "a delta passes through blkzip and blkmeter" {
	make_pair

	blkdiff old new | blkmeter -q | blkzip | blkmeter -q | blkzip -d >delta

	apply delta old
	cmp target new
}

@test "--id gives a delta its id, from a file or the environment, for every source of changes" {
	local words

	make_pair
	blksum --map old >map
	echo 00112233445566778899aabbccddeeFF >id
	export SECRET=00112233445566778899aabbccddeeff

	for words in '@id old new' 'env:SECRET old new' '@id --map map new' '@id --changes list new'; do
		echo 0 8M | numfmt --from=iec --field=2 >list
		blkdiff --id $words >delta
		[ "$(od -An -j32 -N16 -tx1 delta | tr -d ' ')" = "$SECRET" ]
		cp old target
		blkwrite --id @id target <delta
		cmp target new
	done
	[ "$(blkdiff old new | od -An -j32 -N16 -tx1)" != "$(blkdiff old new | od -An -j32 -N16 -tx1)" ]
}

@test "a delta with another id than blkwrite was told is refused, and nothing is touched" {
	make_pair
	cp old target
	echo 00112233445566778899aabbccddeeff >id
	blkdiff old new >delta

	run -2 --separate-stderr blkwrite --id @id target <delta

	[ "$stderr" = "blkwrite: standard input: the stream has another id than --id says" ]
	cmp old target
}

@test "an id on the command line, and one without a delta, are refused" {
	make_pair
	echo 00112233445566778899aabbccddeeff >id

	run -2 --separate-stderr blkdiff --id "$(cat id)" old new
	[[ $stderr == *"@FILE or env:NAME"* ]]
	for form in -q --list --json; do
		run -2 --separate-stderr blkdiff "$form" --id @id old new
		[ "$stderr" = "blkdiff: --id: only a delta carries an id" ]
	done
}

@test "a read error of the new device is named by its byte, and the delta says that it is broken" {
	make_image old 4M
	attach_faulty old read-error=2M

	run -2 --separate-stderr bash -c "blkdiff old $device >delta"

	[ "$stderr" = "blkdiff: $device: at byte 2097152: Input/output error" ]
	ends_in_abort <delta
}

@test "a read error of the old device is named by its byte, and the delta says that it is broken" {
	make_image old 4M
	cp old new
	change new
	attach_faulty old read-error=2560K

	run -2 --separate-stderr bash -c "blkdiff $device new >delta"

	[ "$stderr" = "blkdiff: $device: at byte 2621440: Input/output error" ]
	ends_in_abort <delta
	cp old target
	run -2 blkwrite target <delta
	cmp target old
}

@test "a device that ends before it should is named with the byte" {
	make_noise old 4M
	cp old new
	attach new
	break_after 1M

	run -2 --separate-stderr bash -c "blkdiff old $device >delta"

	[ "$stderr" = "blkdiff: $device: at byte 1048576: Input/output error" ]
	ends_in_abort <delta
}

@test "without threads there is no delta, nor one that looks empty" {
	make_pair

	run -2 --separate-stderr inject '' clone3 error=EAGAIN:when=2+ blkdiff -o 0 old new

	[[ $stderr == *"blkdiff: "*"Resource temporarily unavailable" ]]
	[[ $stderr != *$'\n'* ]]
}

@test "a full, a closed and a broken standard output are errors" {
	make_pair

	run -2 --separate-stderr bash -c 'blkdiff old new >/dev/full'
	[ "$stderr" = "blkdiff: standard output: No space left on device" ]
	run -2 --separate-stderr bash -c 'blkdiff --list old new >/dev/full'
	[ "$stderr" = "blkdiff: standard output: No space left on device" ]
	run -2 --separate-stderr bash -c 'blkdiff old new >&-'
	[ "$stderr" = "blkdiff: standard output: Bad file descriptor" ]
	run -2 --separate-stderr bash -c 'blkdiff --list old new >&-'
	[ "$stderr" = "blkdiff: standard output: Bad file descriptor" ]
	run -0 bash -c '(sleep 0.3; blkdiff old new) | true; [ "${PIPESTATUS[0]}" = 141 ]'
}

@test "no delta is written to a terminal, but a list is" {
	require script
	make_pair 1M

	run -2 script -qec 'blkdiff old new' /dev/null
	[[ $output == "blkdiff: a block stream is not written to a terminal (--list lists the ranges)"* ]]
	run -0 script -qec 'blkdiff --list old new' /dev/null
	[[ $output == *"ranges, "*" bytes"* ]]
	run -1 script -qec 'blkdiff -q old new' /dev/null
}

@test "an operand that is neither a device nor a file is refused" {
	make_image old 1M

	run -2 --separate-stderr blkdiff - old <old
	[ "$stderr" = "blkdiff: standard input: a device or a file is wanted" ]
	run -2 --separate-stderr blkdiff old /
	[ "$stderr" = "blkdiff: /: Is a directory" ]
	run -2 --separate-stderr blkdiff old /dev/null
	[ "$stderr" = "blkdiff: /dev/null: neither a block device nor a regular file" ]
}

@test "options that do not go together, and a wrong number of operands, are usage errors" {
	local arguments

	make_image old 1M
	while read -r arguments; do
		echo "$arguments"
		run -2 --separate-stderr eval "blkdiff $arguments"
		[ -z "$output" ]
		[[ $stderr == *"usage: blkdiff "* ]]
	done <<-'EOC'

		old
		old old old
		--map old --store old old
		--map old
		--map old old old
		--snapshot old old old
		--store old
		--changes old old old
		-q --list old old
		--read-only old old
		--bulk-from-origin --map old old
		--era-block 64K --store old old
		-Z old old
	EOC
}

@test "memory does not grow with the devices" {
	peak() {
		python3 -c '
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' "$@"
	}
	make_noise old 4M
	make_noise new 4M 2
	make_noise old.large 128M
	make_noise new.large 128M 2

	small=$(peak blkdiff -j 4 old new)
	large=$(peak blkdiff -j 4 old.large new.large)

	echo "$small KiB, $large KiB"
	[ "$large" -le $((small + 4096 + (${SANITIZER:+1}0 * 40000))) ]
}

@test "each range of a list is written whole" {
	require strace
	make_image old 1M
	cp old new
	change new 3 40

	strace -f -e trace=write -o calls blkdiff --list old new >out

	[ "$(wc -l <out)" -gt 10 ]
	[ "$(grep -c 'write(1, ".*\\n", ' calls)" = "$(wc -l <out)" ]
	[ "$(grep -c 'write(1,' calls)" = "$(wc -l <out)" ]
}
