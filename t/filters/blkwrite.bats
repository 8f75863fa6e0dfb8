#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkwrite: what it writes, in which order, what it refuses, and what it leaves behind
# when something fails.

load ../helpers

# stale FILE SIZE: bytes that are neither zero nor anything of an image.
stale() {
	head -c "$(bytes "$2")" /dev/zero | tr '\0' '\252' >"$1"
}

# is_stale FILE OFFSET LENGTH: they are still there.
is_stale() {
	[ "$(head -c $(($2 + $3)) "$1" | tail -c "$3" | tr -d '\252' | wc -c)" = 0 ]
}

# stale_device SIZE [SECTOR]: a loop device full of them.
stale_device() {
	stale "$dir/disk" "$1"
	attach "$dir/disk" "${2:-512}"
}

# same FILE OFFSET IMAGE: IMAGE lies there.
same() {
	cmp -n "$(stat -L -c %s "$3")" -i "$2:0" "$1" "$3"
}

# traced FILE CALLS COMMAND [ARGUMENT ...]: run it and write those system calls that
# concern FILE to the file "calls".
traced() {
	local file=$1 calls=$2

	require strace
	shift 2
	ASAN_OPTIONS=detect_leaks=0:${ASAN_OPTIONS:-} \
		strace -qq -f -s 0 -o calls -P "$file" -e "trace=$calls" "$@"
	sed -i 's/^[0-9]* *//' calls
}

# count CALL: how many of them "calls" lists.
count() {
	grep -c "^$1(" calls || true
}

# piped FILE: send it through a pipe, so that its length is unknown.
piped() {
	cat "$1"
}

# waiting TARGET [OPTION ...]: a blkwrite, $pid, that has written most of the file
# "image" to the target and waits for the rest, which finish sends.
waiting() {
	local target=$1 left

	shift
	blkread "$dir/image" >"$dir/stream"
	mkfifo "$dir/fifo"
	exec 7<>"$dir/fifo"
	background blkwrite "$@" "$target" <"$dir/fifo" 7>&- 2>"$dir/said"
	left=$(($(stat -c %s "$dir/stream") - 100000))
	head -c "$left" "$dir/stream" >&7
	wait_for 20 pipe_is_empty
}

pipe_is_empty() {
	python3 -c '
import fcntl, struct, sys, termios
sys.exit(struct.unpack("i", fcntl.ioctl(7, termios.FIONREAD, b"    "))[0])'
}

finish() {
	tail -c 100000 "$dir/stream" >&7
	exec 7>&-
	wait "$pid"
}

# --- writing ----------------------------------------------------------------------

@test "a stream becomes a new file, its owner's alone" {
	make_image image 5M
	umask 022

	blkread image | blkwrite --create copy

	cmp image copy
	[ "$(stat -c %a copy)" = 600 ]
}

@test "holes and zeros stay holes in a new file" {
	truncate -s 100M image
	printf x | dd of=image bs=1M seek=50 conv=notrunc status=none

	blkread image | blkwrite --create copy

	cmp image copy
	[ "$(stat -c %b copy)" -le 256 ]
}

@test "deflated records are taken as they come" {
	make_image image 5M

	blkread image | blkzip | blkwrite --create copy

	cmp image copy
}

@test "nothing is said about a success" {
	make_image image 2M

	blkread image >stream
	run -0 blkwrite --create copy <stream

	[ "$output" = "" ]
}

@test "an image of any size goes to a device of 512-byte sectors, and the bytes after it stay" {
	make_noise seed 3M
	stale_device 5M

	for size in 1 511 512 65537 1048575 1048576 1114113 3145727; do
		stale disk 5M
		head -c "$size" seed >image
		blkread image | blkwrite "$device" 2>said
		same "$device" 0 image
		is_stale "$device" "$size" $((5242880 - size))
		[ "$(cat said)" = "blkwrite: $device: the $((5242880 - size)) bytes behind the image's $size are left as they were" ]
	done
}

@test "an image of any size goes to a device of 4096-byte sectors, and the bytes after it stay" {
	make_noise seed 3M
	stale_device 5M 4096

	for size in 1 511 512 513 4095 4097 65535 1048575 1048577 1049000 3145727; do
		stale disk 5M
		head -c "$size" seed >image
		blkread image | blkwrite "$device" 2>/dev/null
		same "$device" 0 image
		is_stale "$device" "$size" $((5242880 - size))
	done
}

@test "zeros that end within a sector leave the rest of it as it was" {
	for sector in 512 4096; do
		for size in 1000 1050000 3000001; do
			stale_device 4M "$sector"
			truncate -s "$size" image
			blkread image | blkwrite "$device" 2>/dev/null
			is_zero "$device" 0 "$size"
			is_stale "$device" "$size" $((4194304 - size))
			rm disk image
		done
	done
}

@test "a device whose sectors are larger than a page is written all the same" {
	make_image image 3000000
	stale disk 4M
	losetup --find --show --sector-size 16384 disk >/dev/null 2>&1 ||
		skip "needs a kernel with loop devices of 16384-byte sectors"
	losetup -j "$dir/disk" -O NAME -n | xargs losetup -d
	attach "$dir/disk" 16384

	blkread image | blkwrite --verify "$device"

	same "$device" 0 image
	is_stale "$device" 3000000 1194304
}

@test "a smaller file grows, and its old contents are gone" {
	make_image image 3M
	stale target 1M

	blkread image | blkwrite target

	cmp image target
}

@test "a file that is larger is cut to size with --resize" {
	make_image image 3M
	stale target 5M

	blkread image | blkwrite --resize target

	cmp image target
}

@test "a file that is larger is not cut with -o or with -l" {
	make_image image 2M

	for range in "-o 0" "-o 1M" "-l 3M"; do
		stale target 5M
		# shellcheck disable=SC2086 # an option and its value
		blkread image | blkwrite $range target
		[ "$(stat -c %s target)" = 5242880 ]
		is_stale target 3145728 2097152
	done
}

@test "-o beyond the end of a file leaves a hole before it" {
	make_image image 2M
	printf abc >target

	blkread image | blkwrite -o 1000000 target

	same target 1000000 image
	[ "$(stat -c %s target)" = 3097152 ]
	[ "$(head -c 3 target)" = abc ]
	is_zero target 3 999997
}

@test "-o and -l at odd bytes touch nothing outside of them: devices" {
	for sector in 512 4096; do
		for offset in 1 70001; do
			for size in 999 2500001; do
				stale_device 4M "$sector"
				make_image image "$size" "$offset"
				blkread image | blkwrite --verify -o "$offset" -l "$size" "$device"
				same "$device" "$offset" image
				is_stale "$device" 0 "$offset"
				is_stale "$device" $((offset + size)) $((4194304 - offset - size))
				losetup -d "$device"
			done
		done
	done
}

@test "-o and -l at odd bytes touch nothing outside of them: files" {
	for offset in 1 4095 70001; do
		for size in 999 1048577 2500001; do
			stale target 4M
			make_image image "$size" "$offset"
			blkread image | blkwrite --verify -o "$offset" -l "$size" target
			same target "$offset" image
			is_stale target 0 "$offset"
			is_stale target $((offset + size)) $((4194304 - offset - size))
		done
	done
}

@test "zeros and data that share a page at an odd offset do not spoil each other" {
	python3 - <<-'EOP'
		import random
		random.seed(5)
		with open("image", "wb") as out:
		    for _ in range(512):
		        out.write(bytes(65536) if random.random() < .5 else random.randbytes(65536))
	EOP
	stale_device 33M

	blkread image | blkwrite -j 4 -o 3333 "$device"

	same "$device" 3333 image
}

# A page that held both would be written back with the old data.
@test "at an odd offset only whole pages are zeroed around the page cache" {
	require strace
	truncate -s 5M image
	blkread image >stream
	stale_device 6M

	traced "$device" fallocate blkwrite -o 3333 "$device" <stream

	[ "$(count fallocate)" -ge 2 ]
	sed 's/.*PUNCH_HOLE, //; s/).*//' calls | while IFS=', ' read -r offset length; do
		[ $((offset % 4096 + length % 4096)) = 0 ]
	done
}

@test "a failure at an odd offset touches nothing outside of its range" {
	make_image image 2500001
	blkread image >stream

	for length in 200 100000 900000 1500000; do
		stale_device 4M 4096
		head -c "$length" stream >part
		run -2 --separate-stderr blkwrite -o 70001 -l 2500001 "$device" <part
		is_stale "$device" 0 70001
		is_zero "$device" 70001 1048576
		is_stale "$device" 2570002 1624302
		losetup -d "$device"
	done
}

@test "a stream whose size is known only at its end is written" {
	for size in 0 1 1000 1048576 1048577 5000000; do
		rm -f target image
		truncate -s "$size" image
		[ "$size" = 0 ] || make_image image "$size"
		stale target 8M
		piped image | blkread - | blkwrite --resize --verify target
		cmp image target
	done
}

@test "an image of unknown size that is shorter than 1 MiB leaves the rest of a device" {
	make_noise image 1000
	stale_device 4M

	piped image | blkread - | blkwrite "$device" 2>/dev/null

	same "$device" 0 image
	is_stale "$device" 1000 4193304
}

@test "an unknown size touches nothing until more has come than is held back" {
	make_noise image 1000000
	stale target 2M
	cp target before
	piped image | blkread - | head -c -1 >part

	run -2 --separate-stderr blkwrite target <part

	cmp before target
	[[ $stderr != *incomplete* ]]
}

@test "an unknown size that does not fit fails at the end of the target, and takes the first MiB" {
	make_noise image 5M
	stale_device 4M

	piped image | blkread - >stream
	run -2 --separate-stderr blkwrite "$device" <stream

	[[ $stderr = "blkwrite: $device: at byte 4194304: 262144 bytes do not fit into its 4194304 ($device is incomplete: its first MiB is zero, byte 4194303 is the last known to be on the medium)" ]]
	is_zero "$device" 0 1048576
}

@test "any number of threads writes the same" {
	make_image image 9M

	for jobs in 1 2 3 16 64; do
		stale target 9M
		blkread image | blkzip | blkwrite --verify -j "$jobs" target
		cmp image target
	done
}

# --- zeros ------------------------------------------------------------------------

# zeroed_by FAULT ...: a 3 MiB image of zeros but for its last block, over a stale
# device, with faults injected in its system calls; the calls are in "calls".
zeroed_by() {
	require strace
	truncate -s 3M image
	printf x | dd of=image bs=1 seek=3145727 conv=notrunc status=none
	blkread image >stream
	stale_device 3M
	ASAN_OPTIONS=detect_leaks=0:${ASAN_OPTIONS:-} \
		strace -qq -f -o calls -P "$device" -e trace=fallocate,ioctl,pwrite64 "$@" \
		blkwrite -j 1 "$device" <stream
	same "$device" 0 image
}

@test "zeros on a device are punched" {
	zeroed_by

	grep -q 'PUNCH_HOLE.* = 0$' calls
	run -1 grep -e BLKZEROOUT -e ZERO_RANGE calls
}

@test "zeros on a device that cannot punch are zeroed as a range" {
	zeroed_by -e inject=fallocate:error=EOPNOTSUPP:when=1

	grep -q 'ZERO_RANGE.* = 0$' calls
	[ "$(grep -c PUNCH_HOLE calls)" = 1 ]
}

@test "zeros on a device without fallocate are zeroed by BLKZEROOUT" {
	zeroed_by -e inject=fallocate:error=EOPNOTSUPP

	grep -q 'BLKZEROOUT.* = 0$' calls
	[ "$(grep -c fallocate calls)" = 2 ]
}

@test "zeros are written to a device without an operation for zeros" {
	zeroed_by -e inject=fallocate:error=EOPNOTSUPP -e inject=ioctl:error=ENOTTY:when=4+

	[ "$(grep -c BLKZEROOUT calls)" = 1 ]
	[ "$(grep -c pwrite64 calls)" -ge 12 ]
}

@test "zeros that a device fails to make are written" {
	zeroed_by -e inject=fallocate:error=EIO -e inject=ioctl:error=EIO:when=4+

	[ "$(grep -c pwrite64 calls)" -ge 12 ]
}

@test "zeros are made in a file that cannot punch holes" {
	require strace
	truncate -s 3M image
	blkread image >stream

	for fault in error=EOPNOTSUPP:when=1 error=EOPNOTSUPP; do
		stale target 3M
		inject "$dir/target" fallocate "$fault" blkwrite target <stream
		cmp image target
	done
}

@test "--zeroed believes it, except for the first MiB" {
	truncate -s 3M image
	stale target 3M

	blkread image | blkwrite --zeroed target

	is_zero target 0 1048576
	is_stale target 1048576 2097152
}

@test "--verify finds --zeroed out" {
	truncate -s 3M image
	stale target 3M
	blkread image >stream

	run -2 --separate-stderr blkwrite --zeroed --verify target <stream

	[ "${stderr_lines[0]}" = "blkwrite: target: bytes 1048576 to 3145727 differ" ]
	is_zero target 0 1048576
}

# is_whole FILE: no part of it is a hole.
is_whole() {
	[ $(($(stat -c %b "$1") * 512)) -ge "$(stat -c %s "$1")" ]
}

@test "--preallocate leaves no hole: not in the first MiB, where zeros come, or where a delta brings them" {
	truncate -s 8M image
	printf data | dd of=image bs=1M seek=3 conv=notrunc status=none
	blkread image >stream

	blkwrite --create --preallocate --verify new <stream
	truncate -s 2M grown
	blkwrite --preallocate --verify grown <stream
	cp --sparse=never image old
	printf full | dd of=old bs=1M seek=5 conv=notrunc status=none
	blkdiff old image | blkwrite --preallocate --verify old
	blkwrite --create sparse <stream

	for file in new grown old; do
		cmp image "$file"
		is_whole "$file"
	done
	run ! is_whole sparse
	blkread - <image | blkwrite --create --preallocate unknown
	cmp image unknown
	is_whole unknown
}

@test "--preallocate without room ends before anything is written; where nothing is allocated ahead zeros are" {
	truncate -s 4M image
	blkread image >stream
	cp image target

	run -2 --separate-stderr inject "$dir/target" fallocate error=ENOSPC blkwrite --preallocate target <stream
	[ "$stderr" = "blkwrite: target: at byte 0: 4194304 bytes cannot be allocated: No space left on device" ]
	inject "$dir/target" fallocate error=EOPNOTSUPP blkwrite --preallocate --zeroed target <stream
	is_whole target
	cmp image target

	run -2 --separate-stderr blkwrite --preallocate --discard target <stream
	[ "$stderr" = "blkwrite: --preallocate and --discard conflict: give one of them" ]
}

@test "--discard reaches a device, never counts as zeros, and spares the bytes after the image" {
	make_noise image 1M
	truncate -s 3M image
	stale_device 5M
	blkread image >stream

	traced "$device" fallocate,ioctl blkwrite --discard "$device" <stream

	grep -q 'BLKDISCARD.* = 0$' calls
	grep -q 'PUNCH_HOLE, 1048576, 2097152' calls
	same "$device" 0 image
	is_stale "$device" 3145728 2097152
}

@test "--discard makes holes in a file" {
	make_image image 3M
	stale target 3M

	blkread image | blkwrite --discard target

	cmp image target
	[ "$(stat -c %b target)" -lt 6144 ]
}

@test "--discard that a device does not know is no failure" {
	make_image image 3M
	stale_device 3M
	blkread image >stream

	run -0 --separate-stderr inject "$device" ioctl error=EOPNOTSUPP:when=7 blkwrite --discard "$device" <stream

	[ "$stderr" = "blkwrite: $device: going on without discard: Operation not supported" ]
	same "$device" 0 image
}

@test "--discard needs to know how much is to come" {
	make_image image 3M
	stale target 3M
	piped image | blkread - >stream

	run -2 --separate-stderr blkwrite --discard target <stream

	[ "$stderr" = "blkwrite: --discard: the size of the input is not known" ]
	is_stale target 0 3145728
}

# --- refusals ---------------------------------------------------------------------

# refused REASON COMMAND [ARGUMENT ...]: it fails with that line alone.
refused() {
	local reason=$1

	shift
	run -2 --separate-stderr "$@"
	[ "$stderr" = "blkwrite: $reason" ]
	[ "$output" = "" ]
}

# unchanged FILE: it is as it was at the last call of keep.
keep() {
	cp --sparse=always "$1" "$dir/before"
}

unchanged() {
	cmp "$1" "$dir/before"
}

@test "nothing is created without --create" {
	make_image image 2M
	blkread image >stream

	refused "copy: no such file or device (--create makes a file)" blkwrite copy <stream

	[ ! -e copy ]
}

@test "nothing is created under /dev, whatever way leads there" {
	require_root "bind mounts"
	make_image image 2M
	blkread image >stream
	name=blk-none-$$
	at_end rm -f "/dev/$name"
	ln -s /dev devices
	mkdir inner bound
	mount --bind /dev bound
	at_end umount "$dir/bound"
	up=$(pwd | sed 's,/[^/]*,../,g')

	for path in /dev/$name devices/$name inner/../devices/$name "${up}dev/$name" \
		/dev/../dev/$name bound/$name; do
		refused "$path: no such device, and no file is created under /dev" \
			blkwrite --create "$path" <stream
		[ ! -e "$path" ]
	done
	cd /dev
	refused "$name: no such device, and no file is created under /dev" \
		blkwrite --create "$name" <"$dir/stream"
	[ ! -e /dev/$name ]
}

@test "a symbolic link that leads nowhere is not followed, to /dev least of all" {
	make_image image 2M
	blkread image >stream
	ln -s /dev/blk-none link

	refused "link: a dangling symbolic link" blkwrite --create link <stream

	[ ! -e /dev/blk-none ]
}

@test "--create writes to a file that exists already" {
	make_image image 2M
	stale target 1M

	blkread image | blkwrite --create target

	cmp image target
}

@test "a target that is neither a file nor a block device is refused" {
	blkread /dev/null >stream 2>/dev/null || true
	mkfifo pipe

	refused "/dev/zero: neither a block device nor a regular file" blkwrite /dev/zero <stream
	refused "pipe: neither a block device nor a regular file" blkwrite pipe <stream
	refused ".: Is a directory" blkwrite . <stream
	[ ! -e - ]
}

@test "a target that is too small is refused before it is touched: device" {
	make_image image 4194305
	blkread image >stream
	stale_device 4M
	keep disk

	refused "$device: too small: 4194305 bytes are to come, 4194304 have room" \
		blkwrite "$device" <stream

	unchanged disk
}

@test "a range that is too small is refused before it is touched" {
	make_image image 4M
	blkread image >stream
	stale_device 5M
	keep disk

	refused "$device: too small: 4194304 bytes are to come, 4194303 have room" \
		blkwrite -l 4194303 "$device" <stream
	refused "$device: too small: 4194304 bytes are to come, 4194303 have room" \
		blkwrite -o 1048577 "$device" <stream
	refused "$device: a range of 1048577 bytes from 4194304 ends behind its end at 5242880" \
		blkwrite -o 4M -l 1048577 "$device" <stream
	refused "$device: offset 5242881 lies behind its end at 5242880" \
		blkwrite -o 5242881 "$device" <stream
	refused "new: too small: 4194304 bytes are to come, 1024 have room" \
		blkwrite --create -l 1K new <stream

	unchanged disk
	[ ! -e new ]
}

@test "a file that may not grow so large is refused, and not created" {
	make_image image 4M
	blkread image >stream
	stale target 1M
	keep target
	limited() {
		(ulimit -f 2048 && exec blkwrite "$@")
	}

	refused "new: at byte 4194304: File too large" limited --create new <stream
	refused "target: at byte 4194304: File too large" limited target <stream

	[ ! -e new ]
	unchanged target
}

@test "input that is no block stream is refused before anything is touched" {
	make_noise image 2M
	gzip -c image >gz
	stale target 3M
	keep target
	blkread image >stream
	flip_bit stream 500
	: >empty

	refused "standard input: stream byte 0: not a block stream: blkread makes one of a disk; -r writes the plain bytes of a disk" \
		blkwrite target <image
	refused "standard input: stream byte 0: not a block stream but gzip: decompress it by blkzip -d; -r writes the plain bytes of a disk" \
		blkwrite target <gz
	refused "standard input: stream byte 0: not a block stream: blkread makes one of a disk; -r writes the plain bytes of a disk" \
		blkwrite target </dev/zero
	refused "standard input: stream byte 0: nothing came, not even a header" blkwrite target <empty
	run -2 --separate-stderr blkwrite target <stream
	[[ $stderr = "blkwrite: standard input: stream byte 0: "*checksum* ]]
	refused "standard input: stream byte 0: nothing came, not even a header" \
		blkwrite --create new <empty

	unchanged target
	[ ! -e new ]
}

@test "a map is refused" {
	make_image image 2M
	blksum --map image >map
	stale target 2M
	keep target

	refused "standard input: this stream is a map, an image, a delta or an undo log is wanted" blkwrite target <map

	unchanged target
}

@test "a mounted device is refused" {
	require mkfs.ext4
	truncate -s 4M disk
	attach "$dir/disk"
	mkfs.ext4 -q "$device"
	mkdir mnt
	mount "$device" mnt
	at_end umount "$dir/mnt"
	make_image image 2M
	blkread image >stream

	refused "$device: in use: mounted, swapped on, mapped, or open exclusively elsewhere" \
		blkwrite "$device" <stream
}

@test "a disk with a mounted partition is refused, its other partitions are not" {
	require mkfs.ext4 sfdisk partx
	truncate -s 16M disk
	printf '2048,8192\n10240,8192\n' | sfdisk -q disk
	attach "$dir/disk"
	add_partitions "$device"
	wait_for 5 test -b "${device}p2" || skip "needs partition nodes"
	mkfs.ext4 -q "${device}p1"
	mkdir mnt
	mount "${device}p1" mnt
	at_end umount "$dir/mnt"
	make_image image 2M
	blkread image >stream

	refused "$device: in use: mounted, swapped on, mapped, or open exclusively elsewhere" \
		blkwrite "$device" <stream
	blkwrite "${device}p2" <stream 2>/dev/null
	same "${device}p2" 0 image
}

@test "a read-only device is refused" {
	stale_device 2M
	blockdev --setro "$device"
	make_image image 2M
	blkread image >stream

	refused "$device: the device is read-only" blkwrite "$device" <stream
	is_stale disk 0 2097152
}

@test "a file that a loop device shows is refused, by any of its names" {
	stale_device 2M
	ln disk other
	ln -s disk link
	make_image image 2M
	blkread image >stream

	for name in disk other link; do
		refused "$name: in use: attached to $device (losetup -d detaches it)" \
			blkwrite "$name" <stream
	done
	is_stale disk 0 2097152
}

@test "a target that QEMU holds is refused" {
	require qemu-io
	stale target 2M
	make_image image 2M
	blkread image >stream
	mkfifo orders
	exec 8<>orders
	background qemu-io -f raw target <orders 8>&- >answers
	echo 'read 0 512' >&8
	wait_for 10 grep -q read answers

	refused "target: in use: a running QEMU or another blkwrite holds its image lock" \
		blkwrite target <stream

	is_stale target 0 2097152
	exec 8>&-
	wait "$pid"
	blkwrite target <stream
}

@test "a device that QEMU holds is refused" {
	stale_device 2M
	make_image image 2M
	blkread image >stream
	qemu_lock "$device"

	refused "$device: in use: a running QEMU or another blkwrite holds its image lock" \
		blkwrite "$device" <stream

	is_stale disk 0 2097152
}

@test "QEMU and a second blkwrite are kept off while one writes" {
	require qemu-io
	make_image image 4M
	stale target 4M
	waiting target

	run -1 qemu-io -f raw -c 'write 0 512' target
	[[ $output == *lock* ]]
	refused "target: in use: a running QEMU or another blkwrite holds its image lock" \
		blkwrite target <stream

	finish
	cmp image target
}

@test "a second blkwrite is kept off a device" {
	make_image image 4M
	stale_device 4M
	waiting "$device"

	refused "$device: in use: mounted, swapped on, mapped, or open exclusively elsewhere" \
		blkwrite "$device" <stream

	finish
	same "$device" 0 image
}

@test "a target is not written from itself" {
	stale_device 2M
	stale target 2M

	# shellcheck disable=SC2094 # that is what is to be refused
	refused "target: standard input reads from it" blkwrite -r target <target
	# shellcheck disable=SC2094
	refused "$device: standard input reads from it" blkwrite -r "$device" <"$device"

	is_stale target 0 2097152
	is_stale disk 0 2097152
}

@test "no stream is read from a terminal" {
	require script
	stale target 2M

	run -2 script -qec "blkwrite target" /dev/null </dev/null

	[[ $output == *"a terminal, not a block stream"* ]]
	is_stale target 0 2097152
}

# --- the id -----------------------------------------------------------------------

@test "the right id opens, from a file or from the environment" {
	make_image image 2M
	echo 00112233445566778899aabbccddeeff >id
	blkread --id @id image >stream

	blkwrite --create --id @id one <stream
	ID=00112233445566778899AABBCCDDEEFF blkwrite --create --id env:ID two <stream

	cmp image one
	cmp image two
}

@test "another id is refused before anything is touched" {
	make_image image 2M
	echo 00112233445566778899aabbccddeeff >id
	blkread image >stream
	stale target 3M
	keep target

	refused "standard input: the stream has another id than --id says" \
		blkwrite --id @id target <stream
	refused "standard input: the stream has another id than --id says" \
		blkwrite --create --id @id new <stream

	unchanged target
	[ ! -e new ]
}

@test "an id that cannot be read is an error" {
	make_image image 2M
	blkread image >stream
	echo 00112233 >short

	refused "none: No such file or directory" blkwrite --create --id @none new <stream
	refused "short: not an id of 32 hexadecimal digits" blkwrite --create --id @short new <stream
	refused "NONE: not in the environment" blkwrite --create --id env:NONE new <stream
	refused "--id: an id is given as @FILE or env:NAME, since ps(1) shows the command line" \
		blkwrite --create --id 00112233445566778899aabbccddeeff new <stream
	[ ! -e new ]
}

# A minute is not waited for: strace lets the first poll of the pipe end in silence.
@test "with an id a silent peer times out, before or in the middle" {
	require strace
	make_image image 3M
	echo 00112233445566778899aabbccddeeff >id
	blkread --id @id image >stream
	stale target 3M
	keep target
	mkfifo fifo
	exec 7<>fifo

	refused "standard input: stream byte 0: Connection timed out" \
		inject "$dir/fifo" poll retval=0 timeout 20 blkwrite --id @id target <fifo 7>&-
	unchanged target

	background head -c 2000000 stream >fifo
	run -2 --separate-stderr inject "$dir/fifo" poll retval=0:when=8+ \
		timeout 20 blkwrite -j 1 --id @id target <fifo 7>&-
	[[ $stderr = *"Connection timed out"*"its first MiB is zero"* ]]
}

# --- the order --------------------------------------------------------------------

# steps: what "calls" did to the target, one word for each run of the same: trunc, head,
# start and page (the first MiB, its first 128 KiB, its first page), rest, flush, close.  What
# was only looked at and closed before all of them does not count.
steps() {
	python3 - <<'EOP'
import re
words = []
for line in open("calls"):
    if "(" not in line or line.startswith("<"):
        continue
    call, arguments = line.split("(", 1)
    numbers = [int(n) for n in re.findall(r"(?<![\w\"\\])\d+", re.sub(r'"[^"]*"\.*', "", arguments.split(") =")[0].split("<")[0]))]
    if call in ("fsync", "close", "ftruncate"):
        word = {"fsync": "flush", "close": "close", "ftruncate": "trunc"}[call]
    else:
        offset, length = numbers[-2:] if call == "fallocate" else numbers[-1:-3:-1]
        end = offset + length
        word = "rest" if offset >= 1 << 20 else "head" if end > 1 << 17 else \
            "start" if end > 4096 else "page"
    if words[-1:] != [word] and (words or word != "close"):
        words.append(word)
print(*words)
EOP
}

@test "the first MiB is zeroed and flushed first, and written when all else is flushed" {
	make_noise image 3M
	blkread image >stream
	stale_device 3M
	stale target 2M

	for jobs in 1 4; do
		traced "$device" fsync,pwrite64,fallocate,close blkwrite -j $jobs "$device" <stream
		[ "$(steps)" = "head flush rest flush head flush start flush page flush close" ]
	done
	traced "$dir/target" fsync,pwrite64,fallocate,ftruncate,close blkwrite target <stream
	[ "$(steps)" = "trunc head flush rest flush head flush start flush page flush close" ]
}

@test "a larger file is cut after the first MiB is in place, and that is flushed" {
	make_noise image 3M
	blkread image >stream
	stale target 5M

	traced "$dir/target" fsync,pwrite64,fallocate,ftruncate,close blkwrite --resize target <stream

	[ "$(steps)" = "trunc head flush rest flush head flush start flush page flush trunc flush close" ]
}

@test "the first MiB is written from its end to its beginning" {
	make_noise image 1M
	blkread image >stream
	stale target 1M

	traced "$dir/target" pwrite64 blkwrite target <stream

	sed 's/.*, //; s/).*//' calls >offsets
	sort -rn offsets | cmp - offsets
	[ "$(wc -l <offsets)" = 17 ]
}

@test "the name of a file that was created is flushed too" {
	make_noise image 2M
	blkread image >stream
	mkdir folder

	traced "$dir/folder" openat,fsync blkwrite --create folder/new <stream

	[ "$(count fsync)" = 1 ]
}

@test "--no-sync flushes nothing" {
	make_image image 3M
	blkread image >stream
	stale target 5M

	traced "$dir/target" fsync,fdatasync,sync_file_range blkwrite --no-sync --resize target <stream

	cmp image target
	[ ! -s calls ]
}

# honest TARGET: it holds the image, or its old contents, or its first page is zero, and it looks
# like nothing.
honest() {
	is_zero "$1" 0 4096 || same "$1" 0 image || cmp -s "$1" before
}

@test "killed at any flush, the target does not look complete unless it is" {
	make_noise image 3M
	blkread image >stream
	require strace

	for call in 1 2 3 4 5 6; do
		stale target 4M
		keep target
		run inject "$dir/target" fsync signal=KILL:when=$call blkwrite --resize -j 1 target <stream
		[ "$status" = 137 ]
		honest target
		[ "$call" -lt 3 ] || continue
		is_zero target 0 1048576
	done
	stale target 4M
	run -0 inject "$dir/target" fsync signal=KILL:when=7 blkwrite --resize -j 1 target <stream
}

@test "killed at any write, the target does not look complete unless it is" {
	make_noise image 2M
	blkread image >stream
	require strace

	for call in 1 2 3 8 15 20 21; do
		stale target 2M
		keep target
		run inject "$dir/target" pwrite64 signal=KILL:when="$call" blkwrite -j 1 target <stream
		[ "$status" = 137 ]
		honest target
	done
	stale target 2M
	run -0 inject "$dir/target" pwrite64 signal=KILL:when=22 blkwrite -j 1 target <stream
}

@test "killed while its first MiB is taken away, it is as it was or zero there" {
	make_noise image 2M
	blkread image >stream
	require strace
	stale target 2M
	keep target

	run inject "$dir/target" fallocate signal=KILL:when=1 blkwrite -j 1 target <stream

	[ "$status" = 137 ]
	honest target
}

# ends_with STATUS: so ends the process $pid.
ends_with() {
	status=0
	wait "$pid" || status=$?
	[ "$status" = "$1" ]
}

# ended_by SIGNAL: in the middle, blkwrite says what it leaves and dies by the signal.
ended_by() {
	make_image image 4M
	stale target 4M
	waiting target

	kill "-$1" "$pid"
	ends_with $((128 + $(kill -l "$1")))

	is_zero target 0 1048576
	exec 7>&-
}

@test "TERM and INT end it by the signal, with the first MiB zero" {
	ended_by TERM
	[[ $(cat said) == "blkwrite: Terminated (target is incomplete: its first MiB is zero, "*" of 4194304 bytes had come; "* ]]
	rm fifo
	ended_by HUP
	[[ $(cat said) == "blkwrite: Hangup (target is incomplete: its first MiB is zero, "*" of 4194304 bytes had come; "* ]]
}

@test "a signal before anything came leaves the target, and no message" {
	stale target 2M
	mkfifo fifo
	exec 7<>fifo
	background blkwrite target <fifo 7>&- 2>said
	wait_for 5 grep -q ' 100  *299\| 100 299' /proc/locks

	kill -TERM "$pid"
	ends_with 143

	is_stale target 0 2097152
	[ ! -s said ]
}

@test "a signal while the first MiB is written waits until it is" {
	require strace
	make_noise image 3M
	blkread image >stream
	stale target 4M
	background inject "$dir/target" fsync delay_enter=1500000:when=3 blkwrite --resize -j 1 target <stream 2>said
	wait_for 10 traced_writer
	wait_for 10 committing

	kill -TERM "$writer"
	ends_with 143

	cmp image target
	[ "$(head -n 1 said)" = "blkwrite: Terminated (target is complete)" ]
}

# traced_writer: the blkwrite that inject has started in the background is $writer.
traced_writer() {
	writer=$(pgrep -P "$(pgrep -P "$pid" strace)" blkwrite)
}

# committing: something lies in the upper part of the first MiB.
committing() {
	cmp -s -n 131072 -i 917504 image target
}

# --- failures ---------------------------------------------------------------------

# left_by REASON STATE COMMAND [ARGUMENT ...]: it fails with that line alone, which says
# that state of the target.
left_by() {
	local reason=$1 state=$2

	shift 2
	run -2 --separate-stderr "$@"
	[ "$stderr" = "blkwrite: $reason ($state)" ]
	[ "$output" = "" ]
}

@test "a stream that is cut leaves the first MiB zero, and names the last byte" {
	make_noise image 4M
	blkread image | head -c 3000000 >part
	stale_device 4M
	sync disk

	left_by "standard input: stream byte 3000000, device byte 2883584: the stream was cut: end of file before its END record" \
		"$device is incomplete: its first MiB is zero, byte 2883583 is the last known to be on the medium" \
		blkwrite "$device" <part

	is_zero "$device" 0 1048576
	cmp -i 1048576 -n $((2883584 - 1048576)) image "$device"
}

@test "a stream that is cut in its first MiB leaves nothing known" {
	make_noise image 4M
	blkread image | head -c 500000 >part
	stale target 4M

	left_by "standard input: stream byte 500000, device byte 262144: the stream was cut: end of file before its END record" \
		"target is incomplete: its first MiB is zero, nothing is known to be on the medium" \
		blkwrite target <part

	is_zero target 0 1048576
	is_stale target 1048576 3145728
}

@test "a larger file keeps its end when a stream is cut" {
	make_noise image 2M
	blkread image | head -c -1 >part
	stale target 5M

	run -2 --separate-stderr blkwrite target <part

	is_stale target 2097152 3145728
}

@test "a file that was created and failed is there, of full size, and looks like nothing" {
	make_noise image 3M
	blkread image | head -c 2500000 >part

	run -2 --separate-stderr blkwrite --create new <part

	[[ $stderr = *"(new is incomplete: its first MiB is zero, byte 2359295 is the last known to be on the medium)" ]]
	[ "$(stat -c %s new)" = 3145728 ]
	is_zero new 0 1048576
}

@test "in a range, the message says where the zeros are" {
	make_noise image 3M
	blkread image | head -c 2000000 >part
	stale target 5M

	run -2 --separate-stderr blkwrite -o 4096 target <part

	[[ $stderr = *"(target is incomplete: its 1048576 bytes from byte 4096 on are zero, byte 1839103 is the last known to be on the medium)" ]]
}

@test "of an image that is smaller than 1 MiB all is held back" {
	make_noise image 1000
	blkread image | head -c -1 >part
	stale target 2000

	run -2 --separate-stderr blkwrite --resize target <part

	[[ $stderr = *"(target is incomplete: its 1000 bytes from byte 0 on are zero, nothing is known to be on the medium)" ]]
	is_zero target 0 1000
	is_stale target 1000 1000
}

@test "with --no-sync nothing is known to be on the medium" {
	make_noise image 4M
	blkread image | head -c 3000000 >part
	stale target 4M

	run -2 --separate-stderr blkwrite --no-sync target <part

	[[ $stderr = *"(target is incomplete: its first MiB is zero, nothing is known to be on the medium)" ]]
}

@test "a file system that fills names the byte" {
	make_noise image 5M
	blkread image >stream
	mount_tmpfs 3004K

	left_by "$folder/new: at byte 4124672: No space left on device" \
		"$folder/new is incomplete: its first MiB is zero, byte 3932159 is the last known to be on the medium" \
		blkwrite -j 1 --create "$folder/new" <stream

	is_zero "$folder/new" 0 1048576
	cmp -i 1048576 -n $((4124672 - 1048576)) image "$folder/new"
}

@test "many threads name the first byte that failed" {
	make_noise image 9M
	blkread image >stream
	mount_tmpfs 5M

	run -2 --separate-stderr blkwrite -j 16 --create "$folder/new" <stream

	[ "$(wc -l <<<"$stderr")" = 1 ]
	[[ $stderr =~ at\ byte\ ([0-9]+):\ No\ space\ left\ on\ device\ .*byte\ ([0-9]+)\ is\ the\ last ]]
	cmp -i 1048576 -n $((BASH_REMATCH[1] - 1048576)) image "$folder/new"
	[ "${BASH_REMATCH[2]}" -lt "${BASH_REMATCH[1]}" ]
}

@test "a file system that has no room for the first MiB any more gets it back as zeros" {
	make_noise image 4M
	blkread image >stream
	mount_tmpfs 3500K

	run -2 --separate-stderr blkwrite --create "$folder/new" <stream

	[[ $stderr = *": No space left on device ($folder/new is incomplete: its first MiB is zero, byte 4194303 is the last known to be on the medium)" ]]
	is_zero "$folder/new" 0 1048576
}

@test "a device that has less room than it claims fails, and the message says only what is known" {
	make_noise image 6M
	blkread image >stream
	mount_tmpfs 2M
	truncate -s 8M "$folder/disk.img"
	attach "$folder/disk.img"

	run -2 --separate-stderr blkwrite "$device" <stream

	[[ $stderr =~ "at byte "[0-9]+": "("No space left on device"|"Input/output error")" (" ]]
	[[ $stderr = *"is incomplete: its first MiB is zero, byte "*" is the last known to be on the medium)" ]]
	is_zero "$device" 0 1048576
}

# The kernel reports the loss once, at the first fsync; the next one succeeds.
@test "after a write through the cache was lost, nothing is known to be on the medium" {
	make_noise image 6M
	blkread image >stream
	mount_tmpfs 2M
	truncate -s 8M "$folder/disk.img"
	attach "$folder/disk.img"

	left_by "$device: flush: Input/output error" \
		"$device is incomplete: its 1048576 bytes from byte 1 on are zero, nothing is known to be on the medium" \
		blkwrite -o 1 "$device" <stream
}

@test "a sector that cannot be written is named, whatever the number of threads" {
	make_noise image 4M
	blkread image >stream
	stale disk 4M
	attach_faulty disk write-error=2098688

	for jobs in 1 8; do
		left_by "$device: at byte 2098688: Input/output error" \
			"$device is incomplete: its first MiB is zero, byte 2097151 is the last known to be on the medium" \
			blkwrite -j $jobs "$device" <stream
	done
	is_zero disk 0 1048576
	cmp -i 1048576 -n 1048576 image disk
}

@test "a sector of the first MiB that cannot be written is found before anything is written" {
	make_noise image 4M
	blkread image >stream
	stale disk 4M
	attach_faulty disk write-error=512K

	left_by "$device: at byte 524288: Input/output error" \
		"$device is spoilt: its first MiB may be zero in part, nothing is known to be on the medium" \
		blkwrite "$device" <stream

	is_stale disk 1048576 3145728
}

@test "a device that cannot flush is found before anything is written" {
	make_noise image 4M
	blkread image >stream
	stale disk 4M
	attach_faulty disk flush-error

	left_by "$device: flush: Input/output error" \
		"$device is spoilt: its first MiB may be zero in part, nothing is known to be on the medium" \
		blkwrite "$device" <stream

	is_stale disk 1048576 3145728
}

# flush_fails N STATE: the Nth flush of a target that is larger than the image fails.
flush_fails() {
	make_noise image 3M
	blkread image >stream
	stale target 4M

	left_by "target: flush: Input/output error" "target is $2" \
		inject "$dir/target" fsync "error=EIO:when=$1" blkwrite --resize target <stream
}

@test "no flush may fail" {
	require strace
	flush_fails 1 "spoilt: its first MiB may be zero in part, nothing is known to be on the medium"
	is_stale target 1048576 3145728
	flush_fails 2 "incomplete: its first MiB is zero, nothing is known to be on the medium"
	is_zero target 0 1048576
	is_stale target 3145728 1048576
	for call in 3 4 5 6; do
		flush_fails $call "incomplete: its first MiB is zero, byte 3145727 is the last known to be on the medium"
		is_zero target 0 1048576
	done
}

@test "of an unknown size, nothing is written where the first MiB cannot be made zero" {
	local i

	make_noise image 3M
	piped image | blkread - >stream
	stale target 3M
	for i in {1..40}; do
		run -2 --separate-stderr inject "$dir/target" fsync error=EIO:when=1 blkwrite -j 8 target <stream

		[[ $stderr == "blkwrite: target: flush: Input/output error (target is spoilt: "* ]]
		is_stale target 1048576 2097152
	done
}

@test "a flush that fails is not asked again for what it lost" {
	require strace
	make_noise image 3M
	blkread image >stream
	stale target 3M

	left_by "target: flush: Input/output error" \
		"target is incomplete: its first MiB is zero, nothing is known to be on the medium" \
		inject "$dir/target" fsync error=EIO:when=2 blkwrite target <stream
}

@test "a write that fails only once is a failure too, and where is not known" {
	require strace
	make_noise image 4M
	blkread image >stream
	stale target 4M

	left_by "target: at byte 1572864: Input/output error" \
		"target is incomplete: its first MiB is zero, byte 1572863 is the last known to be on the medium" \
		inject "$dir/target" pwrite64 error=EIO:when=3 blkwrite -j 1 target <stream
}

@test "a first MiB that cannot be written, nor made zero again, is said to be so" {
	require strace
	make_noise image 2M
	blkread image >stream
	stale target 2M

	left_by "target: at byte 917504: Input/output error" \
		"target is incomplete, and its first MiB may not be zero, byte 2097151 is the last known to be on the medium" \
		strace -qq -f -o /dev/null -P "$dir/target" -e trace=pwrite64,fallocate \
		-e inject=pwrite64:error=EIO:when=6+ -e inject=fallocate:error=EIO:when=2+ \
		blkwrite -j 1 target <stream
}

@test "the first MiB is zero again if one of its writes fails" {
	require strace
	make_noise image 2M
	blkread image >stream

	for call in 5 12 21; do
		stale target 2M
		run -2 --separate-stderr inject "$dir/target" pwrite64 error=EIO:when=$call+ \
			blkwrite -j 1 target <stream
		[[ $stderr = *": Input/output error (target is incomplete: its first MiB is zero, byte 2097151 is the last known to be on the medium)" ]]
		is_zero target 0 1048576
	done
}

@test "no close may fail" {
	require strace
	make_noise image 2M
	blkread image >stream
	stale target 2M

	refused "target: close: Input/output error" \
		inject "$dir/target" close error=EIO blkwrite target <stream
}

@test "a file that cannot be cut to size is incomplete" {
	require strace
	make_noise image 2M
	blkread image >stream
	stale target 3M

	left_by "target: at byte 2097152: Input/output error" \
		"target is incomplete: its first MiB is zero, byte 2097151 is the last known to be on the medium" \
		inject "$dir/target" ftruncate error=EIO:when=2 blkwrite --resize target <stream

	is_zero target 0 1048576
}

@test "a file that its file system cannot cut to size is refused before the transfer" {
	require strace
	make_noise image 2M
	blkread image >stream
	blkdiff image image >delta
	stale target 3M
	cp target before

	run -2 --separate-stderr inject "$dir/target" ftruncate error=EOPNOTSUPP blkwrite --resize target <stream
	[ "$stderr" = "blkwrite: target: the file of 3145728 bytes cannot be truncated to 2097152: nothing was written (-l leaves it as large as it is): Operation not supported" ]
	cmp target before
	run -2 --separate-stderr inject "$dir/target" ftruncate error=EOPNOTSUPP bash -c "cat image | blkread - | blkwrite --resize target"
	cmp target before
	run -2 inject "$dir/target" ftruncate error=EOPNOTSUPP blkwrite target <delta
	cmp target before
	run -0 inject "$dir/target" ftruncate error=EOPNOTSUPP blkwrite -l 2M target <stream
	cmp -n 2097152 target image
}

@test "short writes are carried on" {
	require strace
	make_noise image 3M
	blkread image >stream
	stale target 3M

	inject "$dir/target" pwrite64 error=EINTR:when=2+3 blkwrite target <stream

	cmp image target
}

@test "unreadable parts of the source: the rest is committed, with status 2" {
	make_noise disk 4M
	attach disk
	break_after 3M
	blkread --skip-bad "$device" >stream 2>/dev/null || true
	losetup -d "$device"

	refused "copy: 1048576 bytes could not be read at the source; zeros stand in their place" \
		blkwrite --create copy <stream

	cmp -n 3145728 disk copy
	is_zero copy 3145728 1048576
}

@test "the sending side gives up: its reason is reported" {
	make_noise disk 4M
	attach disk
	break_after 3M
	run -2 --separate-stderr blkread "$device"
	reason=${stderr#blkread: }
	blkread "$device" >stream 2>/dev/null || true

	left_by "standard input: stream byte 3146624, device byte 3145728: the sending side gave up: $reason" \
		"copy is incomplete: its first MiB is zero, byte 3145727 is the last known to be on the medium" \
		blkwrite --create copy <stream
}

@test "a record from another stream is refused in the middle" {
	make_noise one 3M
	make_noise two 3M 2
	blkread one >stream
	blkread two >other
	dd if=other of=stream bs=64 skip=20000 seek=20000 count=100 conv=notrunc status=none

	run -2 --separate-stderr blkwrite --create copy <stream

	[ "$(wc -l <<<"$stderr")" = 1 ]
	[[ $stderr = *"wrong checksum"*"its first MiB is zero"* ]]
}

@test "a write that fails ends it though the sender is silent" {
	require strace
	make_noise image 4M
	stale target 4M
	blkread image >stream
	mkfifo fifo
	exec 7<>fifo
	background head -c 3000000 stream >fifo

	run -2 --separate-stderr inject "$dir/target" pwrite64 error=EIO:when=1+ \
		timeout 20 blkwrite -j 4 target <fifo 7>&-

	[[ $stderr = *"Input/output error"* ]]
}

# --- reading back -----------------------------------------------------------------

@test "--verify says so, and passes where all is well" {
	on_disk
	make_image image 5M
	blkread image >stream

	for target in file loop; do
		stale file 5M
		attach "$PWD/file"
		[ $target = loop ] && target=$device || losetup -d "$device"
		run -0 --separate-stderr blkwrite -v --verify "$target" <stream
		[[ $stderr = *", verified, blk128:"* ]]
		same "$target" 0 image
	done
}

@test "--verify reads past the page cache" {
	require strace
	on_disk
	make_image image 3M
	blkread image >stream
	stale target 3M

	traced "$PWD/target" openat,fcntl,pread64 blkwrite --verify target <stream

	grep -q 'O_DIRECT' calls
	[ "$(count pread64)" -ge 6 ]
}

@test "--verify reads each window back before the next has gathered" {
	require strace
	make_noise image 140M
	blkread image >stream

	traced "$dir/target" pwrite64,pread64 blkwrite --create -j 1 --verify target <stream

	python3 - <<-'EOP'
		written = read = most = 0
		for line in open("calls"):
		    if line.startswith("pwrite64("):
		        written += int(line.rsplit("= ", 1)[1])
		    elif line.startswith("pread64("):
		        read += int(line.rsplit("= ", 1)[1])
		    most = max(most, written - read)
		assert read == 140 << 20, read
		assert most <= 66 << 20, most
	EOP
}

# lost_write N [OPTION ...]: the Nth write is lost, and the device says nothing.
lost_write() {
	local call=$1

	shift
	stale target 4M
	run -2 --separate-stderr inject "$dir/target" pwrite64 "retval=262144:when=$call" \
		blkwrite -j 1 "$@" target <stream
}

@test "--verify names the blocks of a write that was lost" {
	require strace
	make_noise image 4M
	blkread image >stream

	lost_write 3 --verify

	[ "${stderr_lines[0]}" = "blkwrite: target: bytes 1572864 to 1835007 differ" ]
	[ "${stderr_lines[1]}" = "blkwrite: target: 262144 bytes read back otherwise than they were sent (target is incomplete: its first MiB is zero)" ]
	[ "${#stderr_lines[@]}" = 2 ]
	is_zero target 0 1048576
}

@test "without --verify a write that was lost is a success" {
	require strace
	make_noise image 4M
	blkread image >stream
	stale target 4M

	inject "$dir/target" pwrite64 retval=262144:when=3 blkwrite -j 1 target <stream

	is_stale target 1572864 262144
}

@test "--verify finds a byte that changed after it was written, and names its block" {
	make_noise image 4M
	stale disk 4M
	attach "$dir/disk"
	waiting "$device" --verify

	patch_bytes disk 2000000 "$(printf %02x $((0x$(od -An -tx1 -j 2000000 -N 1 disk | tr -d " ") ^ 1)))"
	status=0
	finish || status=$?

	[ "$status" = 2 ]
	[ "$(head -n 1 said)" = "blkwrite: $device: bytes 1966080 to 2031615 differ" ]
	[ "$(wc -l <said)" = 2 ]
	is_zero "$device" 0 1048576
}

@test "--verify merges adjacent ranges, and lists the first twenty" {
	make_noise image 8M
	stale target 8M
	waiting target --verify

	for block in 31 30 29 20 $(seq 40 2 84); do
		patch_bytes target $((block * 65536 + 7)) 00112233445566
	done
	finish || true

	[ "$(sed -n 1p said)" = "blkwrite: target: bytes 1310720 to 1376255 differ" ]
	[ "$(sed -n 2p said)" = "blkwrite: target: bytes 1900544 to 2097151 differ" ]
	[ "$(sed -n 20p said)" = "blkwrite: target: bytes 4849664 to 4915199 differ, and others behind them" ]
	[ "$(sed -n 21p said)" = "blkwrite: target: 1769472 bytes read back otherwise than they were sent (target is incomplete: its first MiB is zero)" ]
	[ "$(wc -l <said)" = 21 ]
}

@test "--verify in a range names bytes of the target" {
	require strace
	make_noise image 4M
	blkread image >stream

	lost_write 2 --verify -o 1000000

	[ "${stderr_lines[0]}" = "blkwrite: target: bytes 2310720 to 2572863 differ" ]
}

@test "--verify reads the first MiB last, and makes it zero again if it differs" {
	require strace
	make_noise image 4M
	blkread image >stream
	stale target 4M

	run -2 --separate-stderr inject "$dir/target" pwrite64 retval=65536:when=15 \
		blkwrite -j 1 --verify target <stream

	[ "${stderr_lines[0]}" = "blkwrite: target: bytes 851968 to 917503 differ" ]
	[ "${stderr_lines[1]}" = "blkwrite: target: 65536 bytes read back otherwise than they were sent (target is incomplete: its first MiB is zero)" ]
	is_zero target 0 1048576
}

@test "--verify finds zeros that are none" {
	require strace
	truncate -s 4M image
	blkread image >stream
	stale target 4M

	run -2 --separate-stderr inject "$dir/target" fallocate retval=0:when=2 \
		blkwrite -j 1 --verify target <stream

	[ "${stderr_lines[0]}" = "blkwrite: target: bytes 1048576 to 4194303 differ" ]
}

@test "--verify names the first range that it cannot read back" {
	require strace
	make_noise image 4M
	blkread image >stream
	stale target 4M

	left_by "target: reading back at byte 2097152: Input/output error" \
		"target is incomplete: its first MiB is zero" \
		inject "$dir/target" pread64 error=EIO:when=5+ blkwrite -j 1 --verify target <stream
}

@test "--verify works where the file system has no O_DIRECT" {
	require strace
	make_image image 4M
	blkread image >stream

	inject "$dir/target" fcntl error=EINVAL:when=2+ blkwrite --create --verify target <stream
	cmp image target

	make_noise image 4M
	blkread image >stream
	stale target 4M
	run -2 --separate-stderr strace -qq -f -o /dev/null -P "$dir/target" -e trace=fcntl,pwrite64 \
		-e inject=fcntl:error=EINVAL:when=2+ -e inject=pwrite64:retval=262144:when=2 \
		blkwrite -j 1 --verify target <stream
	[ "${stderr_lines[0]}" = "blkwrite: target: bytes 1310720 to 1572863 differ" ]
}

# --- raw bytes --------------------------------------------------------------------

@test "raw bytes from a pipe are written, with a note on what they do not prove" {
	make_image image 5M
	stale target 6M

	piped image | blkwrite -r --resize target 2>said

	cmp image target
	[ "$(cat said)" = "blkwrite: standard input: 5242880 raw bytes came; nothing proves that they are complete" ]
}

@test "raw bytes from a file are known to be all" {
	make_image image 5M
	stale target 6M

	run -0 blkwrite -r --resize target <image

	[ "$output" = "" ]
	cmp image target
}

@test "a pipe's short reads do not become short writes" {
	require strace
	make_noise image 3000001
	stale_device 4M

	python3 -c '
import os
data = open("image", "rb").read()
for at in range(0, len(data), 1000):
    os.write(1, data[at:at + 1000])' | ASAN_OPTIONS=detect_leaks=0:${ASAN_OPTIONS:-} strace -qq -f -s 0 -o calls -P "$device" \
		-e trace=pwrite64 blkwrite -j 1 -r -l 3000001 "$device" 2>/dev/null

	same "$device" 0 image
	[ "$(grep -c '= 262144$' calls)" = 7 ]
	[ "$(grep -c pwrite64 calls)" -le 27 ]
}

@test "of a said length exactly so much must come" {
	make_noise image 3M
	stale target 3M

	piped image | blkwrite -r -l 3M target
	cmp image target

	head -c 3145727 image >short
	run -2 --separate-stderr blkwrite -r -l 3M target < <(cat short)
	[ "$stderr" = "blkwrite: standard input: ended after 3145727 bytes, 3145728 were to come (target is incomplete: its first MiB is zero, byte 2883583 is the last known to be on the medium)" ]

	cat image short >surplus
	run -2 --separate-stderr blkwrite -r -l 3M target < <(cat surplus)
	[ "$stderr" = "blkwrite: standard input: more than the 3145728 bytes that were to come (target is incomplete: its first MiB is zero, byte 2883583 is the last known to be on the medium)" ]
	is_zero target 0 1048576
}

@test "a said length that a file does not have is refused" {
	make_noise image 3M
	stale target 3M

	refused "standard input: holds 3145728 bytes, -l says 3145729" blkwrite -r -l 3145729 target <image
	refused "standard input: holds 3145728 bytes, -l says 1048576" blkwrite -r -l 1M target <image

	is_stale target 0 3145728
}

@test "raw bytes that are too many for the target are refused where they can be counted" {
	make_noise image 3M
	stale_device 2M

	refused "$device: too small: 3145728 bytes are to come, 2097152 have room" \
		blkwrite -r "$device" <image
	refused "$device: a range of 3145728 bytes from 0 ends behind its end at 2097152" \
		blkwrite -r -l 3M "$device" < <(cat image)

	is_stale disk 0 2097152
}

@test "raw input that is empty is refused" {
	stale target 2M

	refused "standard input: nothing came" blkwrite -r target </dev/null
	refused "standard input: nothing came" blkwrite -r -l 1M target < <(true)

	is_stale target 0 2097152
}

@test "a block stream and gzip are not taken for raw bytes, unless forced" {
	make_image image 2M
	blkread image >stream
	gzip -c image >gz
	stale target 1M

	refused "standard input: this is a block stream, not a disk (leave out -r); --force writes it as it is" \
		blkwrite -r target <stream
	refused "standard input: this is gzip, not a disk (decompress it by blkzip -d); --force writes it as it is" \
		blkwrite -r target <gz
	is_stale target 0 1048576

	blkwrite -r --force target <stream
	cmp stream target
}

@test "raw bytes carry no id" {
	refused "--id: raw bytes carry no id" blkwrite -r --id @none target </dev/null
}

@test "raw zeros become holes" {
	make_image image 6M
	stale target 6M

	blkwrite -r target <image

	cmp image target
	[ "$(stat -c %b target)" -lt 12288 ]
}

# --- messages ---------------------------------------------------------------------

@test "-v reports bytes, zeros, time, rate and the digest that blksum prints" {
	make_image image 4M
	stale target 4M
	digest=$(blksum image | cut -d ' ' -f 1)
	zeros=$(blkread image | python3 -c '
import struct, sys
data, at, zeros = sys.stdin.buffer.read(), 128, 0
while at < len(data):
    if data[at + 4] == 2:
        zeros += struct.unpack_from("<Q", data, at + 24)[0]
    at += 64 + struct.unpack_from("<I", data, at + 32)[0]
print(zeros)')

	run -0 --separate-stderr blkwrite -v target < <(blkread image)

	[[ $stderr =~ ^"blkwrite: target: 4194304 bytes, $zeros of them zero, "[0-9]+\.[0-9]" s, "[0-9.]+" "[KMG]iB/s,\ "$digest"$ ]]
}

@test "--progress prints lines where there is no terminal" {
	make_noise image 4M
	stale target 4M
	waiting target --progress
	wait_for 10 grep -q . said

	finish

	[[ $(head -n 1 said) == "blkwrite writing"*%* ]]
}

@test "USR1 prints the progress" {
	make_noise image 4M
	stale target 4M
	waiting target

	kill -USR1 "$pid"
	wait_for 5 grep -q . said
	finish

	[[ $(cat said) == "blkwrite writing"*%* ]]
	cmp image target
}
