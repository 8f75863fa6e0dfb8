#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkread: that every byte of a device leaves, what leaves as zeros, what is said and
# done about bytes that cannot be read, and that nothing of the source changes.

load ../helpers

# records: the stream on standard input, a line for each record: type, offset, length.
records() {
	python3 -c '
import struct, sys
names = "? DATA ZERO BAD NOTE MAP END ABORT".split()
stream = sys.stdin.buffer
assert stream.read(8) == b"\x89BLK\r\n\x1a\n"
stream.read(120)
while header := stream.read(64):
    kind, offset, length, stored = struct.unpack("<4xB11xQQI", header[:36])
    text = stream.read(stored)
    print(names[kind], *([text.decode()] if kind == 7 else [offset, length] if length else []))'
}

# header_field OFFSET LENGTH: bytes of the header on standard input, as hex.
header_field() {
	head -c 128 | tail -c +$(($1 + 1)) | head -c "$2" | od -An -v -tx1 | tr -d ' \n'
}

# copied COMMAND ...: write the image of the command's stream to "copy".
copied() {
	rm -f copy
	"$@" | blkwrite --create copy
}

# part FILE OFFSET LENGTH
part() {
	tail -c +$(($2 + 1)) "$1" | head -c "$3"
}

# faulty_device FILE FAULT ...: attach_faulty, but single sectors fail, not the pages that
# they are in.
faulty_device() {
	attach_faulty "$@" 2>"$dir/nbdkit.log"
	losetup --direct-io=on "$device"
}

# traced CALLS COMMAND [ARGUMENT ...]: write those system calls of it to the file "calls".
traced() {
	local calls=$1

	require strace
	shift
	ASAN_OPTIONS=detect_leaks=0:${ASAN_OPTIONS:-} strace -f -qq -o calls -e "trace=$calls" "$@"
}

# --- devices and sizes ------------------------------------------------------------

@test "a device of 512-byte sectors leaves as it is" {
	make_image image 5M
	attach image

	copied blkread "$device"

	cmp image copy
}

@test "a device of 4096-byte sectors leaves as it is" {
	make_image image 5M
	attach image 4096

	copied blkread "$device"

	cmp image copy
}

@test "a device of an odd number of 512-byte sectors leaves to its last sector" {
	make_image image $((1048576 + 3 * 512))
	attach image

	copied blkread "$device"

	cmp image copy
}

@test "a device that ends within a sector fails where no one can read" {
	make_image image $((1048576 + 512))
	attach image 4096
	[ "$(blockdev --getsize64 "$device")" = 1049088 ] || skip "needs a kernel that keeps odd ends"

	run -2 --separate-stderr blkread -r "$device"

	[ "$stderr" = "blkread: $device: at byte 1048576: Input/output error" ]
}

@test "files of odd sizes leave as they are" {
	make_noise noise 600K

	for size in 0 1 511 512 513 4095 4097 65535 65536 65537 262143 262144 262145 614399; do
		head -c "$size" noise >image
		copied blkread image
		cmp image copy
		[ "$(blkread image | header_field 48 8)" = "$(printf '%016x' "$size" | fold -w 2 | tac | tr -d '\n')" ]
	done
}

@test "an empty file becomes a complete stream" {
	: >image

	[ "$(blkread image | records)" = END ]
}

@test "any number of threads makes the same stream" {
	make_image image 5M
	printf '%032d' 7 >id

	for jobs in 1 2 3 16 64; do
		blkread --id @id -j "$jobs" image | records >"records.$jobs"
		# The header tells the time.
		[ "$(blkread --id @id -j "$jobs" image | tail -c +129 | sha256sum)" = \
			"$(blkread --id @id image | tail -c +129 | sha256sum)" ]
	done
}

@test "the END record has the digest that blksum prints of the device" {
	make_image image 5M

	blkread image >stream

	digest=$(tail -c 32 stream | head -c 16 | od -An -v -tx1 | tr -d ' \n')
	[ "$(blksum image)" = "blk128:$digest  image" ]
}

# --- ranges -----------------------------------------------------------------------

# Each range must leave exactly, however it lies to sectors.
check_ranges() {
	local offset length

	for offset in 0 511 512 4097 1000000; do
		for length in 0 1 513 4096 300001; do
			blkread -r -o "$offset" -l "$length" "$@" | cmp - <(part image "$offset" "$length")
		done
	done
	blkread -r -o 1000001 "$@" | cmp - <(tail -c +1000002 image)
}

@test "any range of a device of 512-byte sectors can be read, past the page cache too" {
	make_image image $((2097152 + 512))
	attach image

	check_ranges "$device"
}

@test "any range of a device of 4096-byte sectors can be read, past the page cache too" {
	make_image image 2M
	attach image 4096

	check_ranges "$device"
}

@test "any range of a device can be read through the page cache" {
	make_image image 2M
	attach image 4096

	check_ranges --direct never "$device"
}

@test "any range of a file can be read" {
	make_image image $((2097152 + 77))

	check_ranges image
}

@test "any range of a file can be read past the page cache" {
	make_image image $((2097152 + 77))
	blkread -r --direct always image >copy || skip "needs O_DIRECT on the file system of $dir"

	check_ranges --direct always image
}

@test "a range makes a stream of the range's size" {
	make_image image 2M

	copied blkread -o 1000 -l 1000000 image

	cmp copy <(part image 1000 1000000)
}

@test "a range that the device does not have is refused" {
	make_image image 1M

	run -2 --separate-stderr blkread -o 1048577 image
	[ "$stderr" = "blkread: image: offset 1048577 lies behind its end at 1048576" ]

	run -2 --separate-stderr blkread -o 1000 -l 1M image
	[ "$stderr" = "blkread: image: 1048576 bytes from 1000 are asked for, but it ends at 1048576" ]
}

@test "an offset at the very end is an empty range" {
	make_image image 1M

	[ "$(blkread -o 1M image | records)" = END ]
}

# --- holes and zeros --------------------------------------------------------------

@test "a sparse terabyte crosses in seconds, as one record" {
	truncate -s 1T image

	[ "$(timeout 20 blkread image | records)" = "$(printf 'ZERO 0 1099511627776\nEND')" ]
	timeout 20 bash -c 'blkread image | blkwrite --create copy'

	[ "$(stat -c %s copy)" = 1099511627776 ]
	[ "$(stat -c %b copy)" -lt 4096 ]
}

@test "zeros that are written, not holes, leave as zeros" {
	make_noise image 3M
	dd if=/dev/zero of=image bs=64K seek=8 count=16 conv=notrunc status=none

	blkread image >stream

	records <stream | grep -qx 'ZERO 524288 1048576'
	blkwrite --create copy <stream
	cmp image copy
}

@test "zeros within a block of 64 KiB leave with it" {
	head -c 1M /dev/zero >image
	printf x | dd of=image bs=1 seek=100000 conv=notrunc status=none

	[ "$(blkread image | records)" = "$(printf 'ZERO 0 65536\nDATA 65536 65536\nZERO 131072 917504\nEND')" ]
}

@test "zeros that had to be read leave at the latest after a gigabyte" {
	attach 1280M

	blkread "$device" | records >list

	awk '$1 == "ZERO" && $3 > 1073741824 { exit 1 }' list
	[ "$(awk '$1 == "ZERO" { sum += $3 } END { printf "%.0f", sum }' list)" = 1342177280 ]
	[ "$(wc -l <list)" -ge 2 ]
}

@test "the header says how many data bytes come, where the file system knows" {
	truncate -s 100M image
	dd if=/dev/urandom of=image bs=1M count=3 seek=50 conv=notrunc,fsync status=none

	[ "$(blkread image | header_field 56 8)" = 0000300000000000 ]
}

# overlay: mount, at $folder, a file system that is not in the list, but whose SEEK_DATA works.
overlay() {
	require_root "mounts"
	mkdir lower upper work merged
	mount -t overlay -o lowerdir="$dir/lower",upperdir="$dir/upper",workdir="$dir/work" none merged ||
		skip "needs overlayfs"
	folder=$dir/merged
	at_end umount "$folder"
}

@test "holes are believed on the file system of the image's folder, and found by looking elsewhere" {
	overlay
	truncate -s 16M "$folder/image"

	traced lseek blkread "$folder/image" >plain
	run -1 grep SEEK_DATA calls
	traced lseek blkread --trust-holes "$folder/image" >trusted
	grep -q SEEK_DATA calls

	[ "$(blksum <plain)" = "$(blksum <trusted)" ]
}

@test "holes are believed on tmpfs" {
	mount_tmpfs 4M
	truncate -s 1T "$folder/image"

	traced lseek blkread "$folder/image" >stream

	grep -q SEEK_DATA calls
}

# --- the page cache ---------------------------------------------------------------

# cold FILE: on the disk, and not in the page cache.
cold() {
	require fincore
	sync "$1"
	dd of="$1" oflag=nocache conv=notrunc count=0 status=none
	[ "$(cached "$1")" = 0 ] || skip "needs a disk file system under $dir"
}

# cached FILE: how many bytes of it the page cache holds.
cached() {
	fincore -nb -o RES "$1" | tr -d ' '
}

# touch_pages FILE STEP: read a page in every STEP bytes, and no more.
touch_pages() {
	python3 -c '
import os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
for at in range(0, os.fstat(fd).st_size, int(sys.argv[2])):
    os.pread(fd, 4096, at)' "$1" "$2"
}

# unchanged FILE BEFORE: no page of it came; few left, as the kernel may take some at any time.
unchanged() {
	local now

	now=$(cached "$1")
	echo "cached: $2 before, $now now"
	[ "$now" -le "$2" ] && [ "$now" -ge $(($2 - $2 / 8)) ]
}

@test "a file that was not in the page cache is not in it afterwards" {
	on_disk
	make_noise image 32M
	cold image

	blkread image | blksum
	blkread -j 8 -o 1000 image | blksum

	[ "$(cached image)" = 0 ]
}

@test "a file that was in the page cache stays in it" {
	on_disk
	make_noise image 32M
	cat image | wc -c

	blkread image | blksum

	unchanged image $((32 << 20))
}

@test "of a file that was half in the page cache, that half stays" {
	on_disk
	make_noise image 32M
	cold image
	touch_pages image 8192
	before=$(cached image)

	blkread -j 4 image | blksum

	[ "$before" -ge $((14 << 20)) ]
	unchanged image "$before"
}

@test "pages that another process read ahead bring no others into the page cache" {
	make_noise image 64M
	cold image
	dd if=image of=/dev/null bs=1M skip=20 count=10 status=none
	settled() { now=$(cached image) && sleep 0.3 && [ "$now" = "$(cached image)" ]; }
	wait_for 10 settled
	before=$(cached image)

	blkread -j 4 image | blksum

	[ "$before" -lt $((64 << 20)) ]
	unchanged image "$before"
}

@test "blksum leaves the page cache as it was found, too" {
	on_disk
	make_noise image 32M
	cold image
	touch_pages image 12288
	before=$(cached image)

	blksum image
	blksum -a md5 image
	blksum --map image >map

	unchanged image "$before"
}

@test "a device is read past the page cache by default" {
	make_image image 1M
	attach image

	traced fcntl blkread "$device" >stream
	grep -q 'F_SETFL.*O_DIRECT' calls
	traced fcntl blkread --direct never "$device" >stream
	run -1 grep O_DIRECT calls
}

@test "--direct always says where that cannot be" {
	require_root "mounts"
	mkdir ram
	mount -t ramfs none ram
	at_end umount "$dir/ram"
	make_image ram/image 1M

	run -2 --separate-stderr blkread --direct always ram/image

	[ "$stderr" = "blkread: ram/image: O_DIRECT: Invalid argument" ]
}

# --- unreadable data --------------------------------------------------------------

@test "an unreadable sector ends the stream with an ABORT, names its first byte, and status 2" {
	make_image image 4M
	faulty_device image read-error=1050112

	run -2 --separate-stderr bash -c 'blkread "$1" >stream' - "$device"

	[ "$stderr" = "blkread: $device: at byte 1050112: Input/output error" ]
	[ "$(records <stream | tail -n 1)" = "ABORT $device: at byte 1050112: Input/output error" ]
}

@test "the first of several unreadable sectors is named" {
	make_noise image 4M
	faulty_device image read-error=1050112 read-error=1053184 read-error=3M

	run -2 --separate-stderr blkread -r -j 8 "$device"

	[ "$stderr" = "blkread: $device: at byte 1050112: Input/output error" ]
}

@test "the byte of the device is named, not that of the range" {
	make_noise image 4M
	faulty_device image read-error=1050112

	run -2 --separate-stderr blkread -r -o 1000 -l 2M "$device"

	[ "$stderr" = "blkread: $device: at byte 1050112: Input/output error" ]
}

@test "with -r all before the unreadable chunk has left, and the same is said" {
	make_noise image 4M
	faulty_device image read-error=1050112

	run -2 --separate-stderr bash -c 'blkread -r "$1" >copy' - "$device"

	[ "$stderr" = "blkread: $device: at byte 1050112: Input/output error" ]
	cmp -n 1048576 image copy
	[ "$(stat -c %s copy)" = 1048576 ]
}

@test "through the page cache the page is named that holds the sector" {
	make_noise image 4M
	faulty_device image read-error=1050112

	run -2 --separate-stderr blkread -r --direct never "$device"

	[ "$stderr" = "blkread: $device: at byte 1048576: Input/output error" ]
}

@test "the first unreadable byte of a file is named" {
	make_noise image 4M
	faulty_device image read-error=1050112

	run -2 --separate-stderr blkread "$faulty"

	[[ $stderr == "blkread: $faulty: at byte 10"*": Input/output error" ]]
}

@test "--skip-bad reads all but the bad sector, lists it, and ends with status 2" {
	make_noise image 4M
	faulty_device image read-error=1050112
	dd if=/dev/zero of=image bs=512 seek=2051 count=1 conv=notrunc status=none

	run -2 --separate-stderr bash -c 'blkread --skip-bad "$1" >stream' - "$device"

	[ "${stderr_lines[0]}" = "blkread: $device: at byte 1050112: Input/output error, 512 bytes skipped" ]
	[ "${stderr_lines[1]}" = "blkread: $device: 512 bytes in 1 range could not be read; zeros stand in their place" ]
	[ "${#stderr_lines[@]}" = 2 ]
	[ "$(records <stream | grep BAD)" = "BAD 1050112 512" ]
	run -2 blkwrite --create copy <stream
	cmp image copy
}

@test "--skip-bad -r writes zeros in place of the bad sector" {
	make_noise image 4M
	faulty_device image read-error=1050112
	dd if=/dev/zero of=image bs=512 seek=2051 count=1 conv=notrunc status=none

	run -2 --separate-stderr bash -c 'blkread -r --skip-bad "$1" >copy' - "$device"

	[ "${#stderr_lines[@]}" = 2 ]
	cmp image copy
}

@test "--skip-bad skips no good byte beside a bad sector, wherever the range begins" {
	make_noise image 1M
	faulty_device image read-error=4608
	cp image expected
	dd if=/dev/zero of=expected bs=512 seek=9 count=1 conv=notrunc status=none

	for offset in 1 1000 4095 4607 4609; do
		run -2 --separate-stderr bash -c 'blkread -r --skip-bad -o "$2" "$1" >copy' - "$device" "$offset"
		cmp copy <(tail -c +$((offset + 1)) expected)
	done
}

@test "a bad sector in the middle of zeros lies in the ZERO record" {
	truncate -s 4M image
	faulty_device image read-error=1050112

	run -2 --separate-stderr bash -c 'blkread --skip-bad "$1" >stream' - "$device"

	[ "$(records <stream)" = "$(printf 'ZERO 0 1048576\nBAD 1050112 512\nZERO 1048576 3145728\nEND')" ]
}

@test "a sector of 4096 bytes is bad as a whole" {
	make_noise image 4M
	faulty_device image read-error=1050112
	attach "$faulty" 4096

	run -2 --separate-stderr bash -c 'blkread --skip-bad "$1" >stream' - "$device"

	[ "$(records <stream | grep BAD)" = "BAD 1048576 4096" ]
}

@test "a device whose end is gone is one bad range, listed once" {
	make_noise image 4M
	attach image
	break_after 1M

	run -2 --separate-stderr bash -c 'blkread --skip-bad "$1" >stream' - "$device"

	[ "${stderr_lines[0]}" = "blkread: $device: at byte 1048576: Input/output error, 3145728 bytes skipped" ]
	[ "${stderr_lines[1]}" = "blkread: $device: 3145728 bytes in 1 range could not be read; zeros stand in their place" ]
	[ "$(records <stream | awk '$1 == "BAD" { sum += $3 } END { print sum }')" = 3145728 ]
}

@test "a device whose end is gone fails at its first lost byte" {
	make_noise image 4M
	attach image
	break_after 1M

	run -2 --separate-stderr blkread -r "$device"

	[ "$stderr" = "blkread: $device: at byte 1048576: Input/output error" ]
}

@test "of many bad ranges twenty are listed and all are counted" {
	faults=()
	for n in {1..23}; do
		faults+=("read-error=$((n * 8192))")
	done
	make_noise image 256K
	faulty_device image "${faults[@]}"

	run -2 --separate-stderr bash -c 'blkread --skip-bad "$1" >stream' - "$device"

	[ "${#stderr_lines[@]}" = 22 ]
	[ "${stderr_lines[20]}" = "blkread: $device: further bad ranges are only counted" ]
	[ "${stderr_lines[21]}" = "blkread: $device: 11776 bytes in 23 ranges could not be read; zeros stand in their place" ]
	[ "$(records <stream | grep -c BAD)" = 23 ]
}

@test "a read that fails once and works when tried again loses nothing" {
	make_noise image 2M

	inject "$dir/image" pread64 error=EIO:when=3 blkread -r -j 1 "$dir/image" >copy

	cmp image copy
}

@test "a device that vanished is not a bad sector: --skip-bad gives up too" {
	make_noise image 2M

	run -2 --separate-stderr inject "$dir/image" pread64 error=ENXIO:when=4+ \
		blkread -r --skip-bad -j 1 "$dir/image"

	[ "$stderr" = "blkread: $dir/image: at byte 786432: No such device or address" ]
}

@test "data that the medium reports as lost is a bad sector, whatever the driver calls it" {
	make_noise image 1M

	for number in ENODATA EILSEQ EREMOTEIO ETIMEDOUT EBADMSG EUCLEAN; do
		run -2 --separate-stderr inject "$dir/image" pread64 "error=$number:when=2+" \
			blkread -r --skip-bad -j 1 "$dir/image"
		[[ $stderr == *"786432 bytes in 1 range could not be read"* ]]
	done
}

@test "a file that is cut while it is read fails where it ends now" {
	make_noise image 64M

	run -2 --separate-stderr bash -o pipefail -c \
		'blkread image | { head -c 4M; truncate -s 32M image; cat; } >stream'

	[ "$stderr" = "blkread: image: at byte 33554432: it ends here now, but had 67108864 bytes when opened" ]
	[[ $(records <stream | tail -n 1) == ABORT* ]]
}

@test "a file that loses a hole at its end while it is read has not become shorter unseen" {
	make_noise image 16M
	truncate -s 64M image

	run -2 --separate-stderr bash -o pipefail -c \
		'blkread image | { head -c 4M; truncate -s 16M image; cat; } >stream'

	[ "$stderr" = "blkread: image: at byte 16777216: it ends here now, but had 67108864 bytes when opened" ]
}

# --- pipes ------------------------------------------------------------------------

@test "a pipe that gives a byte at a time becomes full records" {
	make_noise image 300K

	python3 -c '
import os
for byte in open("image", "rb").read():
    os.write(1, bytes([byte]))' | blkread - >stream

	[ "$(records <stream)" = "$(printf 'DATA 0 262144\nDATA 262144 45056\nEND')" ]
	blkwrite --create copy <stream
	cmp image copy
}

@test "an empty pipe is an empty device" {
	[ "$(: | blkread - | records)" = END ]
}

@test "the header of a pipe's stream leaves the size open, that of -l does not" {
	[ "$(head -c 1000 /dev/zero | blkread - | header_field 48 8)" = ffffffffffffffff ]
	[ "$(head -c 1000 /dev/zero | blkread -l 256 - | header_field 48 8)" = 0001000000000000 ]
}

@test "-l takes so much of a pipe" {
	make_noise image 2M

	copied blkread -l 1000000 - <image

	cmp copy <(head -c 1000000 image)
}

@test "a pipe that ends before -l is incomplete" {
	make_noise image 1M

	run -2 --separate-stderr bash -o pipefail -c 'cat image | blkread -l 2M - >stream'

	[ "$stderr" = "blkread: standard input: ended at byte 1048576, 2097152 were asked for" ]
	[[ $(records <stream | tail -n 1) == ABORT* ]]
}

@test "an offset into a pipe is refused" {
	run -2 --separate-stderr blkread -o 512 - <<<x

	[ "$stderr" = "blkread: standard input: an offset needs a device or a file" ]
}

@test "a named pipe is read as a pipe" {
	make_noise image 1M
	mkfifo pipe
	background cp image pipe

	copied blkread pipe

	cmp image copy
}

@test "while the input is silent, blkread ends when its reader does" {
	mkfifo pipe
	exec 7<>pipe

	run -0 --separate-stderr timeout 20 bash -c \
		'blkread - <pipe | head -c 128 >header; echo "${PIPESTATUS[0]}"'
	[ "$output$stderr" = 141 ]
	run -0 --separate-stderr timeout 20 bash -c 'blkread -r - <pipe | true; echo "${PIPESTATUS[0]}"'
	[ "$output$stderr" = 141 ]
}

# --- the other end ----------------------------------------------------------------

@test "a stream is not written to a terminal" {
	require script
	make_noise image 64K

	run -2 script -qec 'blkread image' /dev/null

	[ "$(tr -d '\r' <<<"$output")" = "blkread: a block stream is not written to a terminal (-r writes plain bytes)" ]
}

@test "plain bytes may go to a terminal" {
	require script
	echo hello >image

	run -0 script -qec 'blkread -r image' /dev/null

	[ "$(tr -d '\r' <<<"$output")" = hello ]
}

@test "a long read shows its progress on a terminal, and takes it away" {
	require script
	make_noise image 4M

	run -0 script -qec 'blkread image | { sleep 4; cat >stream; }' /dev/null

	[[ $output == *"blkread reading"* ]]
	[[ $output == *$'\r' ]]
	blksum <stream
}

@test "TERM and INT end it, by the signal" {
	make_noise image 4M
	mkfifo pipe
	exec 7<>pipe

	for signal in TERM INT; do
		background blkread image >pipe
		wait_for 10 head -c 1 <&7
		kill "-$signal" "$pid"
		status=0
		wait "$pid" || status=$?
		[ "$status" = $((128 + $(kill -l "$signal"))) ]
	done
}

@test "--id takes the stream's id from a file or the environment" {
	make_noise image 64K
	echo 00112233445566778899aabbccddeeFF >id

	[ "$(blkread --id @id image | header_field 32 16)" = 00112233445566778899aabbccddeeff ]
	[ "$(SECRET=$(cat id) blkread --id env:SECRET image | header_field 32 16)" = 00112233445566778899aabbccddeeff ]
}

@test "an id on the command line, a broken one and a missing one are refused" {
	make_noise image 64K
	echo 00112233 >short
	echo 00112233445566778899aabbccddeeff0 >long

	run -2 --separate-stderr blkread --id 00112233445566778899aabbccddeeff image
	[[ $stderr == *"@FILE or env:NAME"* ]]
	run -2 --separate-stderr blkread --id @short image
	[ "$stderr" = "blkread: short: not an id of 32 hexadecimal digits" ]
	run -2 --separate-stderr blkread --id @long image
	[ "$stderr" = "blkread: long: not an id of 32 hexadecimal digits" ]
	run -2 --separate-stderr blkread --id @missing image
	[ "$stderr" = "blkread: missing: No such file or directory" ]
	run -2 --separate-stderr blkread --id env:NOBODY_SET_THIS image
	[ "$stderr" = "blkread: NOBODY_SET_THIS: not in the environment" ]
	run -2 --separate-stderr blkread -r --id @short image
	[[ $stderr == "blkread: "* ]]
}

@test "two streams have two ids" {
	make_noise image 64K

	[ "$(blkread image | header_field 32 16)" != "$(blkread image | header_field 32 16)" ]
}

# --- not a device -----------------------------------------------------------------

@test "a folder, a character device and a missing file are refused by name" {
	run -2 --separate-stderr blkread .
	[ "$stderr" = "blkread: .: Is a directory" ]
	run -2 --separate-stderr blkread /dev/null
	[ "$stderr" = "blkread: /dev/null: neither a block device nor a regular file" ]
	run -2 --separate-stderr blkread missing
	[ "$stderr" = "blkread: missing: No such file or directory" ]
}

@test "a device without a medium is no empty disk" {
	: >image
	attach ./image

	run -2 --separate-stderr blkread "$device"

	[ "$stderr" = "blkread: $device: a device of 0 bytes: it has no medium or is not set up" ]
}

@test "options that mean nothing are named" {
	run -2 --separate-stderr blkread --direct sometimes image
	[ "$stderr" = "blkread: --direct sometimes: not auto, always or never" ]
	run -2 --separate-stderr blkread -o 12abc image
	[[ $stderr == "blkread: -o 12abc: not a size"* ]]
	run -2 --separate-stderr blkread -j 0 image
	[ "$stderr" = "blkread: -j 0: not a number of threads from 1 to 64" ]
}

@test "the manual's examples work as they are printed" {
	require mandoc col
	start_sshd
	make_image disk.img 4M
	mandoc -Tascii "$root/filters/blkread.1" | col -bx | sed -n '/^EXAMPLES/,/^DIAGNOSTICS/s/^ *\$ //p' >examples
	[ "$(wc -l <examples)" = 10 ]

	{
		echo "set -eo pipefail"
		echo "ssh() { command ssh -F '$config' \"\$1\" \"cd '$dir' && \$(printf '%s ' \"\${@:2}\")\"; }"
		cat examples
	} >script
	bash script

	for copy in copy.img copy2.img copy3.img saved.img; do
		cmp disk.img $copy
	done
	cmp partition.img <(part disk.img 1048576 2097152)
	[ ! -s losses ]
}
