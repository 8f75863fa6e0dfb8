#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Lanes that do not come, stall, or go on: what takes half a minute and more.

load ../helpers

setup() {
	test_begin
	make_noise image 24M
	blkread image >stream
	head -c 24M /dev/zero | tr '\0' '\252' >target
	cp target before
	touch pids
	at_end eval 'kill -KILL $(cat "$dir/pids") 2>/dev/null'
}

# receive [OPTION ...] -- INPUT ...: a blkwrite for each, side by side; their pids are in the file pids,
# in the array receivers, their messages in the file messages.
receive() {
	local options=() each

	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	receivers=()
	: >messages
	: >pids
	for each; do
		blkwrite "${options[@]}" target <"$each" 2>>messages 3>&- &
		receivers+=($!)
		echo $! >>pids
	done
}

# all_end STATUSES
all_end() {
	local each statuses=''

	for each in "${receivers[@]}"; do
		wait "$each" && statuses+=0 || statuses+=$?
	done
	[ "$statuses" = "$1" ] || { echo "$statuses"; cat messages; false; }
}

@test "three of four lanes come: after 30 seconds all end, and the target is as it was" {
	"$root/t/filters/deal-lanes" stream 4

	receive -- lane.0 lane.1 lane.3

	all_end 222
	[ "$(<messages)" = "blkwrite: lane 3 of 4 has not come within 30 seconds" ]
	cmp target before
}

@test "lanes without the first: each says so after 30 seconds" {
	"$root/t/filters/deal-lanes" stream 3

	receive -- lane.1 lane.2

	all_end 22
	[ "$(sort -u messages)" = "blkwrite: lane 1 of this stream, whose blkwrite writes the target, has not come here" ]
	cmp target before
}

@test "a lane that stalls while others wait for it fails them all after a minute" {
	"$root/t/filters/deal-lanes" stream 3
	mkfifo pipe
	{ head -c 2000000 lane.1; sleep 100; } >pipe 3>&- &
	sleeper=$!

	receive -- lane.0 pipe lane.2

	all_end 222
	[ "$(wc -l <messages)" = 1 ]
	[[ $(<messages) == "blkwrite: lane 2 of 3: silent for 60 seconds, while others wait for it"* ]]
	pkill -P "$sleeper" || true
	is_zero target 0 1048576
}

@test "a receiver that is stopped for 20 seconds holds the others up, and all succeed" {
	for victim in 0 1; do
		mkfifo pipe
		blkfan -n 3 sh -c 'exec cat >"lane.$BLKFAN_LANE.pipe"' <pipe 3>&- &
		fan=$!
		mkfifo lane.{1,2,3}.pipe
		exec 5>pipe
		receive -- lane.1.pipe lane.2.pipe lane.3.pipe
		head -c 8M stream >&5
		sleep 2

		kill -STOP "${receivers[victim]}"
		{ tail -c +8388609 stream; } >&5 3>&- &
		exec 5>&-
		sleep 20
		kill -CONT "${receivers[victim]}"

		wait "$fan"
		all_end 000
		cmp image target
		rm pipe lane.*.pipe
	done
}

# id_of: the stream's, in the file id.
id_of() {
	od -An -tx1 -j 32 -N 16 stream | tr -d ' \n' >id
}

@test "with --id a stream that is silent for a minute is given up" {
	"$root/t/filters/deal-lanes" stream 2
	id_of
	mkfifo first second
	for each in first/lane.0 second/lane.1; do
		{ head -c 128; sleep 70; } <"${each#*/}" >"${each%/*}" 3>&- &
	done

	receive --id @id -- first second

	all_end 22
	[ "$(wc -l <messages)" = 1 ]
	grep -q 'Connection timed out' messages
	is_zero target 0 1048576
}

@test "with --id a lane may be silent for more than a minute, where the stream is not" {
	"$root/t/filters/deal-lanes" stream 2
	id_of
	python3 -c '
import struct
data, place, last = open("stream", "rb").read(), 128, 0
while place < len(data):
    last, place = place, place + 64 + struct.unpack_from("<I", data, place + 32)[0]
lanes = [open(f"lane.{lane}", "rb").read(128) for lane in (0, 1)]
open("lane.0", "wb").write(lanes[0] + data[last:])
open("lane.1", "wb").write(lanes[1] + data[128:])'
	mkfifo first second
	{ head -c 128 lane.0; sleep 75; tail -c +129 lane.0; } >first 3>&- &
	{ head -c 5M lane.1; sleep 35; tail -c +5242881 lane.1 | head -c 5M; sleep 35; tail -c +10485761 lane.1; } >second 3>&- &

	receive --id @id -- first second

	all_end 00
	cmp image target
}

@test "a lane of another user is not let in, and ends by itself" {
	require_root "another user"
	"$root/t/filters/deal-lanes" stream 2
	open=$(mktemp -d /tmp/blktest.XXXXXX)
	at_end rm -rf "$open" /tmp/blk-lanes-65534
	chmod 0777 "$open"
	cp "$BIN/blkwrite" "$open/"
	receive -- lane.0

	run -2 --separate-stderr setpriv --reuid 65534 --clear-groups "$open/blkwrite" --create "$open/target" <lane.1

	[ "$stderr" = "blkwrite: lane 1 of this stream, whose blkwrite writes the target, has not come here" ]
	all_end 2
	[ "$(<messages)" = "blkwrite: lane 2 of 2 has not come within 30 seconds" ]
	cmp target before
}

# copy_and_kill WHO MILLISECONDS: over four lanes; then one process of that name gets SIGKILL.
copy_and_kill() {
	: >pids
	status=0
	timeout 90 bash -c '
		name() { echo "$BASHPID $1" >>pids; shift; exec "$@"; }
		export -f name
		set -o pipefail
		name blkread blkread image | name blkmeter blkmeter -q -L 48M | name blkfan \
			blkfan -n 4 bash -c "name blkwrite blkwrite target"' 2>messages 3>&- &
	local running=$! victim

	sleep "$(printf '0.%03d' "$2")"
	victim=$(awk -v who="$1" '$2 == who { print $1 }' pids | shuf -n 1)
	[ -z "$victim" ] || kill -KILL "$victim" 2>/dev/null || true
	wait "$running" || status=$?
}

@test "whoever is killed at any moment: no success without the image, and the map mends it" {
	local round who failed=0

	for round in {1..15}; do
		for who in blkread blkmeter blkfan blkwrite; do
			cp before target
			copy_and_kill "$who" $((RANDOM % 800))
			if [ "$status" = 0 ]; then
				cmp image target
				continue
			fi
			failed=$((failed + 1))
			wait_for 90 eval '! awk "{ print \$1 }" pids | xargs -r ps -o pid= -p 2>/dev/null | grep -q .'
			is_zero target 0 1048576 || cmp -s -n 1048576 before target || cmp -s -n 1048576 image target
			blksum --map target | blkdiff --map - image | blkfan -n 3 blkwrite --verify target
			cmp image target
		done
	done
	echo "# $failed of 60 were cut" >&3
	[ "$failed" -ge 15 ]
}
