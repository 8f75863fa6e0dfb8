#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkfan, and blkwrite at the other ends of its lanes.

load ../helpers

# receive LANE ...: a blkwrite for each of these files, all on the file target, side by side;
# their exit statuses are in $statuses, their messages in the file messages.
receive() {
	local pids=() lane

	statuses=
	: >messages
	for lane; do
		blkwrite target <"$lane" 2>>messages &
		pids+=($!)
	done
	for lane in "${pids[@]}"; do
		wait "$lane" && statuses+=0 || statuses+=$?
	done
}

# A file that is neither zeros nor anything of an image.
make_target() {
	head -c "$(bytes "$1")" /dev/zero | tr '\0' '\252' >target
}

# honest: the first MiB of the target is as it was, or zero.
honest() {
	[ "$(head -c 1M target | tr -d '\252' | wc -c)" = 0 ] || is_zero target 0 1048576
}

@test "any number of lanes brings the image over, to a file and to a device" {
	make_image image 12M
	attach 12M

	for lanes in 1 2 5 64; do
		blkread image | blkzip | blkfan -n $lanes blkwrite --create --verify "copy.$lanes"
		cmp image "copy.$lanes"
	done
	id=$(printf '%032x' $$)
	echo "$id" >id
	blkread --id @id image | blkmeter -q | blkfan blkwrite -o 0 "$device"
	cmp image "$device"
	[ -z "$(find /run/blk-lanes /run/user/*/blk-lanes /tmp/blk-lanes-* -name "$id" 2>/dev/null)" ]
}

@test "each lane carries a part, by the manual alone, and the meter's total is the stream's" {
	make_image image 12M
	blkread image >stream

	run -0 --separate-stderr bash -c 'blkfan -v -n 3 sh -c "cat >lane.\$\$" <stream'
	[ "${#stderr_lines[@]}" = 3 ]
	[[ ${stderr_lines[0]} == "blkfan: lane 1 of 3: "*" records, "* ]]
	make_target 12M
	receive lane.*
	[ "$statuses" = 000 ]
	cmp image target
	for program in "blkzip -t" "blkzip -d" "blkzip" "blksum"; do
		for lane in lane.*; do
			run -2 --separate-stderr $program <"$lane"
			[[ $stderr == *"standard input: stream byte 0: this is lane "[123]" of 3 of a stream: a share of its records, which only blkwrite puts together with the others" ]]
		done
	done

	rm lane.*
	"$root/t/filters/deal-lanes" stream 4
	make_target 12M
	receive lane.3 lane.1 lane.0 lane.2
	[ "$statuses" = 0000 ]
	cmp image target
}

@test "a meter in front of the lanes tells of the whole, and one behind says that it has a share" {
	make_image image 12M

	blkread image | blkmeter --json 2>whole | blkfan -n 3 sh -c 'blkmeter --json 2>"share.$BLKFAN_LANE" >/dev/null'

	tail -n 1 whole | jq -e '.percent == 100 and .size == 12582912'
	for lane in 1 2 3; do
		tail -n 1 "share.$lane" | jq -e '.kind == "raw" and .percent == null and .size == null and .eta == null'
	done
}

@test "a lane whose command fails after the end does not take the others' share" {
	make_noise image 12M
	blkread image >stream

	run -1 --separate-stderr blkfan -n 3 sh -c '[ "$BLKFAN_LANE" = 1 ] || sleep 2
		cat >"share.$BLKFAN_LANE"
		[ "$BLKFAN_LANE" != 1 ]' <stream

	[ "$stderr" = "blkfan: lane 1 of 3: sh ended with status 1" ]
	make_target 12M
	receive share.*
	[ "$statuses" = 000 ]
	cmp image target
}

@test "with --id each lane must be of that stream" {
	make_image image 8M
	blkread image >stream
	"$root/t/filters/deal-lanes" stream 2
	make_target 8M
	echo 00112233445566778899aabbccddeeff >id

	for lane in 0 1; do
		run -2 --separate-stderr blkwrite --id @id target <"lane.$lane"
		[ "$stderr" = "blkwrite: standard input: the stream has another id than --id says" ]
	done

	honest
}

@test "a delta, an undo log and a zstd stream come over lanes" {
	make_image image 8M
	make_image copy 8M 2
	cp copy before

	blkdiff copy image | blkfan -n 3 blkwrite --undo log copy
	cmp image copy
	blkfan -n 3 blkwrite copy <log
	cmp before copy
	blkread image | blkzip -m zstd | blkfan blkwrite --create other
	cmp image other
}

@test "a stream that is broken before the lanes, and an input that is none" {
	make_image image 8M
	blkread image >stream
	head -c 3000000 stream >cut

	make_target 8M
	run -2 --separate-stderr blkfan -n 3 blkwrite target <cut
	[[ $stderr == *"blkwrite: standard input: stream byte "*"the sending side gave up: standard input: stream byte 3000000, "*"the stream was cut"* ]]
	honest
	run -2 --separate-stderr blkfan cat <image
	[ "$stderr" = "blkfan: standard input: stream byte 0: not a block stream" ]
	[ -z "$output" ]
}

@test "lanes that do not make one stream are refused, in one line, by all of their processes" {
	make_image image 8M
	blkread image >stream

	while read -r fault words; do
		"$root/t/filters/deal-lanes" stream 3 "$fault"
		make_target 8M
		receive lane.0 lane.1 lane.2
		[ "$statuses" = 222 ] || { echo "# $fault: $statuses"; cat messages; false; } >&2
		[ "$(wc -l <messages)" = 1 ] || { echo "# $fault: $(<messages)"; false; } >&2
		grep -q -e "$words" messages || { echo "# $fault: $(<messages)" >&2; false; }
		honest
	done <<-'EOF'
		lost record [0-9]* came on none of the 3 lanes
		twice lane [123] of 3: .*came twice
		order lane 2 of 3: .*a record came twice, or out of order
		end lane 2 of 3: it does not end as the others do
		behind lane 2 of 3: .*bytes behind the END record
		no-end lane 2 of 3: .*it was cut: its end did not come
		cut lane 2 of 3: .*it was cut: its end did not come
		size lane 2 of 3: it is of another stream
	EOF
}

@test "a bit that changed in a lane is found where the stream is put together" {
	make_image image 8M
	blkread image >stream
	"$root/t/filters/deal-lanes" stream 2 bit
	make_target 8M

	receive lane.0 lane.1

	[ "$statuses" = 22 ]
	[[ $(<messages) == "blkwrite: standard input: stream byte "*"wrong checksum"* ]]
	honest
	blksum --map target | blkdiff --map - image | blkwrite --verify target
	cmp image target
}

# kill_half_done N: deal the stream to three receivers, and kill the Nth that was started when the
# target's first MiB is zero and a third of the stream has come.
kill_half_done() {
	mkfifo pipe
	(
		status=0
		blkfan -n 3 bash -c 'echo $$ >>pids; exec blkwrite target' <pipe 2>messages || status=$?
		echo $status >status
	) 3>&- &
	exec 5>pipe
	head -c 8M stream >&5
	until cmp -s -n 1048576 target /dev/zero && [ "$(wc -l <pids)" = 3 ]; do
		sleep 0.1
	done
	kill -KILL "$(sed -n "$1p" pids)"
	tail -c +8388609 stream >&5 || true
	exec 5>&-
	wait
}

@test "a receiver that is killed fails them all, and the map mends the target" {
	make_noise image 24M
	blkread image >stream

	for victim in 1 2; do
		make_target 24M
		export -f kill_half_done
		timeout 60 bash -c "kill_half_done $victim"
		[ "$(<status)" = 2 ]
		grep -q "was killed: Killed" messages
		is_zero target 0 1048576
		rm pids pipe
		blksum --map target | blkdiff --map - image | blkwrite --verify target
		cmp image target
	done
}

@test "a disk that fails behind the lanes fails them all, in one line, and the map mends it" {
	make_image image 12M
	local fault why

	for fault in write-error=6M write-full=6M flush-error; do
		make_target 12M
		mv target "disk.$fault"
		attach_faulty "disk.$fault" "$fault"
		why='Input/output error'
		[[ $fault != *full* ]] || why='No space left on device'

		run -2 --separate-stderr bash -c "blkread image | blkfan -n 3 blkwrite '$device'"

		[ "${#stderr_lines[@]}" = 1 ]
		[[ $stderr == "blkwrite: $device: "*"$why"* ]]
		detach "$device" "$backing"
		cp "disk.$fault" target
		honest
		blksum --map target | blkdiff --map - image | blkfan -n 3 blkwrite --verify target
		cmp image target
	done
}

@test "a source that fails in front of the lanes fails them all, and says where" {
	make_noise image 12M
	make_target 12M
	attach_faulty image read-error=7M

	run -2 --separate-stderr bash -c "blkread '$device' | blkfan -n 3 blkwrite target"

	grep -q "^blkread: $device: .*byte 7340032: Input/output error" <<<"$stderr"
	[ "$(wc -l <<<"$stderr")" -le 2 ]
	honest
}

@test "a file system that is full behind the lanes fails them all, in one line" {
	make_noise image 12M
	full_medium

	run -2 --separate-stderr bash -c "blkread image | blkfan -n 4 blkwrite --create '$mounted/copy'"

	[ "${#stderr_lines[@]}" = 1 ]
	[[ $stderr == "blkwrite: $mounted/copy: "* ]]
	make_room
	is_zero "$mounted/copy" 0 1048576
}

@test "a command that fails, ends early or is not there decides the status" {
	make_image image 8M

	run -2 --separate-stderr bash -c 'blkread image | blkfan -n 3 true'
	[ "$stderr" = "blkfan: true ended before the stream did" ]
	run -7 --separate-stderr bash -c 'blkread image | blkfan -n 3 sh -c "cat >/dev/null; exit 7"'
	[ "$stderr" = "blkfan: lane 1 of 3: sh ended with status 7" ]
	run -255 --separate-stderr bash -c 'blkread image | blkfan -n 3 sh -c "exit 255"'
	[ -z "$stderr" ]
	run -2 --separate-stderr bash -c 'blkread image | blkfan -n 2 sh -c "kill -TERM \$\$"'
	[[ $stderr == "blkfan: lane "[12]" of 2: sh was killed: Terminated" ]]
	run -127 --separate-stderr bash -c 'blkread image | blkfan ./missing'
	[ "$stderr" = "blkfan: ./missing: No such file or directory" ]
	for wrong in 0 65 x -1; do
		run -2 --separate-stderr blkfan -n "$wrong" cat
		[ "$stderr" = "blkfan: -n $wrong: the number of lanes, 1 to 64" ]
	done
	run -2 blkfan
}

@test "the folder in which lanes meet is the user's alone, or is not used" {
	make_image image 2M
	require_root "another user's folder"
	[ "$(id -u nobody)" = 65534 ]
	open=$(mktemp -d /tmp/blktest.XXXXXX)
	at_end rm -rf "$open"
	chmod 0777 "$open"
	blkread image >stream
	"$root/t/filters/deal-lanes" stream 2

	[ "$(stat -c %a:%u /run/blk-lanes)" = 700:0 ]
	rm -rf /tmp/blk-lanes-65534
	ln -s "$open" /tmp/blk-lanes-65534
	at_end rm -f /tmp/blk-lanes-65534
	cp "$BIN/blkwrite" "$open/"
	run -2 --separate-stderr setpriv --reuid 65534 --clear-groups "$open/blkwrite" --create "$open/target" <lane.0
	[[ $stderr == "blkwrite: /tmp/blk-lanes-65534: not a folder of this user alone (mode 0700)" ]]
	[ ! -e "$open/target" ]
}
