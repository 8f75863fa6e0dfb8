# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Classic snapshots of LVM, as blkdiff --snapshot reads them; see cases.bash.

snapshot_cases() {
	local size

	for size in 4 16 64 512; do
		try "chunks of $size KiB" chunks_of "$size"
	done
	try "several metadata areas" several_areas
	try "an area of metadata that is exactly full" exactly_full_area
	try "a last chunk that is cut by the origin's end" partial_last_chunk
	try "a snapshot without LVM, of an origin of odd size" odd_size
	try "two snapshots of one origin, taken at different times" two_snapshots
	try "a snapshot that was written to: whole chunks, and a warning" written_snapshot
	try "a read-only snapshot: pages, which only the right base takes" pages_and_base
	try "old bytes written back after the copy of the snapshot" written_back
	try "--bulk-from-origin: old bytes written back after a copy of the origin" from_origin
	try "a store that is exactly full" full_store
	try "snapshots that were deactivated and activated" reactivated
	try "a write that was in the page cache a moment ago" unflushed
	try "nothing written: the delta is empty" nothing_written
	try "three passes while the origin is written to" three_passes
	try "a snapshot that overflows while it is read: ABORT" overflow_meanwhile
	try "a filesystem in use while the snapshot is taken" filesystem
	try "1,000 changed chunks of a tebibyte" tebibyte
}

# From a file, so that all is checked before the first write; and then once more.
chunks_of() {
	make_pair "$1k" 24M
	change 0 4
	change 1024 512
	change 16380 4
	scribble -n 30 -s 40 "$origin"
	different "$origin" "$target"

	blkdiff --snapshot "$snapshot" >delta.blk
	blkwrite --verify "$target" <delta.blk
	same "$origin" "$target"
	blkwrite --verify "$target" <delta.blk
	same "$origin" "$target"
}

several_areas() {
	make_pair 4k 16M
	scribble -n 900 -a 8 "$origin"
	[ "$(exceptions "$snapshot")" -gt 768 ]

	patch --snapshot "$snapshot"
	same "$origin" "$target"
}

# 256 entries fill an area: what follows it is read, and it is empty.
exactly_full_area() {
	make_pair 4k 16M
	change 4096 1020
	[ "$(exceptions "$snapshot")" = 255 ]
	patch --snapshot "$snapshot"
	same "$origin" "$target"

	change 8192 4
	[ "$(exceptions "$snapshot")" = 256 ]
	patch --snapshot "$snapshot"
	same "$origin" "$target"

	change 9000 4
	[ "$(exceptions "$snapshot")" = 257 ]
	patch --snapshot "$snapshot"
	same "$origin" "$target"
}

# 4224 KiB is eight chunks of 512 KiB and a quarter; vg has extents of 1 MiB.
partial_last_chunk() {
	vgs fine &>/dev/null || vgcreate -q -s 128K fine "$second_disk"
	at_end lvremove -q -q -y fine
	lvcreate -q -y -Wn -Zn -L 4224K -n origin fine
	origin=/dev/fine/origin
	dd if="$before" of="$origin" bs=128K count=33 oflag=direct status=none
	lvcreate -q -y -s -pr -c 512k -L 6M -n old fine/origin
	make_target 8M
	copy /dev/fine/old "$target"
	change 1000 8
	change 4220 4

	patch --snapshot /dev/fine/old
	same "$origin" "$target" 4325376
}

# 2,345 sectors are no whole number of pages.
odd_size() {
	make_volume base 4M
	make_volume store 4M
	dd if="$before" of=/dev/vg/base bs=1M count=2 oflag=direct status=none
	dmsetup create real --table "0 2345 linear /dev/vg/base 7"
	at_end dmsetup remove real
	dd if=/dev/zero of=/dev/vg/store bs=4K count=1 oflag=direct status=none
	dmsetup create old --readonly --table "0 2345 snapshot /dev/mapper/real /dev/vg/store P 8"
	at_end dmsetup remove old
	dmsetup create new --table "0 2345 snapshot-origin /dev/mapper/real"
	at_end dmsetup remove new
	origin=/dev/mapper/new
	make_target 8M
	copy /dev/mapper/old "$target"
	scribble -n 20 "$origin"
	dd if="$after" of="$origin" seek=2344 count=1 oflag=direct conv=notrunc status=none

	patch --snapshot /dev/mapper/old
	same "$origin" "$target" $((2345 * 512))
}

two_snapshots() {
	make_pair 64k 16M
	change 4096 2048
	lvcreate -q -y -s -pr -c 8k -L 8M -n newer vg/origin
	make_volume other 16M
	copy /dev/vg/newer /dev/vg/other
	change 5120 2048
	change 100 4

	refused "blkdiff: $snapshot: it lists changes that /dev/vg/newer does not: *older*" \
		blkdiff --snapshot /dev/vg/newer "$snapshot"
	[ ! -s out ]
	patch --snapshot "$snapshot" /dev/vg/newer
	same /dev/vg/newer "$target"
	patch --snapshot /dev/vg/newer
	same "$origin" "$target"
	target=/dev/vg/other
	patch --snapshot /dev/vg/newer
	same "$origin" "$target"
}

written_snapshot() {
	make_pair 4k 8M rw
	change 8 4
	for at in 12 8192; do
		dd if="$after" of="$snapshot" bs=1K skip="$at" seek="$at" count=4 conv=notrunc \
			oflag=direct status=none
	done
	copy "$snapshot" "$target"
	change 20 4

	blkdiff --snapshot "$snapshot" >delta.blk 2>warning
	grep -q 'the snapshot can be written to: whole chunks are sent, unchecked' warning
	[ "$(listed --snapshot "$snapshot" 2>/dev/null)" = "16384 3" ]
	blkwrite --verify "$target" <delta.blk
	same "$origin" "$target"
}

pages_and_base() {
	make_pair 512k 24M
	dd if=/dev/zero of="$origin" bs=4K seek=300 count=1 oflag=direct conv=notrunc status=none
	dd if="$lab/cases.bash" of="$origin" bs=512 seek=20000 count=1 conv=notrunc status=none

	blkdiff --snapshot "$snapshot" >delta.blk
	[ "$(stat -c %s delta.blk)" -lt 12000 ]
	make_volume wrong 16M
	copy "$target" /dev/vg/wrong
	dd if=/dev/urandom of=/dev/vg/wrong bs=4K seek=2500 count=1 oflag=direct conv=notrunc status=none
	blksum /dev/vg/wrong >wrong.sum
	refused "blkwrite: *" blkwrite /dev/vg/wrong <delta.blk
	blksum --status -c wrong.sum
	blkwrite "$target" <delta.blk
	same "$origin" "$target"
}

# A block that was changed, and is again what the snapshot and the target hold.
written_back() {
	make_pair
	change 1024 64
	change 2048 64
	revert 1024 64

	[ "$(exceptions "$snapshot")" = 32 ]
	patch --snapshot "$snapshot"
	same "$origin" "$target"
}

# The copy of the origin caught a block between two states, so that old and new agree, and
# yet the target is different.
from_origin() {
	make_origin
	make_snapshot
	make_target
	change 1024 64
	copy "$origin" "$target"
	revert 1024 64
	change 4096 64

	patch --snapshot "$snapshot"
	different "$origin" "$target"
	patch --bulk-from-origin --snapshot "$snapshot"
	same "$origin" "$target"
}

# 64 chunks: header, list, 62 of data.
full_store() {
	make_pair 64k 4M
	change 0 3968
	[[ $(dmsetup status "$snapshot") == *" 8192/8192 256" ]]

	patch --snapshot "$snapshot"
	same "$origin" "$target"
}

reactivated() {
	make_pair
	change 512 400
	vgchange -q -an vg
	vgchange -q -ay vg

	patch --snapshot "$snapshot"
	same "$origin" "$target"

	change 8192 400
	vgchange -q -an vg
	vgchange -q -ay vg
	patch --snapshot "$snapshot"
	same "$origin" "$target"
}

# No sync, and the snapshot's own cache is warm with what the store held before.
unflushed() {
	make_pair
	cat /dev/mapper/vg-old-cow >/dev/null
	dd if="$after" of="$origin" bs=64K skip=32 seek=32 count=4 conv=notrunc status=none

	patch --snapshot "$snapshot"
	same "$origin" "$target"
}

nothing_written() {
	make_pair

	blkdiff -q --snapshot "$snapshot"
	[ "$(listed --snapshot "$snapshot")" = "0 0" ]
	patch --snapshot "$snapshot"
	same "$origin" "$target"
}

three_passes() {
	local older=old newer

	make_pair 16k 24M
	scribble -n 0 -s 64 -p 10 "$origin" &
	writer=$!
	for newer in second third; do
		sleep 1
		lvcreate -q -y -s -pr -c 16k -L 24M -n $newer vg/origin
		patch --snapshot /dev/vg/$older /dev/vg/$newer
		same /dev/vg/$newer "$target"
		lvremove -q -q -y vg/$older
		older=$newer
	done
	sleep 1
	stop "$writer"
	[ "$(exceptions /dev/vg/third)" -gt 0 ]
	patch --snapshot /dev/vg/third
	same "$origin" "$target"
}

# The pipe takes a megabyte, so that blkdiff waits for its reader.
overflow_meanwhile() {
	local status=0

	make_pair 64k 4M
	scribble -n 50 -a 128 -s 128 "$origin"
	{
		blkdiff --snapshot "$snapshot" 2>err || echo $? >status
	} | {
		head -c 4096
		scribble -x 2 -n 64 -a 128 -s 128 "$origin"
		[[ $(dmsetup status "$snapshot") == *Invalid* ]]
		cat
	} >delta.blk
	cat err
	[ "$(<status)" = 2 ]
	grep -q overflow err
	refused "blkwrite: *overflow*" blkwrite "$target" <delta.blk
	patch_by_map
	same "$origin" "$target"
}

# The origin stays mounted and in use until the last writes are done.
filesystem() {
	make_volume origin 32M
	origin=$volume
	mke2fs -q -t ext4 "$origin"
	mkdir mounted
	mount "$origin" mounted
	at_end umount -q "$dir/mounted"
	use_filesystem mounted &
	writer=$!
	sleep 2
	make_snapshot 4k 32M
	make_target 32M
	copy "$snapshot" "$target"
	sleep 1
	touch enough
	wait "$writer"
	umount mounted

	patch --snapshot "$snapshot"
	same "$origin" "$target"
	e2fsck -fn "$target"
	mount -o ro "$target" mounted
	[ "$(find mounted -type f | wc -l)" -gt 10 ]
}

use_filesystem() {
	local turn

	for ((turn = 1; ; turn++)); do
		[ ! -e enough ] || break
		mkdir -p "$1/$((turn % 7))"
		dd if="$after" of="$1/$((turn % 7))/$((turn % 40))" bs=16K count=$((turn % 20 + 1)) \
			skip=$((turn % 1000)) status=none
		[ $((turn % 5)) != 0 ] || rm -f "$1/$((turn % 7))/$((turn % 33))"
		[ $((turn % 11)) != 0 ] || sync -f "$1"
	done
}

# Sparse files under the origin and the store; the target is a sparse file too.
tebibyte() {
	local start sectors=$((1 << 31))

	truncate -s 1T origin.img target.img
	truncate -s 128M store.img
	real=$(losetup --find --show origin.img)
	at_end losetup -d "$real"
	store=$(losetup --find --show store.img)
	at_end losetup -d "$store"
	dmsetup create old --readonly --table "0 $sectors snapshot $real $store P 32"
	at_end dmsetup remove old
	dmsetup create new --table "0 $sectors snapshot-origin $real"
	at_end dmsetup remove new
	scribble -a 32 -n 1000 /dev/mapper/new

	start=${EPOCHREALTIME/./}
	blkdiff --snapshot /dev/mapper/old >delta.blk
	figure "1 TiB with $(exceptions /dev/mapper/old) chunks changed:" \
		"$(((${EPOCHREALTIME/./} - start) / 1000)) ms, $(stat -c %s delta.blk) bytes"
	[ "$(exceptions /dev/mapper/old)" -gt 990 ]
	blkwrite target.img <delta.blk
	blockdev --flushbufs /dev/mapper/new
	same origin.img target.img
}
