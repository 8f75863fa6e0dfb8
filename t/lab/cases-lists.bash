# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Changes that other parts of the device mapper record; see cases.bash, and cases-printed.bash for
# the ways that the manual shows.

list_cases() {
	try "a thin pool: thin_delta --verbose" thin_delta_verbose
	try "dm-era: --era-block for the volume below it" era_block
}

make_thin_pool() {
	modprobe -a crc32c_generic dm-thin-pool
	lvcreate -q -y -Zn --type thin-pool --chunksize 64k -L 40M --poolmetadatasize 4M -n pool vg
}

thin_delta_verbose() {
	make_thin_pool
	lvcreate -q -y -Wn -V 16M -T vg/pool -n origin
	origin=/dev/vg/origin
	dd if="$before" of="$origin" bs=1M oflag=direct status=none
	lvcreate -q -y -s -n old vg/origin
	lvchange -q -ay -K vg/old
	make_target
	copy /dev/vg/old "$target"
	change 0 4
	change 9000 600
	blkdiscard -o 12M -l 1M "$origin"
	sync

	dmsetup message vg-pool-tpool 0 reserve_metadata_snap
	thin_delta --verbose -m --thin1 2 --thin2 1 /dev/mapper/vg-pool_tmeta >list
	dmsetup message vg-pool-tpool 0 release_metadata_snap
	patch --changes list "$origin"
	same "$origin" "$target"
	less_than_half list "$origin"
}

# A volume under dm-era, copied at the beginning of era 2; writes go to $origin.
make_era() {
	modprobe dm-era
	make_volume data 16M
	make_volume era-meta 4M
	dd if=/dev/zero of=/dev/vg/era-meta bs=1M count=4 oflag=direct status=none
	dd if="$before" of=/dev/vg/data bs=1M oflag=direct status=none
	dmsetup create web-era --table "0 32768 era /dev/vg/era-meta /dev/vg/data 128"
	at_end dmsetup remove web-era
	origin=/dev/mapper/web-era
	dmsetup message web-era 0 checkpoint
	[ "$(dmsetup status web-era | awk '{ print $6 }')" = 2 ]
	make_target
	copy "$origin" "$target"
}

era_block() {
	make_era
	change 0 4
	change 16380 4

	dmsetup message web-era 0 checkpoint
	dmsetup message web-era 0 take_metadata_snap
	era_invalidate --metadata-snapshot --written-since 2 /dev/vg/era-meta >list
	dmsetup message web-era 0 drop_metadata_snap
	refused "blkdiff: list: line *--era-block*" blkdiff --changes list /dev/vg/data
	patch --era-block 64K --changes list /dev/vg/data
	same "$origin" "$target"
	[ "$(listed --changes list "$origin")" = "131072 2" ]
}

# less_than_half LIST SOURCE: the list names less than half of a source of 16 MiB.
less_than_half() {
	[ "$(listed --changes "$@" | cut -d ' ' -f 1)" -lt 8388608 ]
}
