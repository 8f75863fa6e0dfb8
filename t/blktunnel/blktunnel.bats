#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blktunnel between two hosts in namespaces: plan, up, check, route and down.

load ../helpers
load ../lab/network
load tunnel

@test "plan names both ends and the addresses inside, and changes nothing" {
	start_ends
	traces >before

	run -0 --separate-stderr tunnel plan --type vxlan

	[ "$output" = "" ]
	[[ $stderr == *"from 10.77.0.1 (this host) to 10.77.0.2 (new)"* ]]
	[[ $stderr =~ \ fd[0-9a-f:]+::1/64 && $stderr == *"nothing is in the way" ]]
	traces | diff before -
}

@test "up makes what plan has chosen, check is content with it, and down leaves nothing" {
	start_ends
	traces >before
	run -0 --separate-stderr tunnel plan --type vxlan
	words=$(sed -n 's/.*blktunnel up --to new //p' <<<"$stderr")

	# shellcheck disable=SC2086
	tunnel up $words --persist none
	at old ping -c 1 -W 2 "$(sed -n 's/.* and \(10[0-9.]*\)\/30.*/\1/p' <<<"$stderr")"
	run -0 tunnel check
	[ "$(grep -c '^ok ' <<<"$output")" = 4 ]
	run -0 --separate-stderr up
	[[ $stderr == *"blk0 is up already"* ]]
	run -2 --separate-stderr tunnel up --type gre
	[[ $stderr == *"blk0 is up already, as vxlan"* ]]
	tunnel down
	traces | diff before -
	tunnel down
}

@test "the MTU is what the way takes, although nobody tells, and TCP is told" {
	start_ends
	at new nft 'add table ip hole; add chain ip hole in { type filter hook prerouting priority -450; meta length > 1400 ip protocol { icmp, udp } drop; }'

	up --ula fd12:3456:789a::/48 --private 10.99.7.0/30

	[[ $(at old ip link show blk0) == *" mtu 1350 "* ]]
	[[ $(at new ip link show blk0) == *" mtu 1350 "* ]]
	[[ $(at new ip addr show blk0) == *"10.99.7.2/30"*"fd12:3456:789a::2/64"* ]]
	[[ $(at old nft list table inet blktunnel-blk0) == *'oifname "blk0"'*"maxseg size set 1310"* ]]
	at old ping -c 1 -W 2 -M "do" -s 1322 10.99.7.2
}

@test "a firewall is found, whose it is, and everything is taken back" {
	start_ends
	traces >before

	at new nft 'add table ip f; add chain ip f in { type filter hook input priority 0; udp dport 4789 drop; }'
	run -2 --separate-stderr up
	[[ $stderr == *"UDP port 4789 from this host reaches new, whose own firewall drops it (iptables -I INPUT -s 10.77.0.1 -p udp --dport 4789 -j ACCEPT)"* ]]
	at new nft delete table ip f
	at new nft 'add table ip f; add chain ip f in { type filter hook prerouting priority -450; udp dport 4789 drop; }'
	run -2 --separate-stderr up
	[[ $stderr == *"UDP port 4789 from this host does not reach new: a firewall or the provider between them drops it"* ]]
	at new nft delete table ip f
	at old nft 'add table ip f; add chain ip f out { type filter hook output priority 0; udp dport 4789 drop; }'
	run -2 --separate-stderr up
	[[ $stderr == *"this host sends no UDP port 4789 to 10.77.0.2: its own firewall drops it on the way out"* ]]
	at old nft delete table ip f
	traces | diff before -
}

@test "a device that is not ours is neither used nor removed" {
	start_ends
	at new ip link add blk0 type bridge

	run -2 --separate-stderr up
	[[ $stderr == *"new has a device blk0 that is not ours: --name"* ]]
	run -0 --separate-stderr tunnel down
	[[ $stderr == *"it stays"* ]]
	at new ip link show blk0
}

@test "a kernel without the tables of nftables has a tunnel all the same" {
	start_ends
	mkdir programs
	printf '#!/bin/sh\nexit 1\n' >programs/nft
	chmod +x programs/nft

	PATH=$dir/programs:$PATH run -0 --separate-stderr up
	[[ $stderr == *"this host: its kernel does not take the table blktunnel-blk0: packets are not counted"*"blk0 is up"* ]]
	PATH=$dir/programs:$PATH tunnel down
	# An empty chain of iptables itself stays.
	run -1 grep -e blk0 -e blktunnel <(traces)
}

@test "what the hosts themselves need is not routed" {
	start_ends
	start_lan
	up

	for each in "10.77.0.2|the tunnel itself runs to 10.77.0.2" "10.77.0.0/24|the tunnel itself runs to" \
		"192.0.2.1|is an address of this host itself" "203.0.113.5|new has no route to 203.0.113.5" "0.0.0.0/0|everything" \
		"192.0.2.0/28|more than one address: --probe" "x|is neither an address" "192.0.2.7/24|is neither an address"; do
		run -2 --separate-stderr tunnel route "${each%%|*}"
		echo "$stderr"
		[[ $stderr == *"${each#*|}"* ]]
	done
	[ -z "$(at old ip route show proto 177)" ]
}

@test "an address is routed when its machine answers on the new host, and given back" {
	start_ends
	start_lan
	traces >before
	up
	traces >without
	run -2 --separate-stderr tunnel route 192.0.2.7
	[[ $stderr == *"192.0.2.7 does not answer on new yet, behind lan: its traffic is not redirected"* ]]
	traces | diff without -
	start_machine new
	at old ip route add 192.0.2.7 dev cable

	run -0 --separate-stderr tunnel route 192.0.2.7 2001:DB8:1:0::7 --persist ifupdown
	[[ $output == *"up ip -4 route add 192.0.2.7 via 10."*"up ip -4 rule add pref 17700 from 192.0.2.7"* ]]
	at old ping -c 1 -W 2 2001:db8:1::7
	[[ $(at old ip route get 192.0.2.7) == *"dev blk0"* ]]
	[[ $(at old ip -6 neigh show proxy) == *"2001:db8:1::7 dev lan proxy"* ]]
	run -0 tunnel check
	[[ $output == *"192.0.2.7 answers through blk0"* ]]
	tunnel route --remove 192.0.2.7 2001:db8:1:0:0::7
	[[ $(at old ip route get 192.0.2.7) == *"dev cable"* ]]
	[ -z "$(at old ip -6 neigh show proxy)$(at new ip rule show pref 17700)$(at new ip -6 rule show pref 17700)" ]
	at old ip route del 192.0.2.7
	tunnel route 2001:db8:1::7
	tunnel down
	at new ip link del vnet0
	traces | diff before -
}

@test "two bridges are joined, and never twice" {
	start_ends
	start_lan
	for host in old new; do
		wait_for 10 eval '[[ $(at $host ip -6 addr show dev lan scope link -tentative) == *fe80* ]]'
	done
	traces >before
	tunnel up --type vxlan --bridge lan --persist none

	start_machine new
	at old ip addr del 192.0.2.1/24 dev lan
	at old ip addr add 192.0.2.9/24 dev lan
	at old ping -c 1 -W 2 -M dont -s 1472 192.0.2.7
	run -0 tunnel check
	[[ $output == *"ok    lan on this host and lan on new reach each other"* ]]
	run -2 --separate-stderr tunnel up --type vxlan --name second --port 4790 --bridge lan
	[[ $stderr == *"lan on this host has a tunnel already, blk0: a second one would make a loop"* ]]
	tunnel down
	at new ip link del vnet0
	at old ip addr del 192.0.2.9/24 dev lan
	at old ip addr add 192.0.2.1/24 dev lan
	traces | diff before -
	at old ip link add loop type veth peer name loop netns "$(cat new.pid)"
	at old ip link set loop master lan up
	at new ip link set loop master lan up
	run -2 --separate-stderr tunnel up --type vxlan --bridge lan
	[[ $stderr == *"are connected already: the tunnel would make a loop"* ]]
}

@test "the way to the other host is not joined to the tunnel" {
	start_ends
	start_lan
	at old ip link set cable master lan
	at old ip addr del 10.77.0.1/24 dev cable
	at old ip addr add 10.77.0.1/24 dev lan
	wait_for 10 at old ping -c 1 -W 1 10.77.0.2

	run -2 --separate-stderr tunnel up --type vxlan --bridge lan

	[[ $stderr == *"this host reaches 10.77.0.2 on the network of lan itself"* ]]
}
