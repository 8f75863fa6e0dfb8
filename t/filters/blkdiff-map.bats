#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkdiff --map: a device against the map of another one.

load ../helpers
load delta

grids='4K 8K 64K 256K 512K 1M'

# by_map SOURCE TARGET [OPTION ...]: make the target equal to the source, by a map of the target.
by_map() {
	local source=$1 target=$2

	shift 2
	blksum --map "$@" "$target" >map
	blkdiff --map map "$source" >delta
	blkwrite "$target" <delta
}

# ways [SIZE ...]: sizes, grids and hashes of maps in all combinations, in $ways.
ways() {
	local size grid hash

	ways=()
	for size; do
		for grid in $grids; do
			for hash in blk128 sha256; do
				ways+=("$size $grid $hash")
			done
		done
	done
}

@test "a delta by map turns the target into the source, on every grid and by either hash" {
	local grid hash

	make_pair
	for grid in $grids; do
		for hash in blk128 sha256; do
			echo "$grid $hash"
			cp old target

			by_map new target --grid "$grid" -a "$hash"

			cmp target new
		done
	done
}

@test "each record of it is checked by the map's hashes, which are those of the target" {
	local size grid hash

	make_pair 3M
	make_noise other 3M
	ways 3M
	every 5 "${ways[@]}"
	while read -r size grid hash <&4; do
		echo "$grid $hash"
		blksum --map --grid "$grid" -a "$hash" old >map

		blkdiff --map map new >delta

		[ "$(records old <delta | grep -c ' checked')" -gt 0 ]
		[ "$(grep -c ' unchecked' <(records old <delta))" = 0 ]
		run -2 --separate-stderr "$root/t/format/blkstream.py" other <delta
		[[ $stderr == *": the device differs" ]]
	done 4< <(printf '%s\n' "${some[@]}")
}

@test "only the blocks that differ are sent, zero ones without data" {
	make_noise old 2M
	cp old new
	put new 70000 x
	clear_range new 131072 131072
	put new 1966080 y

	blksum --map old | blkdiff --map - new >delta

	[ "$(records old <delta)" = "DATA 65536 65536 checked
ZERO 131072 131072 checked
DATA 1966080 65536 checked" ]
}

@test "the map of the same device gives an empty delta" {
	local size grid hash

	ways 0 1 65537 3000001
	every 5 "${ways[@]}"
	while read -r size grid hash <&4; do
		echo "$size $grid $hash"
		make_image image 4M
		truncate -s "$size" image
		blksum --map --grid "$grid" -a "$hash" image >map

		blkdiff --map map image >delta

		[ -z "$(records <delta)" ]
		run -0 blkdiff -q --map map image
	done 4< <(printf '%s\n' "${some[@]}")
}

@test "the digests of both sides come along" {
	make_pair

	blksum --map old | blkdiff --map - new >delta

	"$root/t/format/blkstream.py" old <delta | tail -1 >end
	grep -q "blk128:$(blksum new | cut -d ' ' -f 1 | cut -d : -f 2) base" end
	grep -q "base blk128:$(blksum old | cut -d ' ' -f 1 | cut -d : -f 2)\$" end
}

@test "sizes may differ, either way and by any number of bytes" {
	local sizes grid

	make_noise whole 3M
	for sizes in '2097152 3145728' '3145728 2097152' '1000001 3000001' '3000001 1000001' \
		'65536 65537' '65537 65536' '0 100000' '100000 0' '1048576 1048577' '1 4097'; do
		for grid in 4K 64K 1M; do
			echo "$sizes $grid"
			head -c "${sizes% *}" whole >target
			head -c "${sizes#* }" whole >source
			[ "${sizes#* }" = 0 ] || put source 0 x

			by_map source target --grid "$grid"

			cmp source target
		done
	done
}

@test "a larger device as target keeps its tail, and is not different for it" {
	make_image source 5M
	truncate -s 8M large
	put large 8000000 tail
	attach large

	by_map source "$device"

	run -0 cmp -n 5242880 source "$device"
	[ "$(dd if="$device" bs=1 skip=8000000 count=4 status=none)" = tail ]
	blksum --map "$device" >map
	run -0 blkdiff -q --map map source
}

@test "a source that ends inside the target's last block has that block sent, unchecked" {
	make_noise source 200000
	cp source target
	truncate -s 262144 target

	blksum --map target | blkdiff --map - source >delta

	[ "$(records <delta)" = "DATA 196608 3392 unchecked" ]
	truncate -s 262144 target
	attach target
	blkwrite "$device" <delta
	run -0 cmp -n 200000 source "$device"
}

@test "bytes of the source beyond the map's end are sent, unchecked" {
	make_noise source 300000
	head -c 100000 source >target
	put target 70000 x

	blksum --map target | blkdiff --map - source >delta

	[ "$(records <delta)" = "DATA 65536 196608 unchecked
DATA 262144 37856 unchecked" ]
	blkwrite target <delta
	cmp source target
}

@test "the delta is refused on another target than the map's" {
	make_pair
	cp old other
	change other 99
	blksum --map old | blkdiff --map - new >delta
	cp other before

	run -2 --separate-stderr blkwrite other <delta

	[[ $stderr == "blkwrite: other: at byte "*": neither the old data of the delta nor its new data"* ]]
	cmp other before
}

@test "a deflated map is taken as it comes" {
	make_pair
	blksum --map --grid 4K old | blkzip -9 >map

	blkdiff --map map new >delta

	apply delta old
	cmp target new
}

@test "sparse devices of a tebibyte take seconds" {
	truncate -s 1T old new
	put old 1000000000000 here
	put new 500000000000 there

	run -0 timeout 60 bash -c 'blksum --map old | blkdiff --map - new >delta'

	[ "$(records <delta)" = "DATA 499999965184 65536 checked
ZERO 999999995904 65536 checked" ] || { records <delta; false; }
}

@test "a tebibyte of hole behind the map's end is one record" {
	truncate -s 1M old
	truncate -s 1T new

	run -0 timeout 20 bash -c 'blksum --map old | blkdiff --map - new >delta'

	[ "$(records <delta)" = "ZERO 1048576 1099510579200 unchecked" ]
}

@test "-o and -l: a range of both" {
	make_pair
	cp old expected
	dd if=new of=expected bs=1M skip=1048576 seek=1048576 count=3000001 \
		iflag=skip_bytes,count_bytes oflag=seek_bytes conv=notrunc status=none
	cp old target

	blksum --map -o 1M -l 3000001 target | blkdiff -o 1M -l 3000001 --map - new |
		blkwrite -o 1M -l 3000001 target

	cmp target expected
}

@test "--list and -q go with a map" {
	make_noise old 1M
	cp old new
	put new 131072 x
	blksum --map old >map

	run -0 --separate-stderr blkdiff --list --map map new
	[ "$output" = "131072 65536
# 1 ranges, 65536 bytes" ]
	run -1 blkdiff -q --map map new
	run -0 blkdiff -q --map map old
}

@test "a map that was cut anywhere never gives a delta with an end" {
	local length

	make_pair 1M
	blksum --map --grid 16K old >map

	for ((length = 0; length < $(stat -c %s map); length += 199)); do
		head -c "$length" map >cut
		status=0
		blkdiff --map cut new >delta 2>messages || status=$?
		[ "$status" = 2 ]
		[ "$(wc -l <messages)" = 1 ]
		[ ! -s delta ] || ends_in_abort <delta
	done
}

@test "a map that ends in ABORT gives a delta that does too" {
	make_image old 3M
	attach old
	break_after 2M
	blksum --map "$device" >map || true

	run -2 --separate-stderr bash -c 'blkdiff --map map old >delta'

	[[ $stderr == "blkdiff: map: stream byte "*", device byte "*": the sending side gave up: $device: at byte 2097152: Input/output error" ]]
	ends_in_abort <delta
	run -2 blkwrite old <delta
}

@test "a maker of the map that is killed leaves no delta with an end" {
	make_pair 1M
	blksum --map old >map

	run -2 bash -c '(head -c 300 map; sleep 0.2) | blkdiff --map - new >delta'

	ends_in_abort <delta
}

@test "input that is no map is refused before anything is written" {
	make_image image 1M
	blkread image >stream
	blkdiff image image >delta
	blkdiff --list image image >list
	: >empty

	for map in stream delta list image empty; do
		run -2 --separate-stderr blkdiff --map "$map" image
		[ -z "$output" ]
		[[ $stderr == "blkdiff: $map: "* ]]
		[[ $stderr != *$'\n'* ]]
	done
}

@test "a read error of the source is named by its byte, and the delta says that it is broken" {
	make_image old 4M
	blksum --map old >map
	attach_faulty old read-error=3M

	run -2 --separate-stderr bash -c "blkdiff --map map $device >delta"

	[ "$stderr" = "blkdiff: $device: at byte 3145728: Input/output error" ]
	ends_in_abort <delta
}

@test "once the reader of the delta is gone, blkdiff does not wait for the map" {
	make_image old 1M
	mkfifo map
	background sh -c 'exec sleep 60 >map'

	run -0 timeout 10 bash -c 'blkdiff --map map old | true; [ "${PIPESTATUS[0]}" = 141 ]'
}

# spoil_digest <MAP: the same, but END has another digest, under a sum that holds.
spoil_digest() {
	/usr/bin/python3 -c '
import struct, sys
from xxhash import xxh3_64_intdigest as xxh64
data = bytearray(sys.stdin.buffer.read())
end = len(data) - 136
data[end + 64 + 40] ^= 1
total = xxh64(bytes(data[end + 64:]))
data[end + 36:end + 48] = struct.pack("<IQ", total & 0xffffffff, total)
seed, = struct.unpack("<Q", data[32:40])
data[end + 56:end + 64] = struct.pack("<Q", xxh64(bytes(data[end:end + 56]), seed))
sys.stdout.buffer.write(data)'
}

@test "a map whose END has another digest than its hashes is refused, as by blkzip -t" {
	make_image image 3M
	cp image other
	put other 1234567 changed
	blksum --map image | spoil_digest >map

	run -2 --separate-stderr blkzip -t map
	run -2 --separate-stderr blksum -c map image
	[[ $stderr == "blksum: map: stream byte "*": the digest of what came is blk128:"*", END says blk128:"* ]]
	[ -z "$output" ]
	run -2 blksum -c map other
	run -2 --separate-stderr bash -c 'blkdiff --map map other >delta'
	[[ $stderr == "blkdiff: map: stream byte "*": the digest of what came is blk128:"* ]]
	ends_in_abort <delta
	# A difference ends the search before END is read.
	run -1 blkdiff -q --map map other
	run -2 blkdiff -q --map map image
	run -2 blkdiff --list --map map image
}

@test "a map of other hashes whose END has another digest is refused where nothing differs" {
	make_image image 3000001
	local how

	for how in '--grid 4K' '-a sha256' '-a sha256 --grid 1M'; do
		# shellcheck disable=SC2086
		blksum $how --map image | spoil_digest >map
		run -2 --separate-stderr blksum -c map image
		[[ $stderr == "blksum: map: every block is as the map says, but the digest of what came is blk128:"* ]]
		run -2 bash -c 'blkdiff --map map image >delta'
		ends_in_abort <delta
	done
}
