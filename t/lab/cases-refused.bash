# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Refusals of blkdiff --snapshot, each with the reason and what to do; see cases.bash.

refused_cases() {
	try "refused: a snapshot that overflowed" refused_overflowed
	try "refused: a snapshot that is being merged" refused_merging
	try "refused: a transient snapshot" refused_transient
	try "refused: a thin volume" refused_thin
	try "refused: the origin, a plain volume, a disk, a file" refused_others
}

refused_overflowed() {
	make_pair 64k 4M
	change 0 8192
	[[ $(dmsetup status "$snapshot") == *Invalid* ]]

	refused "blkdiff: $snapshot: the snapshot overflowed, *(use --map)" blkdiff --snapshot "$snapshot"
	[ ! -s out ]
	vgchange -q -an vg
	vgchange -q -ay vg
	refused "blkdiff: *" blkdiff --snapshot "$snapshot"
	patch_by_map
	same "$origin" "$target"
}

# Slow the merge down until the refusal was seen.
refused_merging() {
	local throttle=/sys/module/dm_snapshot/parameters/snapshot_copy_throttle device

	make_pair 16k 40M
	scribble -n 900 -a 32 -s 32 "$origin"
	echo 1 >$throttle
	at_end eval "echo 100 >$throttle"
	lvconvert -q -y --merge -b -i 1 vg/old
	[[ $(dmsetup status vg-origin) == *snapshot-merge* ]]

	for device in /dev/mapper/vg-origin /dev/mapper/vg-old; do
		refused "blkdiff: $device: *merged*(wait *--map)" blkdiff --snapshot $device
	done
	[[ $(dmsetup status vg-origin) == *snapshot-merge* ]]
	echo 100 >$throttle
	wait_for 60 merged
	change 512 64
	different "$origin" "$target"
	patch_by_map
	same "$origin" "$target"
}

merged() {
	[[ $(dmsetup status vg-origin) != *snapshot-merge* ]]
}

refused_transient() {
	make_origin
	make_volume store 4M
	dmsetup create transient --table "0 32768 snapshot $origin /dev/vg/store N 8"
	at_end dmsetup remove transient

	refused "blkdiff: /dev/mapper/transient: *transient*--map)" \
		blkdiff --snapshot /dev/mapper/transient
}

refused_thin() {
	make_thin_pool
	lvcreate -q -y -Wn -V 32M -T vg/pool -n thin

	refused "blkdiff: /dev/vg/thin: *thin*thin_delta*--changes*" blkdiff --snapshot /dev/vg/thin
}

refused_others() {
	make_pair
	refused "blkdiff: $origin: *snapshot-origin*" blkdiff --snapshot "$origin"
	refused "blkdiff: $target: *linear*" blkdiff --snapshot "$target"
	refused "blkdiff: $before: *" blkdiff --snapshot "$before"
	[[ $(<err) == *"device-mapper"* ]]
	truncate -s 1M file
	refused "blkdiff: file: not a block device (*--store)" blkdiff --snapshot file
	refused "blkdiff: /dev/vg/none: No such file or directory" blkdiff --snapshot /dev/vg/none
}
