# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkmigrate copy through an sshd, from the volume group vg to another one, far, with larger
# extents; see cases.bash.

migrate_cases() {
	start_far
	try "blkmigrate: a volume that is written to, pass after pass" migrate_passes
	try "blkmigrate: what LVM rounds up is zeroed, and the next volume is left alone" migrate_tail
	try "blkmigrate: a snapshot that overflowed: by a map, after a warning" migrate_overflow
	try "blkmigrate: a snapshot that fills is extended" migrate_extended
	try "blkmigrate: killed in the middle of a pass, the same command goes on" migrate_killed
	try "blkmigrate: a thin volume: only what thin_delta lists crosses" migrate_thin
	try "blkmigrate: into a thin pool, and larger: zeros take no room, changes follow" migrate_into_pool
	try "blkmigrate: what another program has reserved of a thin pool is left alone" migrate_thin_reserved
	try "blkmigrate: killed while it has reserved the metadata, the same command releases them" migrate_thin_killed
	try "blkmigrate: a thin volume without thin_delta: by a map, after a warning" migrate_thin_map
	try "blkmigrate: a volume of that name is left alone" migrate_existing
	try "blkmigrate: no room at the other end: nothing is left" migrate_full
	try "blkmigrate: no room for a snapshot: nothing is left" migrate_no_room
	try "blkmigrate: --finish leaves neither snapshot nor tag" migrate_finish
	vgremove -q -q -f far
	kill "$(cat $far/pid)"
}

start_far() {
	far=/run/far
	mkdir -p $far /run/sshd
	chmod 700 $far
	ssh-keygen -q -t ed25519 -N '' -f $far/key
	printf '[127.0.0.1]:2222 %s\n' "$(cut -d ' ' -f 1,2 $far/key.pub)" >$far/known
	cat >$far/sshd_config <<-EOC
		ListenAddress 127.0.0.1
		Port 2222
		HostKey $far/key
		AuthorizedKeysFile $far/key.pub
		PidFile $far/pid
		StrictModes no
		UsePAM no
		MaxStartups 100
		SetEnv PATH=$PATH SHLVL=1 LVM_SYSTEM_DIR=$LVM_SYSTEM_DIR DM_DISABLE_UDEV=1
	EOC
	cat >$far/config <<-EOC
		Host new
		HostName 127.0.0.1
		Port 2222
		IdentityFile $far/key
		UserKnownHostsFile $far/known
	EOC
	/usr/sbin/sshd -f $far/sshd_config -E $far/log
	wait_for 60 ssh -F $far/config new true
	truncate -s 32M $far/disk
	vgcreate -q -s 4M far "$(losetup --find --show $far/disk)"
}

migrate() {
	at_end rm -rf "$dir/state"
	at_end lvremove -q -q -y -S 'lv_name=~^web' far
	"$lab/../../scripts/blkmigrate" copy --state "$dir/state" --ssh-option -F$far/config -v \
		"$@" /dev/vg/origin new:/dev/far/web 2>log || {
		cat log
		return 1
	}
	cat log
}

# make_source SIZE: make a volume to copy, $origin.
make_source() {
	make_volume origin "$1"
	origin=$volume
	blkread -l 14M "$before" | blkwrite "$origin"
}

# lacks PATTERN FILE
lacks() {
	if grep -e "$1" "$2"; then
		return 1
	fi
}

migrate_fails() {
	if migrate "$@"; then
		echo "it went through"
		return 1
	fi
}

migrate_passes() {
	make_source 14M
	scribble -n 0 -s 16 -p 50 "$origin" &
	writer=$!

	migrate --create --snapshot-size 100M
	migrate --snapshot-size 100M
	grep 'blkdiff --snapshot /dev/vg/origin-blkmigrate-1 /dev/vg/origin-blkmigrate-2 ' log
	same /dev/vg/origin-blkmigrate-2 /dev/far/web 14M
	different "$origin" /dev/far/web 14M
	stop "$writer"
	migrate --snapshot-size 100M --verify full
	lacks 'blksum --map' log

	same "$origin" /dev/far/web 14M
	[ "$(lvs --noheadings -o lv_name,lv_tags -S lv_name=~blkmigrate vg | xargs)" = \
		"origin-blkmigrate-3 blkmigrate.copied,$(lvs --noheadings -o lv_tags far/web | xargs)" ]
}

migrate_tail() {
	lvcreate -q -y -Wn -Zn -L 16M -n web far
	lvcreate -q -y -Wn -Zn -L 4M -n web-next far
	dd if="$after" of=/dev/far/web bs=1M oflag=direct status=none
	dd if="$after" of=/dev/far/web-next bs=1M count=4 oflag=direct status=none
	lvremove -q -q -y far/web
	make_source 14M

	migrate --create

	same "$origin" /dev/far/web 14M
	[ "$(blockdev --getsize64 /dev/far/web)" = $((16 << 20)) ]
	cmp -n 2M -i 14M:0 /dev/far/web /dev/zero
	same "$after" /dev/far/web-next 4M
}

migrate_overflow() {
	make_source 14M
	migrate --create --snapshot-size 1M
	scribble -n 600 "$origin"
	dmsetup status vg-origin--blkmigrate--1 | grep Invalid

	migrate

	grep 'the snapshot origin-blkmigrate-1 cannot be used' log
	same "$origin" /dev/far/web 14M
}

migrate_extended() {
	make_source 14M
	scribble -n 0 -s 8 -p 50 "$origin" &
	writer=$!

	migrate --create --snapshot-size 4M --bwlimit 200K
	stop "$writer"

	grep 'the snapshot origin-blkmigrate-1 was .* % full, and has been extended' log
	same /dev/vg/origin-blkmigrate-1 /dev/far/web 14M
	migrate
	lacks 'cannot be used' log
	same "$origin" /dev/far/web 14M
}

migrate_killed() {
	make_source 14M
	for option in --create ''; do
		"$lab/../../scripts/blkmigrate" copy --state "$dir/state" --ssh-option -F$far/config --bwlimit 2M \
			$option /dev/vg/origin new:/dev/far/web &
		driver=$!
		wait_for 60 eval 'lvs --noheadings vg | grep -q blkmigrate && pgrep blkwrite'
		sleep 1
		kill -KILL "$driver"
		scribble -n 60 "$origin"

		migrate
		same "$origin" /dev/far/web 14M
		[ "$(lvs --noheadings -S lv_name=~blkmigrate vg | wc -l)" = 1 ]
		scribble -n 300 "$origin"
	done
}

# make_thin_source: make a volume of 14 MiB that the target has completely, then write to it.
make_thin_source() {
	lvcreate -q -y -L 64M --poolmetadatasize 4M -T vg/pool
	lvcreate -q -y -Wn -V 14M -T vg/pool -n origin
	origin=/dev/vg/origin
	blkread -l 14M "$before" | blkwrite "$origin"
	migrate --create
	scribble -n 60 "$origin"
	blkdiscard -o 4M -l 1M "$origin"
}

# reserved: print the root of the metadata that is reserved, or -.
reserved() {
	dmsetup status vg-pool-tpool | awk '{ print $7 }'
}

migrate_thin() {
	make_thin_source

	migrate --verify full

	grep 'thin_delta -m ' log
	grep 'blkdiff --changes ' log
	lacks 'blksum --map' log
	same "$origin" /dev/far/web 14M
	[ "$(reserved)" = - ]
	[ "$(lvs --noheadings -o segtype -S lv_name=~blkmigrate vg | xargs)" = thin ]
}

migrate_into_pool() {
	make_source 14M
	lvcreate -q -q -y -L 20M -T far/pool >/dev/null
	at_end lvremove -q -q -y far/pool

	migrate --vg far/pool --size 40M

	grep 'lvcreate .* -V 41943040b --thinpool pool -n web ' log
	same "$origin" /dev/far/web 14M
	cmp <(tail -c +$(((14 << 20) + 1)) /dev/far/web) <(head -c 26M /dev/zero)
	[ "$(lvs --noheadings --nosuffix --units b -o segtype,lv_size far/web | xargs)" = 'thin 41943040' ]
	# 14 of 40 MiB at most.
	[ "$(lvs --noheadings -o data_percent far/web | cut -d . -f 1)" -lt 36 ]
	dd if="$after" of="$origin" bs=1M count=2 seek=5 oflag=direct status=none
	migrate --verify full
	same "$origin" /dev/far/web 14M
}

migrate_thin_reserved() {
	make_thin_source
	dmsetup message vg-pool-tpool 0 reserve_metadata_snap
	others=$(reserved)

	migrate

	grep 'another program reads the metadata of /dev/mapper/vg-pool-tpool' log
	grep 'blksum --map' log
	same "$origin" /dev/far/web 14M
	[ "$(reserved)" = "$others" ]
}

migrate_thin_killed() {
	make_thin_source
	mkdir "$dir/broken"
	printf '#!/bin/bash\nkill -KILL $PPID\n' >"$dir/broken/thin_delta"
	chmod +x "$dir/broken/thin_delta"
	PATH=$dir/broken:$PATH migrate
	[ "$(reserved)" != - ]
	scribble -n 30 "$origin"

	migrate

	lacks 'blksum --map' log
	same "$origin" /dev/far/web 14M
	[ "$(reserved)" = - ]
}

migrate_thin_map() {
	make_thin_source
	mkdir "$dir/broken"
	printf '#!/bin/bash\nexit 1\n' >"$dir/broken/thin_delta"
	chmod +x "$dir/broken/thin_delta"

	PATH=$dir/broken:$PATH migrate

	grep 'cannot be used; comparing both disks completely instead' log
	grep 'blksum --map' log
	same "$origin" /dev/far/web 14M
	[ "$(reserved)" = - ]
}

migrate_existing() {
	lvcreate -q -y -Wn -Zn -L 16M -n web far
	lvchange -q --addtag blkmigrate:0123456789ab far/web
	dd if="$after" of=/dev/far/web bs=1M oflag=direct status=none
	make_source 14M

	migrate_fails --create

	grep '/dev/far/web is there already, and blkmigrate did not make it as a copy of this very disk' log
	same "$after" /dev/far/web 16M
	[ -z "$(lvs --noheadings -S lv_name=~blkmigrate vg)" ]
}

migrate_full() {
	make_source 40M

	migrate_fails --create

	grep 'the volume far/web of 41943040 bytes cannot be made' log
	[ -z "$(lvs --noheadings far)" ]
	[ -z "$(lvs --noheadings -S lv_name=~blkmigrate vg)" ]
}

migrate_no_room() {
	make_source 14M
	lvcreate -q -y -Wn -Zn -l 100%FREE -n filler vg

	migrate_fails --create

	grep 'no snapshot of vg/origin can be taken' log
	[ "$(lvs --noheadings vg | wc -l)" = 2 ]
}

migrate_finish() {
	make_source 14M
	migrate --create

	migrate --finish

	[ -z "$(lvs --noheadings -S lv_name=~blkmigrate vg)" ]
	[ -z "$(lvs --noheadings -o lv_tags far/web | xargs)" ]
	migrate_fails
}
