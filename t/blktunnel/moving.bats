#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Traffic of others to a machine while it moves from the old to the new host: a world that knows the way
# to the old one alone.

load ../helpers
load ../lab/network
load tunnel

# start_world: 198.51.100.2, behind old.
start_world() {
	background setpriv --pdeathsig KILL unshare --net sh -c "ip link set lo up && touch '$dir/world.up' && exec sleep infinity"
	echo "$pid" >world.pid
	wait_for 10 test -e world.up
	at old ip link add uplink type veth peer name eth0 netns "$pid"
	at old ip addr add 198.51.100.1/24 dev uplink
	at old ip link set uplink up
	at world ip addr add 198.51.100.2/24 dev eth0
	at world ip link set eth0 up
	at world ip route add default via 198.51.100.1
	at old sysctl -q -w net.ipv4.ip_forward=1
}

# move_machine: its card is taken out on old and plugged in on new; its memory stays.
move_machine() {
	at old ip link del vnet0
	at new ip link add vnet0 type veth peer name eth0 netns "$(cat machine.pid)"
	at new ip link set vnet0 master lan up
	at machine ip addr add 192.0.2.7/24 dev eth0
	at machine ip link set eth0 up
	at machine ip route add default via 192.0.2.1
}

# serve FILE: by TCP, in small pieces.
serve() {
	background at machine python3 -c '
import socket, sys, time
data = open(sys.argv[1], "rb").read()
client = socket.create_server(("192.0.2.7", 5000)).accept()[0]
for at in range(0, len(data), 40000):
    client.sendall(data[at:at + 40000])
    time.sleep(0.1)' "$1"
	wait_for 10 at machine grep -q :1388 /proc/net/tcp
}

@test "a ping and a download go on while their machine moves, and what is lost is counted" {
	require ping nft python3 stdbuf
	start_cable
	start_lan
	start_world
	start_machine old
	stand_in_for_ssh
	mkdir tmp
	export TMPDIR=$dir/tmp
	"$root/scripts/blktunnel" up --from old --to new --type vxlan --persist none
	make_noise data 4M
	serve data
	background at world stdbuf -oL ping -n -i 0.1 192.0.2.7 >ping.log
	ping=$pid
	background at world bash -c 'cat </dev/tcp/192.0.2.7/5000 >got'
	download=$pid
	wait_for 10 grep -q 'icmp_seq=5 ' ping.log
	wait_for 10 test -s got
	run -1 cmp -s data got

	move_machine
	"$root/scripts/blktunnel" route --from old --to new --persist none --wait 60 192.0.2.7

	before=$(grep -c 'bytes from' ping.log)
	wait_for 20 eval '[ "$(grep -c "bytes from" ping.log)" -gt $((before + 20)) ]'
	wait "$download"
	cmp data got
	kill -INT "$(pgrep -P "$ping" ping || echo "$ping")"
	wait_for 10 grep -q 'packets transmitted' ping.log
	echo "# $(grep 'packets transmitted' ping.log)" >&3
	[ "$(sed -n 's/.*, \([0-9]*\) received.*/\1/p' ping.log)" -gt 20 ]
}
