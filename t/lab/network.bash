# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Two hosts with a cable between them, whose cable can be pulled: `load network` after
# helpers.  "old" is 10.77.0.1 and "new" 10.77.0.2; an sshd runs on new.

# start_network: the two of them, and the sshd.
start_network() {
	require nft ss ssh sshd
	start_cable
	start_far_sshd
}

# start_cable: network namespaces that last as long as their processes, and those no longer
# than who started them.
start_cable() {
	local host

	require_root "namespaces"
	require unshare nsenter setpriv ip
	for host in old new; do
		background setpriv --pdeathsig KILL unshare --net \
			sh -c "ip link set lo up && touch '$dir/$host.up' && exec sleep infinity"
		echo "$pid" >"$dir/$host.pid"
		wait_for 10 test -e "$dir/$host.up"
	done
	ip link add cable netns "$(cat "$dir/old.pid")" type veth peer name cable netns "$(cat "$dir/new.pid")"
	at "old" ip addr add 10.77.0.1/24 dev cable
	at "new" ip addr add 10.77.0.2/24 dev cable
	at "old" ip link set cable up
	at "new" ip link set cable up
}

# at HOST COMMAND [ARGUMENT ...]
at() {
	nsenter --net="/proc/$(cat "$dir/$1.pid")/ns/net" "${@:2}"
}

# Both sides ask whether the other is there: a session whose peer has gone ends in seconds.
start_far_sshd() {
	mkdir -p "$dir/ssh" /run/sshd
	chmod 700 "$dir/ssh"
	ssh-keygen -q -t ed25519 -N '' -f "$dir/ssh/host"
	ssh-keygen -q -t ed25519 -N '' -f "$dir/ssh/user"
	port=22
	write_sshd_config | sed 's/^ListenAddress .*/ListenAddress 10.77.0.2/' >"$dir/ssh/sshd_config"
	printf '%s\n' 'ClientAliveInterval 2' 'ClientAliveCountMax 2' >>"$dir/ssh/sshd_config"
	write_ssh_config | sed 's/^HostName .*/HostName 10.77.0.2/' >"$dir/ssh/config"
	printf '10.77.0.2 %s\n' "$(cut -d ' ' -f 1,2 "$dir/ssh/host.pub")" >"$dir/ssh/known"
	config=$dir/ssh/config
	background nsenter --net="/proc/$(cat new.pid)/ns/net" \
		"$(command -v sshd)" -D -e -f "$dir/ssh/sshd_config" 2>"$dir/ssh/log"
	sshd=$pid
	wait_for 20 at old ssh -F "$config" new true
}

# Drop all packets that come to new, until packets_pass.
packets_drop() {
	at new nft "add table ip cut; add chain ip cut in { type filter hook input priority 0; ${1:-policy drop;} }"
}

packets_pass() {
	at new nft delete table ip cut
}
