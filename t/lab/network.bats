#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A disk crosses a network between two hosts, also when that network fails.

load ../helpers
load network

# start_transfer RATE [SSH OPTION ...]: send 48 MiB of noise over the target's data; the exit
# statuses of all stages go to statuses, that of blkwrite to far.status.
start_transfer() {
	make_noise image 48M 1
	make_noise target 48M 2
	background transfer "$@"
	wait_for 30 arrived
}

transfer() {
	local rate=$1

	set +e
	shift
	{
		blkread image | blkmeter -q -L "$rate" | blkzip |
			at old ssh -F "$config" "$@" new "echo \$\$ >$dir/far.pid
				blkwrite --verify $dir/target 2>$dir/far.messages
				status=\$?; echo \$status >$dir/far.status; exit \$status"
		echo "${PIPESTATUS[*]}" >statuses.part
	} 2>messages
	mv statuses.part statuses
}

arrived() {
	is_zero target 0 1048576 && cmp -s -n 1048576 -i 1048576 image target
}

# All stages have failed, on both sides, and the target does not look like a disk.
all_failed() {
	wait_for 30 test -s statuses
	wait_for 30 test -s far.status
	cat statuses messages far.status far.messages
	run ! grep -qw 0 statuses
	[ "$(cat far.status)" = 2 ]
	is_zero target 0 1048576
	wait_for 10 gone "$(cat far.pid)"
}

whole() {
	wait_for 120 test -s statuses
	cat statuses messages far.messages
	[ "$(cat statuses)" = "0 0 0 0" ]
	cmp image target
}

@test "a disk crosses the network" {
	start_network

	start_transfer 100M

	whole
}

@test "the cable is pulled in the middle: both sides end by themselves and fail" {
	start_network
	start_transfer 4M

	at new ip link set cable down

	all_failed
}

@test "packets are dropped for good: both sides end by themselves and fail" {
	start_network
	start_transfer 4M

	packets_drop

	all_failed
}

@test "packets are dropped for three seconds: the transfer continues and is complete" {
	start_network
	start_transfer 8M -o ServerAliveInterval=0

	packets_drop
	sleep 3
	packets_pass

	whole
}

@test "every fiftieth packet is lost: the transfer is slower, but complete" {
	start_network
	packets_drop 'numgen random mod 50 < 1 drop;'

	start_transfer 100M

	whole
}

@test "the connection is reset: both sides fail" {
	start_network
	start_transfer 4M

	at old ss -K dst 10.77.0.2 dport = 22

	all_failed
}

@test "nc, reset in the middle: blkwrite fails" {
	require nc
	start_network
	make_noise image 48M 1
	make_noise target 48M 2
	mkfifo line
	background at new sh -c 'exec nc -l 10.77.0.2 5000 >line </dev/null'
	background sh -c 'blkwrite target <line 2>far.messages; echo $? >far.status'
	wait_for 10 at new sh -c 'ss -Hltn sport = 5000 | grep -q .'
	background sh -c "blkread image | blkmeter -q -L 4M |
		nsenter --net=/proc/$(cat old.pid)/ns/net nc -N 10.77.0.2 5000"
	wait_for 30 arrived

	at old ss -K dst 10.77.0.2 dport = 5000

	wait_for 10 test -s far.status
	[ "$(cat far.status)" = 2 ]
	is_zero target 0 1048576
}
