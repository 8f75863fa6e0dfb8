# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blktunnel between two hosts of ../lab/network.bash, which has to be loaded before: `load tunnel`.
# The tunnels here are of vxlan, which most kernels have; the lab's guest has the other types.

# start_ends: the hosts.
start_ends() {
	require ping nft perl
	start_network
	mkdir tmp
	export TMPDIR=$dir/tmp
}

# tunnel COMMAND [ARGUMENT ...]: from old to new.
tunnel() {
	at old "$root/scripts/blktunnel" "$1" --to new --ssh-option "-F$config" "${@:2}"
}

# up [ARGUMENT ...]
up() {
	tunnel up --type vxlan --persist none "$@"
}

# start_lan: a bridge "lan" on each host, where 192.0.2.1 and 2001:db8:1::1 are the router's.
start_lan() {
	local host

	for host in old new; do
		at "$host" ip link add lan type bridge
		at "$host" ip addr add 192.0.2.1/24 dev lan
		at "$host" ip addr add 2001:db8:1::1/64 dev lan nodad
		at "$host" ip link set lan up
		at "$host" sysctl -q -w net.ipv6.conf.all.forwarding=1
	done
}

# start_machine HOST: in its bridge, 192.0.2.7 and 2001:db8:1::7.
start_machine() {
	background setpriv --pdeathsig KILL unshare --net sh -c "ip link set lo up && touch '$dir/machine.up' && exec sleep infinity"
	echo "$pid" >machine.pid
	wait_for 10 test -e machine.up
	at "$1" ip link add vnet0 type veth peer name eth0 netns "$pid"
	at "$1" ip link set vnet0 master lan up
	at machine ip addr add 192.0.2.7/24 dev eth0
	at machine ip addr add 2001:db8:1::7/64 dev eth0 nodad
	at machine ip link set eth0 up
	at machine ip route add default via 192.0.2.1
	at machine ip -6 route add default via 2001:db8:1::1
	wait_for 10 at "$1" ping -c 1 -W 1 192.0.2.7
	wait_for 10 at "$1" ping -c 1 -W 1 2001:db8:1::7
}

# traces: everything that a tunnel could leave on either host, without what a machine changes.
traces() {
	local host

	for host in old new; do
		echo "$host"
		at "$host" ip -o link show | sed 's/^[0-9]*: //; s/ state .* mode/ mode/; s/,LOWER_UP//; s/NO-CARRIER,//; s/link.ether.*//; /^vnet0/d'
		at "$host" ip route show table all
		at "$host" ip -6 route show table all
		at "$host" ip rule
		at "$host" ip -6 rule
		at "$host" ip neigh show proxy
		at "$host" ip -6 neigh show proxy
		at "$host" nft list ruleset
		at "$host" sysctl -a -r 'conf\.(all|default|lan|cable)\.(forwarding|proxy_ndp|rp_filter|accept_ra|proxy_arp)'
	done | sed 's/ linkdown//; /fe80/d; /ff00/d; /packets [0-9]/d' | sort
}

# stand_in_for_ssh: first in PATH, for both hosts, which need no sshd then.  The number of calls is kept
# in $dir/calls; at the one that is $kill_at the whole group is killed, before or, where $kill_after is
# set, after the command has been run there.
stand_in_for_ssh() {
	mkdir -p programs
	export STAND_IN=$dir kill_at=0 kill_after=''
	cat >programs/ssh <<-'EOS'
		#!/bin/bash
		while [ "$1" != -- ]; do
			[ "$1" != -O ] || exit 0
			shift
		done
		[ "$2" = old ] && ends='10.77.0.9 1022 10.77.0.1 22' || ends='10.77.0.9 1022 10.77.0.2 22'
		export SSH_CONNECTION=$ends
		echo "$2" >>"$STAND_IN/calls"
		number=$(wc -l <"$STAND_IN/calls")
		if [ "$number" = "$kill_at" ]; then
			[ -z "$kill_after" ] || nsenter --net="/proc/$(cat "$STAND_IN/$2.pid")/ns/net" bash -c "${*:3}"
			kill -KILL 0
		fi
		exec nsenter --net="/proc/$(cat "$STAND_IN/$2.pid")/ns/net" bash -c "${*:3}"
	EOS
	chmod +x programs/ssh
	PATH=$dir/programs:$PATH
}
