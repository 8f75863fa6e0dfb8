#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blktunnel: killed at each of its calls; and its snippets, as the programs take them that they are for.

load ../helpers
load ../lab/network
load ../blktunnel/tunnel

# between COMMAND [ARGUMENT ...]: both hosts by the stand-in.
between() {
	"$root/scripts/blktunnel" "$1" --from old --to new "${@:2}" </dev/null
}

# killed_at NUMBER AFTER COMMAND [ARGUMENT ...]: false if it ended before that call.
killed_at() {
	local status=0

	rm -f calls
	kill_at=$1 kill_after=$2 setsid bash -c '"$0" "${@:1:1}" --from old --to new "${@:2}"' "$root/scripts/blktunnel" "${@:3}" \
		>said 2>&1 </dev/null || status=$?
	echo "killed at call $1, $2: status $status"
	[ "$(wc -l <calls)" -ge "$1" ]
}

@test "down takes everything back, at whatever call up and route were killed" {
	require ping nft
	start_cable
	start_lan
	start_machine new
	stand_in_for_ssh
	mkdir tmp
	export TMPDIR=$dir/tmp
	traces >before

	count=0
	for after in '' after; do
		for ((number = 1; ; number++)); do
			killed_at "$number" "$after" up --type vxlan --persist none || break
			between down
			traces | diff before -
			count=$((count + 1))
		done
	done
	for after in '' after; do
		for ((number = 1; ; number++)); do
			between up --type vxlan --persist none
			killed_at "$number" "$after" route --persist none 192.0.2.7 2001:db8:1::7 || break
			between down
			traces | diff before -
			count=$((count + 1))
		done
		between down
	done
	echo "$count kills"
	[ "$count" -gt 60 ]
}

# unpack PACKAGE ...: below $dir/unpacked, installing nothing.
unpack() {
	local each

	mkdir -p debs unpacked
	(cd debs && apt-get download -q -o APT::Sandbox::User=root "$@")
	for each in debs/*.deb; do
		dpkg -x "$each" unpacked
	done
}

# snippet TYPE MANAGER [OPTION ...]: the file for the old host, in the file snippet.
snippet() {
	at old "$root/scripts/blktunnel" plan --outer 10.77.0.1,10.77.0.2 --to new --type "$1" --persist "$2" "${@:3}" |
		sed "/^# new: /,\$d; /sysctl.d/,\$d; s/PUBLIC-KEY-OF-THE-OTHER-HOST/$public/; s|PRIVATE-KEY\$|$private_key|" >snippet
	[ -s snippet ]
}

@test "what makes a tunnel persist is what ifupdown, NetworkManager and networkd take" {
	require ping apt-get dpkg wg
	start_cable
	start_lan
	stand_in_for_ssh
	unpack ifupdown network-manager libnm0 systemd
	private_key=$(wg genkey)
	public=$(wg pubkey <<<"$private_key" | sed 's|/|\\/|g')
	libraries=$(echo "$dir"/unpacked/usr/lib/*-linux-gnu)
	wait_for 10 eval '[[ $(at old ip -6 addr show dev lan scope link) == *fe80* ]]'

	for type in gre sit gretap vxlan wireguard 'gretap --bridge lan'; do
		echo "$type"
		# shellcheck disable=SC2086
		snippet ${type%% *} ifupdown ${type#"${type%% *}"}
		run -0 unpacked/sbin/ifup --no-act --force -i snippet --state-dir="$dir" blk0
		[[ $output == *"ip link add name blk0 type "* ]]
		# shellcheck disable=SC2086
		snippet ${type%% *} networkmanager ${type#"${type%% *}"}
		LD_LIBRARY_PATH=$libraries unpacked/usr/bin/nmcli --offline connection modify connection.autoconnect-priority 1 <snippet >kept
		# It drops what it does not know.
		run -1 grep -vxF -f kept <(grep -v '^#' snippet)
	done
	snippet vxlan networkd
	sed '/\.network$/,$d' snippet >blk0.netdev
	sed -n '/\.network$/,$p' snippet >blk0.network
	run_networkd
	[[ $(cat there) == *" mtu 1450 "*"vxlan id 177 remote 10.77.0.2 local 10.77.0.1"*" inet 10."*" inet6 fd"* ]]
	run -1 grep -E 'Unknown|Invalid|Failed to parse' networkd.log
}

# run_networkd: in a network and mounts of its own, where it sees these files alone.
run_networkd() {
	unshare --net --mount --propagation private bash -c 'set -e
		mount -t tmpfs none /run
		mkdir -p /run/systemd/network
		mount -t tmpfs none /etc/systemd/network
		cp blk0.netdev blk0.network /etc/systemd/network
		mount -t sysfs -o ro none /sys
		ip link set lo up
		ip link add cable type veth peer name other
		ip addr add 10.77.0.1/24 dev cable
		ip link set cable up
		ip link set other up
		timeout 10 /lib/systemd/systemd-networkd >networkd.log 2>&1 || true
		{ ip -d -o link show blk0; ip -o addr show blk0; } | tr "\n" " " >there'
}
