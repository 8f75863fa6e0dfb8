#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Maps and digests that are made while a copy passes, so that nobody reads a disk again for them.

load ../helpers

# blocks FILE: what a map says, however its records were cut: the size, the grid and the hash
# function, the hash of each block, and the digest.
blocks() {
	python3 - "$1" <<'EOP'
import struct, sys
data, at, zeros = open(sys.argv[1], "rb").read(), 128, 0
size, = struct.unpack_from("<Q", data, 48)
grid, = struct.unpack_from("<I", data, 64)
width = {1: 16, 2: 32}[data[73]]
print(size, grid, data[72], data[73])
while at < len(data):
    kind, length, stored = data[at + 4], *struct.unpack_from("<QI", data, at + 24)
    payload = data[at + 64:at + 64 + stored]
    if kind == 4:
        print(payload.decode())
    elif kind == 2:
        for _ in range(-(-length // grid)):
            print("zeros")
    elif kind == 5:
        assert stored == -(-length // grid) * width
        for i in range(0, stored, width):
            print(payload[i:i + width].hex())
    elif kind == 6:
        print("END", payload.hex()[:16], payload[40:56].hex())
    at += 64 + stored
EOP
}

# same_maps ONE OTHER
same_maps() {
	blocks "$1" >"$1.blocks"
	blocks "$2" >"$2.blocks"
	cmp "$1.blocks" "$2.blocks"
	grep -q END "$1.blocks"
}

# An image with blocks of data and of zeros, a hole, and a short last block.
make_disk() {
	make_image image $((4194304 + 77))
	dd if=/dev/zero of=image bs=64K seek=20 count=3 conv=notrunc status=none
}

# held STREAM GATE: the header of the stream, and the rest once the file GATE is there.
held() {
	head -c 128 "$1"
	wait_for 20 test -e "$2"
	tail -c +129 "$1"
}

@test "blkwrite --map makes the map that blksum --map makes of the target afterwards" {
	make_disk
	attach 8M

	for target in copy "$device"; do
		blkread image | blkzip | blkwrite --verify --map map --create "$target"
		blksum --map -l $((4194304 + 77)) "$target" >after

		same_maps map after
		blksum -c map "$target"
		[ "$(stat -c %a map)" = 600 ]
		rm map
	done
}

@test "a map of raw bytes knows their zeros, however they lie in what is read at a time" {
	make_disk

	blkwrite -r --map map --create copy <image
	blksum --map copy >after
	same_maps map after

	cat image | blkwrite -r -l $((4194304 + 77)) --map piped --create copy2
	sed -i s/copy2/copy/ after.blocks
	blocks piped | sed s/copy2/copy/ >piped.blocks
	cmp piped.blocks after.blocks
}

@test "where only the end tells the size, the map states it in the end" {
	make_disk

	cat image | blkread - | blkwrite --map map --create copy
	blksum --map copy >after
	same_maps map after

	cat image | blkwrite -r --map raw --create copy2
	blksum -c raw copy
	blksum -c raw copy2
}

@test "a map goes to standard output as the copy passes, and ends when the target is complete" {
	make_disk
	blkread image >stream
	mkfifo out

	(held stream gate | blkwrite --map - --create copy >out) 3>&- &
	pid=$!
	exec 7<out
	head -c 128 <&7 >map
	[ ! -e copy ] || ! cmp image copy
	touch gate
	cat <&7 >>map
	wait "$pid"

	blksum --map copy >after
	same_maps map after
	# A map on a pipe states its size first.
	run -2 --separate-stderr bash -c 'cat image | blkread - | blkwrite --map - copy | cat >map; exit ${PIPESTATUS[2]}'
	[ "$stderr" = "blkwrite: standard output: a map begins with the size, which this input only tells at its end: name a file" ]
	cmp image copy
	cat image | blkread - | blkwrite --map - copy >map
	blksum -c map image
}

@test "a map of a range has the range's size, and is checked with the same offset" {
	make_disk
	truncate -s 8M whole

	blkread image | blkwrite -o 1M --map map whole
	blksum --map -o 1M -l $((4194304 + 77)) whole >after

	same_maps map after
	blksum -c -o 1M -l $((4194304 + 77)) map
}

@test "the next delta needs only the map, and the target is not read for it" {
	make_disk
	blkread image | blkwrite --map map --create copy
	printf changed | dd of=image bs=1 seek=3000000 conv=notrunc status=none

	strace -f -qq -o trace -e trace=openat blkdiff --map map image >delta
	blkwrite copy <delta

	cmp image copy
	run -1 grep copy trace
}

@test "a map that exists is left alone, and so is the target" {
	make_disk
	echo mine >map
	echo theirs >copy

	run -2 --separate-stderr blkwrite --map map copy < <(blkread image)

	[ "$stderr" = "blkwrite: map: File exists" ]
	[ "$(cat map)" = mine ]
	[ "$(cat copy)" = theirs ]
}

@test "only images have a map: deltas and undo logs are refused, and nothing is touched" {
	make_disk
	cp image other
	printf changed | dd of=other bs=1 seek=3000000 conv=notrunc status=none
	blkdiff image other >delta
	cp image copy

	run -2 --separate-stderr blkwrite --map map copy <delta
	[ "$stderr" = "blkwrite: --map applies to images only: a delta has only a part of what is on its target; blksum --map makes the map" ]
	[ ! -e map ]
	cmp image copy
	run -2 --separate-stderr blkwrite --map map --undo undo copy <delta
	[ "$stderr" = "blkwrite: --undo applies to deltas, --map to images: give one of them" ]
	[ ! -e map ]
	[ ! -e undo ]
}

@test "a map is not written to a terminal by blkwrite" {
	require script
	make_disk
	blkread image >stream

	run -2 script -qec 'blkwrite --map - --create copy <stream' /dev/null

	[ "$(tr -d '\r' <<<"$output")" = "blkwrite: a map is not written to a terminal" ]
	[ ! -e copy ]
}

@test "nothing is left of the map of a copy that failed, and its reader is told" {
	make_disk
	blkread image >stream
	head -c -100 stream >cut
	printf broken >broken

	for input in cut broken; do
		for verify in '' --verify; do
			run -2 --separate-stderr blkwrite $verify --map map --create copy <$input
			[ ! -e map ]
			run -2 --separate-stderr blkwrite $verify --map map --create copy < <(cat $input)
			[ ! -e map ]
		done
	done
	cat image | blkread - | head -c -100 >cut
	run -2 --separate-stderr blkwrite --map map --create copy <cut
	[ ! -e map ]
	run -2 --separate-stderr blkwrite -r --map map --create copy -l 9M < <(cat image)
	[ ! -e map ]

	run -2 --separate-stderr bash -c 'head -c -100 stream | blkwrite --map - --create copy >map'
	[[ $stderr == "blkwrite: standard input: stream byte "*": the stream was cut: end of file before its END record (copy is incomplete"* ]]
	run -2 --separate-stderr blksum -c map copy
	[[ $stderr == *"the sending side gave up: standard input: stream byte "*"the stream was cut: end of file before its END record" ]]
}

@test "a signal leaves no map, before the header and after it" {
	make_disk
	blkread image >stream
	mkfifo in

	for bytes in 0 1000000; do
		exec 7<>in
		background blkwrite --map map --create copy <in 7>&-
		head -c "$bytes" stream >&7
		wait_for 10 pipe_is_empty
		[ "$bytes" = 0 ] || wait_for 10 test -e map
		kill -TERM "$pid"
		exec 7>&-
		wait "$pid" && false
		[ ! -e map ]
	done
}

pipe_is_empty() {
	python3 -c '
import array, fcntl, sys, termios
size = array.array("i", [0])
fcntl.ioctl(7, termios.FIONREAD, size)
sys.exit(size[0] > 0)'
}

@test "a map that cannot be written does not stop the copy, and is status 2" {
	make_disk
	blkread image >stream
	mkfifo out
	# The header, and the note with the name.
	(head -c $((128 + 64 + 9)) >/dev/null <out; touch gate) 3>&- &

	status=0
	blkwrite --map - --create copy < <(held stream gate) >out 2>errors || status=$?

	[ "$status" = 2 ]
	[ "$(cat errors)" = "blkwrite: standard output: Broken pipe: the image was written, but there is no map of it" ]
	cmp image copy
	# At the beginning nothing was touched yet.
	run -2 --separate-stderr bash -c 'blkwrite --map - --create new <stream >/dev/full'
	[ "$stderr" = "blkwrite: standard output: No space left on device" ]
	[ ! -e new ]
	run -2 --separate-stderr blkwrite --map there/map --create new <stream
	[ "$stderr" = "blkwrite: there/map: No such file or directory" ]
	[ ! -e new ]
}

@test "a map that cannot be flushed is removed" {
	make_disk
	blkread image >stream

	strace -qq -y -o trace -e trace=fsync blkwrite --map map --create copy <stream
	rm map copy
	last=$(grep -n '/map>' trace | cut -d : -f 1)
	run -2 --separate-stderr strace -qq -o trace -e trace=fsync -e inject=fsync:error=EIO:when="$last" \
		blkwrite --map map --create copy <stream

	[ "$stderr" = "blkwrite: map: Input/output error: the image was written, but there is no map of it" ]
	[ ! -e map ]
	cmp image copy
}

@test "a map is flushed with its name, and with --no-sync neither is" {
	make_disk
	blkread image >stream

	strace -f -qq -y -o trace -e trace=fsync blkwrite --map map --create copy <stream
	grep -q "fsync.*/map>" trace
	grep -q "fsync.*$dir>" trace
	rm map
	strace -f -qq -y -o trace -e trace=fsync blkwrite --no-sync --map map copy <stream
	run -1 grep fsync trace
	blksum -c map copy
}

@test "bytes that the source could not read are zeros in the map as in the target" {
	make_noise image 4M
	attach image
	break_after 3M
	blkread --skip-bad "$device" >stream 2>errors || true

	run -2 --separate-stderr blkwrite --map map --create copy <stream

	blksum --map copy >after
	same_maps map after
}

@test "blksum --map of a stream is the map of its disk, on any grid, by either hash" {
	make_disk
	blkread image | blkzip >stream
	cat image | blkread - >unknown

	for how in '' '-a sha256' '--grid 4K' '--grid 1M' '--grid 256K -a sha256'; do
		# The stream does not know the name of its disk.
		blksum $how --map image >map
		blocks map | grep -v ^name= >map.blocks
		blksum $how --map <stream | cat >passed
		blocks passed >passed.blocks
		cmp map.blocks passed.blocks
		blksum $how --map - <unknown >late
		blocks late >late.blocks
		cmp map.blocks late.blocks
	done
	run -2 --separate-stderr bash -c 'blksum --map <unknown | cat >map; exit ${PIPESTATUS[0]}'
	[ "$stderr" = "blksum: standard output: a map begins with the size, which this stream only tells at its end: write to a file, not to a pipe and not with >>" ]
}

@test "the map of a stream names no file, so the check has to; and a map is of one file" {
	make_disk
	blkread image | blksum --map >map

	run -2 --separate-stderr blksum -c map
	[ "$stderr" = "blksum: map: the map does not say of which file it is: name one" ]
	[ "$(blksum -c map image)" = "image: OK" ]
	run -2 --separate-stderr blksum --map image map
	[[ $stderr == "blksum: map: --map makes the map of one file"* ]]
}

@test "blksum --map of a stream that is cut, or is no image, has no end, and says why" {
	make_disk
	blkread image >stream
	head -c -100 stream >cut
	blksum --map image >map

	run -2 --separate-stderr bash -c 'blksum --map <cut >part'
	[[ $stderr == "blksum: standard input: stream byte "*": the stream was cut: end of file before its END record" ]]
	run -2 --separate-stderr blksum -c part image
	[[ $stderr == *"the sending side gave up: standard input: stream byte "* ]]
	run -2 --separate-stderr blksum --map <map
	[ "$stderr" = "blksum: standard input: this stream is a map, an image is wanted" ]
	run -2 --separate-stderr bash -c 'blksum --map <stream >/dev/full'
	[ "$stderr" = "blksum: standard output: No space left on device" ]
}

# said FILTER: its line of -v in the file errors, without what depends on time.
said() {
	sed -nE "s/^$1: [^ ]+ ?[a-z]*: ([0-9]+ bytes, [0-9]+ of them zero), .*, (blk128:[0-9a-f]{32})$/\1 \2/p" errors
}

@test "blkread -v says the bytes, the zeros and the digest, as blkwrite -v does" {
	make_disk

	blkread -v image 2>errors | blkwrite -v --create copy 2>>errors
	[ -n "$(said blkread)" ]
	[ "$(said blkread)" = "$(said blkwrite)" ]
	[[ $(said blkread) == "$(stat -c %s image) bytes, "*" $(blksum image | cut -d ' ' -f 1)" ]]

	cat image | blkread --verbose - 2>>errors | cat >/dev/null
	[ "$(said blkread | uniq | wc -l)" = 1 ]
	blkread -rv image 2>>errors | cmp - image
	[ "$(said blkread | wc -l)" = 3 ]
	[ "$(said blkread | uniq | wc -l)" = 1 ]
	run -0 --separate-stderr bash -c 'blkread image | cat >/dev/null'
	[ -z "$stderr" ]
}

@test "blkdiff -v says the digest of the device made, where all of it was looked at" {
	make_disk
	cp image old
	truncate -s 3000001 old
	printf changed | dd of=image bs=1 seek=1000000 conv=notrunc status=none
	blksum --map old >map
	echo '4096 8192' >list
	digest=$(blksum image | cut -d ' ' -f 1)
	size=$(stat -c %s image)

	for how in 'old image' '--map map image'; do
		run -0 --separate-stderr bash -c "blkdiff -v $how >delta"
		[[ $stderr =~ "blkdiff: image: $size bytes looked at, "[0-9]+" of them sent, "[0-9.]+" s, ".*"/s, $digest"$ ]]
		cp old copy
		blkwrite copy <delta
		cmp image copy
	done
	# A part of it, which does not begin on a block of the digest, and ends in none.
	part=$(blksum -o 5000 -l 3500000 image | cut -d ' ' -f 1)
	for how in '--verbose' '-v --list' '-v --json'; do
		run -0 --separate-stderr bash -c "blkdiff $how -o 5000 -l 3500000 old image >out"
		[[ $stderr == *"blkdiff: image: 3500000 bytes looked at, "*", $part" ]]
	done
	run -0 --separate-stderr bash -c "blkdiff -v --changes list image >out"
	[[ $stderr == "blkdiff: image: 8192 bytes looked at, 8192 of them sent, "*B/s ]]
	run -1 --separate-stderr blkdiff -qv old image
	[[ $stderr != *looked* ]]
	run -0 --separate-stderr bash -c "blkdiff old image >out"
	[[ $stderr != *looked* ]]
}
