#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkzip on raw bytes: the gzip that it writes, and the gzip of others that it reads.

load ../helpers

# sample FILE SIZE: text, so that several members differ.
sample() {
	seq 1 "$2" | head -c "$2" >"$1"
}

# members FILE: "offset length" of each member of ours.
members() {
	python3 -c '
import struct, sys
data, at = open(sys.argv[1], "rb").read(), 0
while at < len(data):
    length = 32 + struct.unpack_from("<I", data, at + 16)[0] + 8
    print(at, length)
    at += length' "$1"
}

# refused TEXT FILE: blkzip -d and -t call the file broken, in one line that has the text.
refused() {
	local option

	for option in -d -t; do
		run -2 --separate-stderr blkzip $option "$2"
		[ "${#stderr_lines[@]}" = 1 ]
		[[ $stderr == "blkzip: $2: "*"$1"* ]]
	done
}

@test "raw bytes of every size come back, from blkzip and from gzip" {
	for size in 0 1 2 65535 65536 262143 262144 262145 524288 524289 1500000; do
		sample plain $size
		blkzip <plain >packed
		blkzip -t <packed
		blkzip -d <packed | cmp - plain
		gzip -dc <packed | cmp - plain
	done
}

@test "bytes that do not deflate come back, and grow by less than a thousandth" {
	for size in 1 65535 65536 131070 131071 262144 1000000; do
		make_noise plain $size

		blkzip <plain >packed

		blkzip -d <packed | cmp - plain
		gzip -dc <packed | cmp - plain
		[ "$(stat -c %s packed)" -lt $((size + size / 1000 + 100)) ]
	done
}

@test "zeros, text and noise in one come back" {
	make_image plain 6M

	blkzip -j 3 <plain >packed

	blkzip -d <packed | cmp - plain
	gzip -dc <packed | cmp - plain
}

@test "pigz, zcat and python read what blkzip writes" {
	require pigz
	make_image plain 2M
	blkzip <plain >packed.gz

	pigz -dc packed.gz | cmp - plain
	zcat packed.gz | cmp - plain
	python3 -c '
import gzip, sys
sys.stdout.buffer.write(gzip.open("packed.gz").read())' | cmp - plain
}

@test "every level, storing and adapting are read by gzip" {
	make_image plain 2M

	for level in -1 -2 -3 -4 -5 -6 -7 -8 -9 --fast --best --store --adapt "--adapt -3"; do
		# shellcheck disable=SC2086
		blkzip $level <plain | gzip -dc | cmp - plain
	done
}

@test "level 1 is the default, and -9 is smaller" {
	sample plain 1000000

	blkzip <plain >default
	blkzip -1 <plain >fast
	blkzip -9 <plain >best

	cmp default fast
	[ "$(stat -c %s best)" -lt "$(stat -c %s fast)" ]
}

@test "the output is the same whatever the number of threads" {
	make_image plain 3M
	blkzip -j 1 <plain >one

	for jobs in 2 3 8 64; do
		blkzip -j $jobs <plain | cmp - one
		blkzip -d -j $jobs <one | cmp - plain
	done
}

@test "nothing becomes an empty gzip file" {
	blkzip </dev/null >packed

	[ "$(stat -c %s packed)" = 42 ]
	[ -z "$(gzip -dc <packed)" ]
	blkzip -t <packed
}

@test "the output is made of the members that the manual describes" {
	sample plain 600000

	blkzip <plain >packed

	python3 - <<-'EOP'
	import struct, zlib
	data, plain = open("packed", "rb").read(), open("plain", "rb").read()
	at, offset, last = 0, 0, 0
	while at < len(data):
	    assert not last
	    assert data[at:at + 16] == bytes.fromhex("1f8b080400000000" "0003" "1400" "424b" "1000")
	    length, last, where = struct.unpack_from("<IIQ", data, at + 16)
	    assert where == offset and last in (0, 1)
	    at += 32
	    inflate = zlib.decompressobj(-15)
	    part = inflate.decompress(data[at:at + length])
	    assert inflate.eof and not inflate.unused_data
	    assert part == plain[offset:offset + 262144]
	    assert struct.unpack_from("<II", data, at + length) == (zlib.crc32(part), len(part))
	    assert (part == b"") == bool(last)
	    offset += len(part)
	    at += length + 8
	assert last and offset == len(plain)
	EOP
}

@test "gzip of others is read: gzip, pigz, levels, names, several members" {
	require pigz
	make_image plain 3M
	cp plain name
	gzip -1c name >a
	gzip -9n <plain >b
	pigz -c name >c
	pigz -0 <plain >d
	pigz -i -b 32 <plain >e
	(head -c 1000000 plain | gzip; tail -c +1000001 plain | gzip -9) >f
	: | gzip | cat - a >g
	split -b 65536 --filter='gzip' plain >h

	for file in a b c d e f g h; do
		blkzip -t $file
		blkzip -d <$file | cmp - plain
		blkzip -dj 1 $file | cmp - plain
	done
}

@test "a header with comment, name, extra field and its own checksum is read past" {
	python3 - <<-'EOP'
	import gzip, struct, zlib
	body = gzip.compress(b"hello\n")[10:]
	extra = b"XY" + struct.pack("<H", 3000) + bytes(3000)
	head = bytes([0x1f, 0x8b, 8, 0x1f]) + bytes(6)
	head += struct.pack("<H", len(extra)) + extra + b"a name\0" + b"c" * 5000 + b"\0"
	open("good", "wb").write(head + struct.pack("<H", zlib.crc32(head) & 0xffff) + body)
	open("bad", "wb").write(head + struct.pack("<H", ~zlib.crc32(head) & 0xffff) + body)
	EOP

	[ "$(blkzip -d good)" = hello ]
	refused "gzip header with a wrong checksum" bad
}

@test "files one behind the other are one, ours and others' in any order" {
	sample one 300000
	sample two 500
	blkzip <one >one.ours
	gzip <one >one.others
	blkzip <two >two.ours
	gzip <two >two.others
	cat one two one >plain

	for a in ours others; do
		for b in ours others; do
			for c in ours others; do
				cat one.$a two.$b one.$c >packed
				blkzip -t packed
				blkzip -d packed | cmp - plain
				gzip -dc <packed | cmp - plain
			done
		done
	done
}

@test "bytes behind the end are refused, after all data has come" {
	sample plain 300000
	blkzip <plain >ours.gz
	gzip <plain >others.gz

	for file in ours.gz others.gz; do
		cp $file packed
		printf 'x' >>packed
		refused "at byte $(stat -c %s $file): trailing garbage" packed
		blkzip -d packed 2>/dev/null | cmp - plain
	done
}

@test "zeros behind the end are padding, zeros and then bytes are not" {
	sample plain 300000
	blkzip <plain >packed
	truncate -s 700000 packed

	blkzip -t packed
	blkzip -d packed | cmp - plain
	gzip <plain >>packed
	refused "trailing garbage" packed
}

@test "what is neither gzip nor a block stream is not decompressed" {
	echo "Last login: Thu" >file

	refused "at byte 0: neither gzip nor a block stream" file
}

@test "an empty input is no gzip file" {
	: >empty

	refused "unexpected end of file" empty
}

@test "a cut file is refused wherever it is cut" {
	sample plain 400
	blkzip <plain >packed
	gzip <plain >others

	python3 - <<-'EOP'
	import subprocess
	for name in "packed", "others":
	    data = open(name, "rb").read()
	    for cut in range(0, len(data), 3):
	        run = subprocess.run(["blkzip", "-d"], input=data[:cut], capture_output=True)
	        assert run.returncode == 2 and run.stderr.count(b"\n") == 1, (name, cut, run)
	EOP
}

@test "gzip sees the cut too, but for the one before the empty last member" {
	sample plain 400
	blkzip <plain >packed

	python3 - <<-'EOP'
	import subprocess
	data, plain = open("packed", "rb").read(), open("plain", "rb").read()
	for cut in sorted({*range(0, len(data), 3), len(data) - 42}):
	    run = subprocess.run(["gzip", "-d"], input=data[:cut], capture_output=True)
	    if cut == len(data) - 42:
	        assert run.returncode == 0 and run.stdout == plain
	    else:
	        assert run.returncode != 0, (cut, run)
	EOP
}

@test "a flipped bit is refused, or changes nothing" {
	sample plain 100
	blkzip <plain >packed

	python3 - <<-'EOP'
	import subprocess
	data, plain = open("packed", "rb").read(), open("plain", "rb").read()
	harmless = 0
	for bit in range(0, 8 * len(data), 5):
	    bad = bytearray(data)
	    bad[bit // 8] ^= 1 << bit % 8
	    run = subprocess.run(["blkzip", "-d"], input=bad, capture_output=True)
	    if run.returncode == 0:
	        assert run.stdout == plain, bit
	        harmless += 1
	    else:
	        assert run.returncode == 2 and run.stderr.count(b"\n") == 1, (bit, run)
	# Of time, flags and system of both headers, 48 bits each, and of at most 14 bits of padding
	# behind the deflate data, every fifth.
	assert 18 <= harmless <= 20 + 4, harmless
	EOP
}

@test "a member that is missing, twice there or out of its place is refused" {
	sample plain 900000
	blkzip <plain >packed
	mapfile -t list < <(members packed)
	for i in "${!list[@]}"; do
		read -r at length <<<"${list[i]}"
		tail -c +$((at + 1)) packed | head -c "$length" >m$i
	done
	[ "${#list[@]}" = 5 ]

	cat m0 m2 m3 m4 >bad
	refused "gzip member of byte 524288 where that of byte 262144 should be" bad
	cat m1 m2 m3 m4 >bad
	refused "gzip member of byte 262144 where that of byte 0 should be" bad
	cat m0 m1 m1 m2 m3 m4 >bad
	refused "gzip member of byte 262144 where" bad
	cat m0 m2 m1 m3 m4 >bad
	refused "gzip member of byte 524288 where" bad
	cat m0 m1 m2 m3 >bad
	refused "unexpected end of file" bad
	gzip -dc <bad | cmp - plain
	cat m0 m1 m2 m4 >bad
	refused "gzip member of byte 900000 where" bad
	cat m0 m1 m2 m3 m4 m4 >bad
	refused "gzip member of byte 900000 where that of byte 0 should be" bad
	cat m0 m1 m2 m3 m4 m0 m1 m2 m3 m4 >good
	blkzip -t good
	echo | gzip >other
	cat m0 m1 m2 m3 other >bad
	refused "neither the next gzip member nor the last" bad
}

@test "a member's length is not believed" {
	sample plain 400000
	blkzip <plain >packed

	for hex in ffffffff 00000080 1a000400 00000000; do
		cp packed bad
		patch_bytes bad 16 $hex
		refused "gzip member that says it has" bad
	done
	for hex in 19000400 01000000; do
		cp packed bad
		patch_bytes bad 16 $hex
		refused "at byte" bad
	done
	cp packed bad
	patch_bytes bad 20 02000000
	refused "gzip member with unknown flags 0x2" bad
	cp packed bad
	patch_bytes bad 20 01000000
	refused "gzip member of 262144 plain bytes" bad
}

@test "what came before a broken member is given, and nothing of it" {
	sample plain 900000
	blkzip <plain >packed
	read -r at length < <(members packed | sed -n 2p)
	flip_bit packed $((8 * (at + 2000)))

	run -2 --separate-stderr blkzip -d packed
	blkzip -d packed >out 2>/dev/null || true

	[[ $stderr == "blkzip: packed: at byte $at: gzip member"* ]]
	head -c 262144 plain | cmp - out
}

@test "gzip behind a blkzip that is killed sees the cut" {
	mkfifo in
	sample plain 3000000
	background sh -c 'blkzip <in | { gzip -d >out; echo $? >status; }'
	exec 7>in
	cat plain >&7
	wait_for 10 test -s out

	zip=$(pgrep -P "$pid" -x blkzip)
	kill -KILL "$zip"
	wait_for 2 test -s status

	exec 7>&-
	[ "$(cat status)" != 0 ]
}

@test "a trailer leaves only with the next header, in one write that a pipe takes whole" {
	require strace
	sample plain 600000

	strace -qq -e trace=writev -o trace blkzip -j 1 plain | cat >packed

	# A header; trailer and header, twice; a trailer with the whole last member.
	[ "$(sed -n 's/.*= //p' trace | awk '$1 < 100' | xargs)" = "32 40 40 50" ]
	gzip -t <packed
}

@test "a broken input does not end like a whole one" {
	sample plain 600000

	run -2 --separate-stderr inject "$PWD/plain" readv error=EIO:when=3+ \
		sh -c 'blkzip -j 1 <plain >packed'

	[[ ${stderr_lines[-1]} == "blkzip: standard input: at byte "*": Input/output error" ]]
	run gzip -t packed
	[ "$status" != 0 ]
}

@test "a full disk and a closed output are told" {
	sample plain 600000
	blkzip <plain >packed

	run -2 --separate-stderr sh -c 'blkzip <plain >/dev/full'
	[ "$stderr" = "blkzip: standard output: No space left on device" ]
	run -2 --separate-stderr sh -c 'blkzip -d <packed >/dev/full'
	[ "$stderr" = "blkzip: standard output: No space left on device" ]
	run -2 --separate-stderr sh -c 'blkzip </dev/null >/dev/full'
	[ "$stderr" = "blkzip: standard output: No space left on device" ]
	run -2 --separate-stderr sh -c 'blkzip <plain >&-'
	[ "$stderr" = "blkzip: standard output: Bad file descriptor" ]
	run -2 --separate-stderr sh -c 'blkzip -d <packed >&-'
	[ "$stderr" = "blkzip: standard output: Bad file descriptor" ]
	blkzip -t <packed >&-
}

@test "an input that is missing, closed or a folder is told" {
	run -2 --separate-stderr blkzip -t nothing
	[ "$stderr" = "blkzip: nothing: No such file or directory" ]
	run -2 --separate-stderr sh -c 'blkzip <&- >out'
	[ "$stderr" = "blkzip: standard input: at byte 0: Bad file descriptor" ]
	run -2 --separate-stderr blkzip -t .
	[ "$stderr" = "blkzip: .: at byte 0: Is a directory" ]
}

@test "it ends when its reader does, even if nothing more comes" {
	mkfifo in out
	background sh -c 'blkzip <in >out; echo $? >status'
	exec 7>in 8<out
	echo something >&7

	exec 8<&-

	wait_for 2 test -s status
	exec 7>&-
	[ "$(cat status)" = 141 ]
}

@test "compressed bytes are neither written to a terminal nor read from one" {
	require script
	sample plain 100
	blkzip <plain >packed

	run script -qec 'blkzip <plain 2>err' /dev/null
	[ "$status" = 2 ]
	[ "$(cat err)" = "blkzip: compressed data is not written to a terminal" ]
	run script -qec 'blkzip -d >out 2>err' /dev/null
	[ "$status" = 2 ]
	[ "$(cat err)" = "blkzip: standard input: compressed data is not read from a terminal" ]
	run script -qec 'blkzip -d <packed' /dev/null
	[ "$status" = 0 ]
	[ "${lines[0]%$'\r'}" = 1 ]
}

@test "testing a good file says nothing and writes nothing" {
	sample plain 600000
	blkzip <plain >ours.gz
	gzip plain

	for file in ours.gz plain.gz; do
		run -0 --separate-stderr blkzip -t $file
		[ -z "$output$stderr" ]
		run -0 --separate-stderr sh -c "blkzip -td <$file"
		[ -z "$output$stderr" ]
	done
}

@test "a file whose checksum is wrong is refused, ours and others'" {
	sample plain 1000
	blkzip <plain >ours.gz
	gzip <plain >others.gz
	flip_bit ours.gz $((8 * ($(stat -c %s ours.gz) - 50)))
	flip_bit others.gz $((8 * ($(stat -c %s others.gz) - 8)))
	cp others.gz length.gz
	flip_bit length.gz $((8 * ($(stat -c %s others.gz) - 8)))
	flip_bit length.gz $((8 * ($(stat -c %s others.gz) - 4)))

	refused "at byte 0: gzip member with a wrong checksum" ours.gz
	refused "at byte 0: gzip member with a wrong checksum" others.gz
	refused "at byte 0: gzip member with a wrong length" length.gz
}

@test "a file is read where its name is given, and left alone" {
	sample plain 300000

	blkzip plain >packed
	blkzip -dc packed >out
	blkzip - <plain | cmp - packed

	cmp plain out
	[ "$(find . -type f ! -name .end | wc -l)" = 3 ]
}

@test "options that exclude each other, or are none, are refused" {
	for options in "--adapt --store" "--store -3"; do
		# shellcheck disable=SC2086
		run -2 --separate-stderr blkzip $options
		[[ $stderr == "blkzip: --"*" exclude each other" ]]
	done
	for options in -x -y "a b" --nothing; do
		# shellcheck disable=SC2086
		run -2 --separate-stderr blkzip $options
		[[ $stderr == *"usage: blkzip "* ]]
	done
	for jobs in 0 65 x 12abc -1; do
		run -2 --separate-stderr blkzip -j $jobs
		[ "$stderr" = "blkzip: -j $jobs: not a number of threads from 1 to 64" ]
	done
}

@test "-v tells what became of how much" {
	sample plain 300000

	run -0 --separate-stderr sh -c 'blkzip -v <plain >packed'
	[[ $stderr =~ ^"blkzip: 293 KiB became "[0-9.]+" KiB in "[0-9.]+" s, ".*"/s"$ ]]
	run -0 --separate-stderr blkzip -tv packed
	[[ $stderr =~ ^"blkzip: packed: whole, "[0-9.]+" KiB in "[0-9.]+" s"$ ]]
}
