#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The format as the manual has it: read by t/format/blkstream.py, which was written from
# blkstream(5) alone, and held against what the programs write and say.

load ../helpers

: "${TOOLS:=$root/build/release/t}"

make_stream() {
	"$TOOLS/unit/make-stream" "$@"
}

reader=$root/t/format/blkstream.py

# An image with data that deflates, data that does not, zeros and a short tail: $dir/image
make_image() {
	{
		seq 1 60000
		head -c 200K /dev/zero
		head -c 300K /dev/urandom
		head -c 1M /dev/zero
		echo end
	} >image
}

@test "the stream in the manual is, byte for byte, the one that is made" {
	bytes=$(sed -n '/^\.Bd -literal/,/^\.Ed/s/^0000[0-9a-f]*0  //p' "$root/lib/stream/blkstream.5" |
		sed 's/[0-9a-f]\{2\}/\\x&/g' | tr -d ' \n')
	# shellcheck disable=SC2059
	printf "$bytes" >manual

	make_stream example >made

	cmp manual made
	[ "$(stat -c %s manual)" = 408 ]
}

@test "the digest in the manual is the one of its stream" {
	make_stream example >made

	run -0 "$reader" <made

	[[ ${lines[-1]} == *" $(grep -o 'blk128:[0-9a-f]\{32\}' "$root/lib/stream/blkstream.5") "* ]]
}

@test "the independent reader takes every kind of stream" {
	for name in $(make_stream -l); do
		make_stream "$name" >stream
		make_stream -b "$name" >before
		status=0
		[[ $name == aborted || $name == undo-cut ]] && status=2

		run "-$status" "$reader" before <stream
	done
	[ "$name" = undo-cut ]
}

@test "the independent reader sees a changed bit anywhere" {
	make_stream delta >stream
	size=$(stat -c %s stream)

	for at in $(seq 0 61 $((size - 1))); do
		byte=$(od -An -tu1 -j "$at" -N 1 stream)
		cp stream changed
		printf %b "\\x$(printf %02x $((byte ^ 1 << at % 8)))" |
			dd of=changed bs=1 seek="$at" conv=notrunc status=none

		run -2 --separate-stderr "$reader" <changed
		[[ $stderr == "stream byte "* ]]
	done
}

@test "what blkread writes is read by the independent reader, digest and all" {
	make_image
	digest=$(blksum image)

	blkread image >stream
	run -0 "$reader" <stream

	[[ ${lines[0]} == "image 1.1 size $(stat -c %s image) id "* ]]
	[[ ${lines[-1]} == *" ${digest%%  *} "* ]]
}

@test "a header says which disk was read, and where, as the manual has it" {
	make_image
	attach image
	part=$(losetup -f --show -o 1M "$device")
	at_end losetup -d "$part"
	for source in image "$device" "$part"; do
		blkread -o 64K "$source" | head -c 120 >>headers
	done

	python3 - <<-'EOP'
		import os, struct, time
		from xxhash import xxh3_128_digest
		file = os.stat("image")
		boot = open("/proc/sys/kernel/random/boot_id", "rb").read(36)
		disk = xxh3_128_digest(boot + b"f" + struct.pack("<QQ", file.st_dev, file.st_ino))
		headers = open("headers", "rb").read()
		for i, offset in enumerate((65536, 65536, 65536 + (1 << 20))):
		    header = headers[120 * i:][:120]
		    found, at, began = struct.unpack("<16sQQ", header[88:])
		    assert found == disk and at == offset, (i, found, disk, at)
		    assert 0 <= time.clock_gettime(time.CLOCK_BOOTTIME) - began < 300
	EOP
}

@test "what blkread writes of a pipe is read by the independent reader" {
	make_image
	digest=$(blksum image)

	cat image | blkread - >stream
	run -0 "$reader" <stream

	[[ ${lines[0]} == "image 1.0 size 18446744073709551615 id "* ]]
	[[ ${lines[-1]} == *" ${digest%%  *} "* ]]
}

@test "what blkzip writes is read by the independent reader, each record in its place" {
	make_image

	blkread image >stream
	blkzip -9 <stream >zipped
	"$reader" <stream | cut -d ' ' -f 1-4 >plain.records
	"$reader" <zipped | cut -d ' ' -f 1-4 >zipped.records

	cmp plain.records zipped.records
	[ "$(stat -c %s zipped)" -lt "$(stat -c %s stream)" ]
}

@test "what blkzip -d writes is what it was given before" {
	make_image

	blkread image >stream
	blkzip <stream | blkzip -d >again

	cmp stream again
}

@test "what blksum --map writes is read by the independent reader" {
	make_image
	digest=$(blksum image)

	blksum --map image >map
	run -0 "$reader" <map

	[[ ${lines[0]} == "map 1.0 size $(stat -c %s image) id "* ]]
	[[ ${lines[1]} == "0 NOTE 0 0 10 'name=image'" ]]
	[[ ${lines[-1]} == *" ${digest%%  *} "* ]]
}

@test "a map of SHA-256 on a grid of 4 KiB is read by the independent reader" {
	make_image

	blksum -a sha256 --grid 4K --map image >map

	run -0 "$reader" <map
}

@test "blkzip -t and the independent reader agree on every stream of the corpus" {
	count=0

	every 7 "$root"/t/fuzz/corpus-stream/* "$root"/t/files/*.blk
	for file in "${some[@]}"; do
		ours=0 theirs=0
		timeout 20 blkzip -t <"$file" 2>/dev/null || ours=$?
		"$reader" <"$file" >/dev/null 2>error || theirs=$?
		[ "$ours" = "$theirs" ] || [[ $(<error) == *longer* ]] || {
			echo "$file: blkzip -t $ours, reader $theirs: $(<error)"
			return 1
		}
		count=$((count + 1))
	done
	[ "$count" -gt 5 ]
}
