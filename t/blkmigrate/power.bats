#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Power failures and full disks around the cutover: what the next step relies on is on the medium, and
# a state folder that takes no more bytes does not keep the machine off on both hosts; what others do on
# the old one in the last seconds is seen.

# shellcheck disable=SC2089,SC2090

load ../helpers
load migrate
load hosts

setup() {
	hosts_begin
}

# small_state: the state folder is a file system of 4 MiB.
small_state() {
	require_root "mounting"
	mkdir -p state
	mount -t tmpfs -o size=4M none state
	at_end umount "$dir/state"
}

fill='head -c 8M /dev/zero >>"$FAKE/state/filler" 2>/dev/null'
# The last page of the journal has room for some more lines, whatever else is full: a note ends it.
end_page='for file in "$FAKE"/state/from/*/journal; do
		length=$((4096 - $(stat -c %s "$file") % 4096 - 11))
		[ "$length" -lt 1 ] || printf "0Z note %0*d .\n" "$length" 0 >>"$file"
	done'
read_only='mount -o remount,ro "$FAKE/state"'

# runs_on_old: and is defined there as it was.
runs_on_old() {
	[ "$(cat host/old/web.state)" = running ]
	grep -q "$dir/old.img" host/old/web.xml
	[ ! -e host/new/web.xml ]
}

@test "what libvirt keeps is flushed before the journal goes on, on either host" {
	touch host/old/auto

	migrate run

	cat log
	for change in 'old: virsh autostart --disable' 'old: virsh define' 'new: virsh define' 'new: virsh autostart'; do
		run -0 awk -v change="$change" '
			index($0, change) == 1 { wanted = substr($0, 1, 3) ": sync -f"; seen = 1; next }
			wanted != "" && /: sync / { exit index($0, wanted) != 1 }
			END { if (!seen) exit 1 }' log
	done
	[ -e host/new/auto ]
	blkmigrate purge web <<<web
	run -0 grep -A 1 'old: virsh undefine' log
	[[ $output == *'old: sync -f -- /'* ]]
}

# lost_after LINE: what a power failure leaves of what libvirt keeps on both hosts, when that line is
# about to be flushed into the journal: $dir/left/old, $dir/left/new.
lost_after() {
	attach "$1.img"
	mkdir -p left
	mount -t ext4 "$device" left
	at_end umount "$dir/left"
}

@test "a power failure does not take back what the journal relies on: the fence, autostart, the definition" {
	require_root "mounting"
	require mkfs.ext4
	truncate -s 32M medium.img
	mkfs.ext4 -q medium.img
	attach medium.img
	mkdir medium
	# Nothing is flushed by itself meanwhile.
	mount -t ext4 -o commit=3000 "$device" medium
	at_end umount "$dir/medium"
	mkdir -p medium/libvirt/qemu
	mv host/old host/new medium/libvirt/qemu
	ln -s ../medium/libvirt/qemu/old ../medium/libvirt/qemu/new host
	touch host/old/auto
	/usr/bin/sync -f medium
	export XDG_CONFIG_HOME=$dir/medium
	# What has not reached the loop device is not in its file.
	export at_sync='line=$(tail -n 1 "$FAKE"/state/from/*/journal 2>/dev/null)
		case $line in
		*" done "*) name=${line#* done }; cp --sparse=always "$FAKE/medium.img" "$FAKE/${name% .}.img" ;;
		esac'

	migrate run

	at_sync=''
	lost_after quiet
	[ ! -e left/libvirt/qemu/old/auto ]
	umount left
	lost_after fenced
	grep -q /nonexistent/blkmigrate left/libvirt/qemu/old/web.xml
	umount left
	lost_after defined
	grep -q "$dir/there/old.img" left/libvirt/qemu/new/web.xml
	umount left
	lost_after finished
	[ -e left/libvirt/qemu/new/auto ]
	umount left
}

@test "a definition that is taken back is gone from the medium before the machine starts" {
	at_virsh='start*' then_virsh='[ "$HOST" = old ] || exit 1'

	run -4 migrate run

	runs_on_old
	run -0 awk '/new: virsh undefine/ { at = 1 } at && /new: sync -f/ { at = 2 } at == 2 && /old: virsh define/ { at = 3 }
		at == 3 && /old: sync -f/ { at = 4 } at == 4 && /old: virsh start/ { found = 1 } END { exit !found }' log
}

@test "the disk with the journal fills up after the shutdown: the room that was kept is used" {
	small_state
	export at_virsh='shutdown *' then_virsh=$fill

	migrate run

	[ "$(cat host/new/web.state)" = running ]
	[ "$(cat host/old/web.state)" = 'shut off' ]
	[ -z "$(ls state/to/*/reserve 2>/dev/null)" ]
}

@test "a line of the journal that finds no room takes that which was kept" {
	small_state

	run -0 inside 'keep_room old; head -c 8M /dev/zero >state/filler || true; journal begin one; journal "done" one'

	run -0 cut -d " " -f 2- state/from/0123456789ab/journal
	[ "$output" = $'begin one .\ndone one .' ]
	[ ! -e state/from/0123456789ab/reserve ]
	head -c 8M /dev/zero >>state/filler || true
	rm state/from/0123456789ab/journal
	run -2 inside 'head -c 8M /dev/zero >>state/filler || true; journal begin two; echo on'
	run -0 inside 'head -c 8M /dev/zero >>state/filler || true; taking_back=true; journal begin two; echo on'
	[[ $output == *'the machine comes first'*on ]]
}

# taken_back CALL TEXT: the machine runs on the old host again, where TEXT is done at that call of virsh.
taken_back() {
	export at_virsh=$1 then_virsh=$2

	run -4 migrate run

	echo "$at_virsh $then_virsh: $output"
	runs_on_old
}

@test "the disk with the journal is full after the shutdown: the machine runs on the old host again" {
	small_state

	# Filled again, when the room that was kept has been used.
	taken_back '@(shutdown|define|start)*' "$end_page; $fill"
}

@test "the journal is read-only after the shutdown: the machine runs on the old host again" {
	small_state
	for call in 'shutdown *' 'define *' 'start *--paused*'; do
		taken_back "$call" "$read_only"
		mount -o remount,rw state
		rm -rf state/*
		machine_is running
	done
}

@test "where there is no room for the journal the machine is not shut down" {
	small_state
	migrate prepare
	blkmigrate sync web
	rm state/from/*/reserve
	head -c 8M /dev/zero >state/filler || true

	run -2 --separate-stderr blkmigrate cutover web

	[[ $stderr == *'there is no room in '*'make room there, and repeat the command' ]]
	[ "$(cat host/old/web.state)" = running ]
	run -1 grep 'virsh shutdown' log
	rm state/filler
	blkmigrate cutover web
	[ "$(cat host/new/web.state)" = running ]
}

@test "new loses its power before the commit: nothing is started, and it is said where the machine is" {
	export at_virsh='start *--paused*' then_virsh='touch "$FAKE/new.down"; exit 1'
	run -5 migrate run
	echo "$output"
	[[ $output == *'new cannot be told to drop earlier commands; nothing is started anywhere'* ]]
	[[ ${lines[-1]} == 'blkmigrate: the rollback failed, and web on old is shut off; '*'blkmigrate rollback web tries again' ]]
	[ "$(cat host/old/web.state)" = 'shut off' ]
	rm new.down
	at_virsh=''

	blkmigrate rollback web

	runs_on_old
}

@test "the same, driven on the old host itself" {
	export at_virsh='start *--paused*' then_virsh='touch "$FAKE/new.down"; exit 1' HOST=old
	run -5 "$root/scripts/blkmigrate" run --state "$dir/state" --yes --to new --dir "$dir/there" web
	[[ ${lines[-1]} == 'blkmigrate: the rollback failed, and web on this host is shut off; '* ]]
	rm new.down
	at_virsh=''

	"$root/scripts/blkmigrate" rollback --state "$dir/state" web

	runs_on_old
}

@test "a commit whose host does not answer is not said to be impossible" {
	export at_sync='[[ ${!#} != */journal || $(tail -n 1 "${!#}") != *" begin committed ." ]] || touch "$FAKE/new.down"'

	run -6 migrate run

	echo "$output"
	[[ $output == *'blkmigrate: new does not answer: whether '*'/commit was written is not known'* ]]
	[[ $output != *'cannot be removed'* ]]
	[ "$(cat host/old/web.state)" = 'shut off' ]
}

@test "what somebody does on old while the machine starts, paused, on new is seen before the commit" {
	export at_virsh='start *--paused*' then_virsh='sed -i "s,<memory>1024,<memory>2048," "$FAKE/host/old/web.xml"'
	run -4 migrate run
	[[ $output == *'somebody has changed the definition of web on old, which would be lost: memory: 1024 before, 2048 now'* ]]
	runs_on_old
	machine_is running
	then_virsh='echo running >"$FAKE/host/old/web.state"'

	run -4 migrate run

	[[ $output == *'web on old is not fenced and off any more; somebody has changed it'* ]]
	runs_on_old
}

# --- the lock ---------------------------------------------------------------------

# guarding COMMAND ...: as a run's command on a host; its lock is state/k.
guarding() {
	bash -c '. "$1/scripts/blkmigrate.d/hosts/session.bash"
		bash -c "$guard" guard state/k mine quiet "${@:2}"' shell "$root" "$@"
}

# taking_over: as a later run.
taking_over() {
	bash -c '. "$1/scripts/blkmigrate.d/hosts/session.bash"
		bash -c "set -eu; $take
			flock() { [ \"\$1\" != -w ] || set -- -w 1 \"\$3\"; command flock \"\$@\"; }
			lock=state/k token=yours former=\"\"; take" take' shell "$root"
}

a_lock() {
	mkdir -p state
	touch state/k.work
	echo mine >state/k.token
}

@test "the lock is held while a command runs that closes what it does not know" {
	a_lock
	background guarding bash -c 'exec 9<&-; touch began; exec sleep 60'
	wait_for 10 test -e began

	run -1 flock -n state/k.work true
}

@test "a daemon that a command leaves behind holds no lock, and is not killed by the next run" {
	a_lock
	guarding bash -c 'setsid sleep 60 </dev/null >/dev/null 2>&1 & echo $! >daemon'
	at_end kill "$(cat daemon)"

	flock -n state/k.work true
	taking_over

	kill -0 "$(cat daemon)"
	[ "$(cat state/k.token)" = yours ]
}

@test "a command of an earlier run that does not end is killed, and all that it has started" {
	a_lock
	background guarding bash -c 'sleep 60 & echo $! >child; wait'
	wait_for 10 test -s child

	taking_over

	wait_for 10 eval '! kill -0 "$(cat child)" 2>/dev/null'
	run -75 guarding touch late
	[ ! -e late ]
}

@test "a token that cannot be written is in memory, and counts until it can be written again" {
	a_lock
	chmod 400 state/k.token
	require_root "a mount"
	mount --bind state state
	at_end umount "$dir/state"
	mount -o remount,bind,ro state

	taking_over
	run -75 guarding touch late
	mount -o remount,bind,rw state
	run -75 guarding touch late
	taking_over

	[ "$(cat state/k.token)" = yours ]
	[ ! -e late ]
	[ -z "$(find /run/blkmigrate -name "*${dir##*/}*k.token")" ]
}

@test "a cutover is taken back although the terminal has gone, or the reader of the log" {
	export at_virsh='define*' then_virsh='[ -e $FAKE/hit ] || { touch $FAKE/hit && kill -HUP "$(cat $FAKE/driver)" && sleep 0.5; }'
	for where in /dev/full ' >(until [ -e hit ]; do sleep 0.05; done)'; do
		rm -f hit
		machine_is running
		# shellcheck disable=SC2016
		printf 'echo $$ >driver\nexec "%s/scripts/blkmigrate" run --state "%s/state" --from old --yes --to new --dir "%s/there" web 2>%s\n' \
			"$root" "$dir" "$dir" "$where" >start

		run -129 bash start

		[ -e hit ]
		[ "$(cat host/old/web.state)" = running ]
		grep -q "$dir/old.img" host/old/web.xml
		[ ! -e host/new/web.xml ]
	done
}
