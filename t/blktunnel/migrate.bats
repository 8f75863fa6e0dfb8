#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkmigrate --tunnel: the hosts of blkmigrate/hosts.bash, each in a network of its own.

load ../helpers
load ../lab/network
load tunnel
load ../blkmigrate/hosts

@test "blkmigrate --tunnel routes at the commit, and a rollback takes that back" {
	hosts_begin
	start_cable
	start_lan
	start_machine new
	# The stand-in for ssh enters the network of its host.
	sed -i "s|^exec bash -c|exec nsenter --net=/proc/\$(cat \$FAKE/\$HOST.pid)/ns/net bash -c|" programs/ssh
	"$root/scripts/blktunnel" up --from old --to new --type vxlan --outer 10.77.0.1,10.77.0.2 --persist none

	run -2 --separate-stderr migrate run --tunnel blk0=192.0.2.99,10.77.0.2
	[[ $stderr == *"10.77.0.2: the tunnel itself runs to 10.77.0.2"* ]]
	run -3 --separate-stderr migrate run --tunnel none=192.0.2.7
	[[ $stderr == *"the tunnel none is not up on old"*"blktunnel up --name none"* ]]
	run -3 --separate-stderr migrate run --tunnel blk0
	[[ $stderr == *"the addresses of web are not known"*"--tunnel blk0=ADDRESS,ADDRESS names them"* ]]
	at_sync='[[ $* != *commit.part* ]] || exit 1' run -4 --separate-stderr migrate run --tunnel blk0=192.0.2.7,2001:db8:1::7
	[[ $stderr == *"192.0.2.7: its traffic goes through blk0"*"web is on old as it was"* ]]
	[ -z "$(at old ip route show proto 177)$(at old ip -6 route show proto 177)$(at new ip rule show pref 17700)" ]
	[ "$(cat host/old/web.state)" = running ]
	migrate run
	at old ping -c 1 -W 2 192.0.2.7
	[[ $(at old ip route get 192.0.2.7) == *"dev blk0"* ]]
	[[ $(at old ip -6 route get 2001:db8:1::7) == *"dev blk0"* ]]
	[ "$(cat host/new/web.state)" = running ]
}
