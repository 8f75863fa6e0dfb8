# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Who holds a volume, through device-mapper and nbd: what blkwrite refuses, and what blkread says;
# see cases.bash.

holder_cases() {
	try "a volume that is held by another node, or by a mapping of its bytes, is refused" held_volume
	try "a volume whose neighbour, or whose snapshot, is held is not" held_neighbour
	try "blkread warns of a writer of the volume, not of one of its origin" warned_of_writers
	try "a thin snapshot is read without a warning while its origin is written to" thin_snapshot_quiet
	try "the server of an nbd device does not hold it" nbd_is_served
}

# hold DEVICE: for writing, by a node of its own; the process is $holder.
hold() {
	local number

	number=$(stat -L -c '%Hr %Lr' "$1")
	# shellcheck disable=SC2086 # two numbers
	mknod "$dir/node.$number" b $number
	sleep 600 4<>"$dir/node.$number" &
	holder=$!
	at_end kill "$holder"
	wait_for 10 eval "[ \"\$(readlink /proc/$holder/exe)\" = \"\$(readlink -f /bin/sleep)\" ]"
}

let_go() {
	kill "$holder"
	wait "$holder" || true
}

# said PATTERN COMMAND [ARGUMENT ...]: status 0, and that on standard error.
said() {
	local pattern=$1

	shift
	"$@" >"$dir/out" 2>"$dir/err"
	cat "$dir/err"
	# shellcheck disable=SC2053
	[[ $(<"$dir/err") == $pattern ]]
}

# Not the first volume of its disk: the bytes of a mapping are those from where it begins there.
held_volume() {
	make_volume other 16M
	make_volume web 16M
	blkread "$before" >stream

	hold /dev/vg/web
	refused "blkwrite: /dev/vg/web: in use: sleep (process $holder) holds it open for writing; --force *" \
		blkwrite /dev/vg/web <stream
	let_go
	dmsetup table vg-web | dmsetup create twin
	at_end dmsetup remove twin
	hold /dev/mapper/twin
	refused "blkwrite: /dev/vg/web: in use: sleep (process $holder) holds it open for writing, as /dev/mapper/twin; --force *" \
		blkwrite /dev/vg/web <stream
	let_go
	blkwrite /dev/vg/web <stream
	same "$before" /dev/vg/web
}

# The kernel's claim refuses an origin; its snapshot, and a volume beside it, are free.
held_neighbour() {
	make_origin
	make_snapshot 4k 8M rw
	# Larger than the first volume, so that it would be all of that, if it began there.
	make_target 20M
	blkread "$before" >stream

	hold "$origin"
	blkwrite "$target" <stream
	same "$before" "$target" 16M
	said '' blkread "$target"
}

warned_of_writers() {
	make_origin
	make_snapshot
	hold "$origin"

	said "blkread: $origin: sleep (process $holder) holds it open for writing: the copy may be torn *" blkread "$origin"
	said '' blkread --live "$origin"
	said '' blkread "$snapshot"
	let_go
	lvremove -q -q -y vg/old
	make_volume store 4M
	dmsetup create snap --table "0 32768 snapshot $origin /dev/vg/store P 8"
	at_end dmsetup remove snap
	hold /dev/mapper/snap
	said '' blkread "$origin"
	said "blkread: /dev/vg/store: sleep *, as /dev/mapper/snap: *" blkread /dev/vg/store
}

thin_snapshot_quiet() {
	make_thin_pool
	lvcreate -q -y -Wn -V 16M -T vg/pool -n web
	lvcreate -q -y -s -n web-old vg/web
	lvchange -q -ay -K vg/web-old
	hold /dev/vg/web

	said '' blkread /dev/vg/web-old
	said "blkread: /dev/vg/web: sleep *" blkread /dev/vg/web
}

nbd_is_served() {
	modprobe nbd
	truncate -s 16M disk
	qemu-nbd -f raw -c /dev/nbd0 disk
	at_end qemu-nbd -d /dev/nbd0

	said '' blkwrite /dev/nbd0 < <(blkread "$before")
	said '' blkread /dev/nbd0
	same "$before" /dev/nbd0
	refused "blkwrite: disk: in use: *" blkwrite disk < <(blkread "$before")
}
