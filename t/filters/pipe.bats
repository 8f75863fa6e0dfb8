#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# All filters together, over a real sshd: a disk crosses, and when anything on the way is
# cut or killed, nobody takes the target for a copy.

load ../helpers

setup() {
	test_begin
	set_patience
}

# The seconds in which all must have ended: two, and more only where this machine is too
# busy to start ten shells in a tenth of one, or where sanitizers slow all down.
set_patience() {
	local start=${EPOCHREALTIME/./} shell

	for shell in 1 2 3 4 5 6 7 8 9 10; do
		bash -c :
	done
	patience=$((2 + (${EPOCHREALTIME/./} - start) / 100000))
	[ -z "${SANITIZER:-}" ] || patience=$((patience + 13))
}

# stage NAME COMMAND [ARGUMENT ...]: a process of a pipeline that says which it is.
stage() {
	echo "$BASHPID" >"$dir/$1.pid"
	shift
	exec "$@"
}

# Transfer 32 MiB of noise at 4 MiB a second, over the target's old data; continue when some of it
# has arrived.  $statuses gets the exit statuses of the stages, in order.
start_transfer() {
	make_noise image 32M 1
	make_noise target 32M 2
	statuses=$dir/statuses
	background transfer
	wait_for 30 arrived
}

transfer() {
	set +e
	{
		stage blkread blkread image |
			stage blkmeter blkmeter -q -L 4M |
			stage blkzip blkzip |
			stage ssh ssh -F "$config" new "sh -c 'echo \$\$ >$dir/blkwrite.pid
				exec blkwrite $dir/target 2>$dir/far.messages'
				status=\$?; echo \$status >$dir/blkwrite.status; exit \$status"
		echo "${PIPESTATUS[*]}" >"$statuses.part"
	} 2>"$dir/messages"
	mv "$statuses.part" "$statuses"
}

# The first MiB of the target is zero, and a part of the image follows it.
arrived() {
	is_zero "$dir/target" 0 1048576 &&
		cmp -s -n 1048576 -i 1048576 "$dir/image" "$dir/target" &&
		[ -s "$dir/ssh.pid" ]
}

# kill_stage SIGNAL STAGE: what is left must end soon, every stage with a failure, and
# the target must not look like a disk.
kill_stage() {
	start_sshd
	start_transfer

	kill "-$1" "$(cat "$2.pid")"

	wait_for "$patience" test -s "$statuses"
	wait_for "$patience" gone "$(cat blkwrite.pid)"
	wait_for "$patience" test -s blkwrite.status
	cat "$statuses" messages far.messages
	grep -qxE '[1-9][0-9]* [1-9][0-9]* [1-9][0-9]* [1-9][0-9]*' "$statuses"
	[ "$(cat blkwrite.status)" != 0 ]
	is_zero target 0 1048576
}

@test "the whole pipe carries a disk to another host, and both say the same digest" {
	start_sshd
	make_image image 40M
	truncate -s 50M target

	run -0 --separate-stderr eval "blkread image | blkmeter -q | blkzip |
		ssh -F '$config' new blkwrite -v --verify --resize '$dir/target'"

	cmp image target
	[[ $stderr == *"$(blksum image | cut -d ' ' -f 1)" ]]
	[ "$(blksum <target)" = "$(blksum <image)" ]
}

@test "the whole pipe with the meter at the far end and after the compressor" {
	start_sshd
	make_image image 20M

	run -0 eval "set -o pipefail; blkread image | blkzip | blkmeter -q |
		ssh -F '$config' new 'blkmeter -q | blkzip -d | blkwrite --create $dir/target'"

	cmp image target
}

@test "the whole pipe between block devices, into a larger one" {
	start_sshd
	make_image image 24M
	attach image
	source=$device
	attach 32M 4096

	run -0 eval "set -o pipefail; blkread '$source' | blkmeter -q | blkzip |
		ssh -F '$config' new blkwrite --verify '$device'"

	cmp -n 25165824 image "$device"
}

@test "raw bytes go through plain gunzip and dd at the far end" {
	start_sshd
	make_image image 12M

	run -0 eval "set -o pipefail; blkread -r image | blkmeter -q | blkzip |
		ssh -F '$config' new 'set -o pipefail; gunzip | dd iflag=fullblock of=$dir/target bs=1M status=none'"

	cmp image target
}

@test "raw bytes come from plain dd and gzip" {
	start_sshd
	make_image image 12M

	run -0 eval "set -o pipefail; dd if=image bs=1M status=none | gzip -3c |
		ssh -F '$config' new 'set -o pipefail; blkzip -d | blkwrite -r -l 12M --create $dir/target'"

	cmp image target
}

@test "nc without -N or -q: blkwrite ends by the END record while the line stays open" {
	require nc
	make_image image 12M
	free_port
	mkfifo line
	background sh -c "exec nc -l 127.0.0.1 $port >line </dev/null"
	receiver=$pid
	background sh -c 'blkwrite --create target <line; echo $? >status'
	writer=$pid
	wait_for 10 listening "$port"
	background sh -c "blkread image | blkzip | nc 127.0.0.1 $port"

	wait_for 30 gone "$writer"

	[ "$(cat status)" = 0 ]
	cmp image target
	wait_for 10 gone "$receiver" "$pid"
}

listening() {
	grep -q "$(printf ':%04X 00000000:0000 0A' "$1")" /proc/net/tcp
}

@test "nc that is cut in the middle: the sender may say success, blkwrite does not" {
	require nc
	make_noise image 32M
	make_noise target 32M 2
	free_port
	mkfifo line
	background sh -c "exec nc -l 127.0.0.1 $port >line </dev/null"
	receiver=$pid
	background sh -c 'blkwrite target <line; echo $? >status'
	writer=$pid
	wait_for 10 listening "$port"
	background sh -c "blkread image | blkmeter -q -L 4M | nc 127.0.0.1 $port"
	: >ssh.pid && echo 1 >ssh.pid
	wait_for 30 arrived

	kill -KILL "$receiver"

	wait_for "$patience" gone "$writer"
	[ "$(cat status)" = 2 ]
	is_zero target 0 1048576
}

@test "the link is cut in the middle: blkwrite fails, and nothing lingers on the far side" {
	start_sshd
	cat >>ssh/config <<-EOC
		ProxyCommand sh -c 'echo \$\$ >$dir/link.pid; exec nc 127.0.0.1 $port'
	EOC
	start_transfer

	kill -KILL "$(cat link.pid)"

	wait_for "$patience" gone "$(cat blkwrite.pid)"
	wait_for "$patience" test -s blkwrite.status
	cat blkwrite.status far.messages
	[ "$(cat blkwrite.status)" = 2 ]
	wait_for "$patience" test -s "$statuses"
	grep -qxE '[1-9][0-9]* [1-9][0-9]* [1-9][0-9]* 255' "$statuses"
	is_zero target 0 1048576
	wait_for "$patience" no_sessions
}

# The listening daemon has no child left.
no_sessions() {
	! ps -o pid= --ppid "$sshd"
}

@test "blkread killed by KILL: all others fail" {
	kill_stage KILL blkread
}

@test "blkread killed by TERM: all others fail" {
	kill_stage TERM blkread
}

@test "blkmeter killed by KILL: all others fail" {
	kill_stage KILL blkmeter
}

@test "blkmeter killed by TERM: all others fail" {
	kill_stage TERM blkmeter
}

@test "blkzip killed by KILL: all others fail" {
	kill_stage KILL blkzip
}

@test "blkzip killed by TERM: all others fail" {
	kill_stage TERM blkzip
}

@test "ssh killed by KILL: all others fail" {
	kill_stage KILL ssh
}

@test "ssh killed by TERM: all others fail" {
	kill_stage TERM ssh
}

@test "blkwrite killed by KILL: all others fail" {
	kill_stage KILL blkwrite
}

@test "blkwrite killed by TERM: all others fail" {
	kill_stage TERM blkwrite
}

# kill_gzip SIGNAL STAGE: raw gzip on the line and a plain gunzip at its end.
kill_gzip() {
	start_sshd
	make_noise image 32M
	background eval "set +e; { stage blkread blkread -r image | stage blkmeter blkmeter --raw -q -L 4M |
		stage blkzip blkzip | stage ssh ssh -F '$config' new \
			'gunzip >$dir/target; status=\$?; echo \$status >$dir/gunzip.status; exit \$status'
		echo \"\${PIPESTATUS[*]}\" >statuses; } 2>messages"
	wait_for 30 eval '[ "$(stat -c %s target)" -gt 2097152 ]'

	kill "-$1" "$(cat "$2.pid")"

	wait_for "$patience" test -s gunzip.status
	wait_for "$patience" test -s statuses
	cat statuses messages
	[ "$(cat gunzip.status)" != 0 ]
	run ! grep -w 0 statuses
}

@test "raw gzip, blkzip killed by KILL: plain gunzip sees the cut" {
	kill_gzip KILL blkzip
}

@test "raw gzip, blkzip killed by TERM: plain gunzip sees the cut" {
	kill_gzip TERM blkzip
}

@test "raw gzip, ssh killed by KILL: plain gunzip sees the cut" {
	kill_gzip KILL ssh
}

@test "raw gzip, ssh killed by TERM: plain gunzip sees the cut" {
	kill_gzip TERM ssh
}

@test "a sparse terabyte crosses in seconds, and stays sparse" {
	truncate -s 1T image
	make_noise noise 1M
	dd if=noise of=image bs=1M seek=500000 conv=notrunc status=none

	run -0 timeout 60 sh -c 'blkread image | blkmeter -q | blkzip | blkwrite --create --verify target'

	[ "$(stat -c %s target)" = 1099511627776 ]
	cmp -n 1048576 -i 524288000000:0 target noise
	[ "$(($(stat -c %b target) * 512))" -lt 8388608 ]
}
