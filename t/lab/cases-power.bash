# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A loss of power that drops what was never flushed: the medium is a device of dm-flakey, which from
# some moment on takes writes and forgets them; see cases.bash.

power_cases() {
	try "a power failure: what blkwrite has said is written is there" power_after_success
}

# The matrix of t/long/power.bats.
power_matrix() {
	local system

	for system in ext4 btrfs; do
		modprobe $system
		try "$system: what blkwrite has said is written is there" power_after_success $system
		try "$system: at any moment of a delta its undo log restores the base" power_meanwhile $system
	done
}

# make_medium SYSTEM: a file system, mounted as $dir/medium; nothing is flushed by itself there.
make_medium() {
	local options=commit=300

	modprobe -a dm-flakey crc32c_generic
	make_volume medium 120M
	flakey='/dev/vg/medium 0'
	dmsetup create flakey --table "0 245760 linear $flakey"
	at_end dmsetup remove flakey
	wipefs -q -a /dev/mapper/flakey
	"mkfs.$1" -q /dev/mapper/flakey
	mkdir medium
	mount -o $options /dev/mapper/flakey medium
	at_end umount -q "$dir/medium"
}

# load_table TABLE: without writing out or freezing what is mounted.
load_table() {
	dmsetup load flakey --table "0 245760 $1"
	dmsetup suspend --nolockfs --noflush flakey
	dmsetup resume flakey
}

# lose_power: what is not on the medium yet never gets there.
lose_power() {
	load_table "flakey $flakey 0 3600 1 drop_writes"
}

# power_is_back: mount what is left.
power_is_back() {
	umount medium
	load_table "linear $flakey"
	blockdev --flushbufs /dev/mapper/flakey
	mount /dev/mapper/flakey medium
}

# A new file, a delta with its log, an image with its map; and one for which nobody has waited.
power_after_success() {
	make_medium "${1:-ext4}"
	blkread -l 4M "$before" >image.blk
	blkread -l 4M "$after" | blkwrite --create there.img
	blkread -l 4M "$before" | blkwrite --create base.img
	blkdiff base.img there.img >delta.blk
	cp base.img medium/patched.img
	sync -f medium

	blkwrite --create medium/new.img <image.blk
	blkwrite --undo medium/log.blk medium/patched.img <delta.blk
	blkwrite --verify --map medium/map.blk --create medium/mapped.img <image.blk
	cp base.img medium/lost.img
	lose_power
	power_is_back

	cmp base.img medium/new.img
	cmp base.img medium/mapped.img
	blkdiff -q --map medium/map.blk medium/mapped.img
	cmp there.img medium/patched.img
	blkwrite medium/patched.img <medium/log.blk
	cmp base.img medium/patched.img
	# It was a loss indeed.
	if cmp base.img medium/lost.img; then
		return 1
	fi
}

power_meanwhile() {
	local turn status

	make_medium "$1"
	blkread -l 14M "$before" | blkwrite --create base.img
	blkread -l 14M "$after" | blkwrite --create there.img
	blkdiff base.img there.img >delta.blk
	for turn in {1..12}; do
		rm -f medium/*.*
		cp base.img medium/web.img
		sync -f medium
		blkmeter -q -L 4M <delta.blk | blkwrite --undo medium/log.blk medium/web.img 2>messages &
		writer=$!
		sleep "$((turn / 4)).$((turn % 4 * 25))"
		lose_power
		wait "$writer" || true
		power_is_back

		status=0
		if [ -e medium/log.blk ]; then
			blkwrite medium/web.img <medium/log.blk || status=$?
		fi
		echo "turn $turn: status $status"
		[ "$status" != 1 ]
		cmp base.img medium/web.img
	done
}
