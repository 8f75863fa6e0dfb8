#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# --partition: blkread and blkwrite find a partition by its number, and leave all else alone.

load ../helpers

# table FILE SIZE LABEL LINE ...: an image of noise whose table sfdisk wrote.
table() {
	make_image "$1" "$2"
	printf '%s\n' "label: $3" "${@:4}" | sfdisk -q --no-reread "$1"
}

# part FILE OFFSET LENGTH
part() {
	tail -c +$(($2 + 1)) "$1" | head -c "$3"
}

@test "a partition is read by its number, from a GPT and an MBR" {
	for label in gpt dos; do
		table disk.img 8M "$label" 'start=1MiB, size=2MiB' 'start=4MiB, size=3MiB'

		blkread --partition 1 disk.img | blkwrite --create one
		blkread -r --partition 2 disk.img >two

		part disk.img 1048576 2097152 | cmp - one
		part disk.img 4194304 3145728 | cmp - two
		rm one disk.img
	done
}

@test "a partition is written, and not a byte around it" {
	table disk.img 8M gpt 'start=1MiB, size=2MiB' 'start=4MiB, size=3MiB'
	cp disk.img before
	make_image new 2M

	blkread new | blkwrite --verify --partition 1 disk.img

	part disk.img 1048576 2097152 | cmp - new
	cmp -n 1048576 disk.img before
	cmp -i 3145728 disk.img before
}

@test "what is larger than the partition is refused before a byte is written" {
	table disk.img 8M dos 'start=1MiB, size=2MiB' 'start=4MiB, size=3MiB'
	cp disk.img before
	make_image new 3M

	run -2 --separate-stderr blkwrite --partition 1 disk.img < <(blkread new)

	[[ $stderr == "blkwrite: disk.img: "*2097152* ]]
	cmp disk.img before
}

@test "-o and -l count from the partition, and do not leave it" {
	table disk.img 8M gpt 'start=1MiB, size=2MiB'
	cp disk.img before
	make_image new 64K

	blkread -r --partition 1 -o 64K -l 1M disk.img | cmp - <(part disk.img $((1048576 + 65536)) 1048576)
	blkread new | blkwrite --partition 1 -o 1M -l 64K disk.img
	part disk.img 2097152 65536 | cmp - new
	cmp -i $((2097152 + 65536)) disk.img before

	run -2 --separate-stderr blkread -r --partition 1 -o 1M -l 2M disk.img
	[ "$stderr" = "blkread: disk.img: partition 1 ends 1048576 bytes behind byte 1048576 of it, before the 2097152 of -l" ]
	run -2 --separate-stderr blkread -r --partition 1 -o 3M disk.img
	[ "$stderr" = "blkread: disk.img: partition 1 has 2097152 bytes, and does not reach byte 3145728 of it" ]
}

@test "logical partitions count from 5, and the extended one is refused" {
	table disk.img 16M dos 'start=1MiB, size=1MiB' 'start=2MiB, size=12MiB, type=5' \
		'start=3MiB, size=2MiB' 'start=6MiB, size=1MiB'

	blkread -r --partition 5 disk.img | cmp - <(part disk.img 3145728 2097152)
	blkread -r --partition 6 disk.img | cmp - <(part disk.img 6291456 1048576)
	run -2 --separate-stderr blkread -r --partition 2 disk.img
	[ "$stderr" = "blkread: disk.img: partition 2 is an extended one, which only holds others: their numbers begin with 5" ]
}

@test "a GPT whose sectors have 4096 bytes is found on a device and in its image" {
	make_image disk.img 8M
	attach disk.img 4096
	printf '%s\n' 'label: gpt' 'start=1MiB, size=2MiB' | sfdisk -q --no-reread --no-tell-kernel "$device"

	blkread -r --partition 1 "$device" | cmp - <(part disk.img 1048576 2097152)
	blkread -r --partition 1 disk.img | cmp - <(part disk.img 1048576 2097152)
	make_image new 2M
	blkread new | blkwrite --partition 1 "$device"
	part disk.img 1048576 2097152 | cmp - new
}

@test "an MBR on a device of 4096-byte sectors counts in these" {
	make_image disk.img 8M
	attach disk.img 4096
	printf '%s\n' 'label: dos' 'start=1MiB, size=2MiB' | sfdisk -q --no-reread --no-tell-kernel "$device"

	blkread -r --partition 1 "$device" | cmp - <(part disk.img 1048576 2097152)
}

@test "a table that is missing, cut off or unreadable is said, and nothing is written" {
	table disk.img 8M dos 'start=1MiB, size=2MiB' 'start=4MiB, size=3MiB'
	make_image plain 1M
	make_image new 64K
	truncate -s 8M zeros

	run -2 --separate-stderr blkread -r --partition 1 zeros
	[ "$stderr" = "blkread: zeros: no partition table is found; sfdisk -l says what is there, -o and -l name bytes without one" ]
	run -2 --separate-stderr blkread -r --partition 3 disk.img
	[ "$stderr" = "blkread: disk.img: its table (dos) has no partition 3; it has 2 in all, which sfdisk -l lists" ]
	run -2 --separate-stderr blkwrite --partition 1 plain < <(blkread new)
	[ "$stderr" = "blkwrite: plain: no partition table is found; sfdisk -l says what is there, -o and -l name bytes without one" ]
	truncate -s 6M disk.img
	run -2 --separate-stderr blkwrite --partition 2 disk.img < <(blkread new)
	[ "$stderr" = "blkwrite: disk.img: partition 2, 3145728 bytes at byte 4194304, reaches beyond the end at byte 6291456" ]
	run -2 --separate-stderr blkread -r --partition 0 disk.img
	[ "$stderr" = "blkread: --partition 0: not a number from 1 to 1024" ]
	run -2 --separate-stderr blkread -r --partition 1 - <disk.img
	[ "$stderr" = "blkread: --partition: a pipe has no partition table: name a disk or an image" ]
	run -2 --separate-stderr blkread -r --partition 1 none.img
	[ "$stderr" = "blkread: none.img: No such file or directory" ]
	run -2 --separate-stderr blkwrite --create --partition 1 none.img < <(blkread new)
	[ "$stderr" = "blkwrite: none.img: No such file or directory" ]
	[ ! -e none.img ]
}

@test "a table in a bad sector is an error of reading, not a disk without one" {
	make_image disk.img 8M
	attach_faulty disk.img read-error=0

	run -2 --separate-stderr blkread -r --partition 1 "$device"

	[ "$stderr" = "blkread: $device: its partition table cannot be read: at byte 0: Input/output error" ]
}
