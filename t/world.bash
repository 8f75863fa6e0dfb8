# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Two hosts in which the examples of README and the manuals run as they are printed: `load
# world` after helpers.  On each of them /dev/vg/web is a volume of its own, on "old" with a
# disk in it, on "new" with older data; old reaches new by name, with ssh and nc.
# They share a private network, in which ports like 5000 are free.

# start_world: the volumes are $dir/old.img and $dir/new.img, 24 MiB each.
start_world() {
	local host

	require_root "namespaces"
	require unshare nsenter ip ssh sshd
	make_image old.img 24M 1
	make_noise new.img 24M 2
	background unshare --net sh -c 'ip link set lo up && touch network && exec sleep 3600'
	network=/proc/$pid/ns/net
	wait_for 10 test -e network
	printf '127.0.0.1 localhost old new\n' >hosts
	for host in old new; do
		mkdir "$dir/$host"
		attach "$dir/$host.img"
		echo "$device" >"$host.device"
	done
	start_new_sshd
}

# on HOST COMMAND: run the command in a shell on that host, in the folder $dir/HOST.
on() {
	(on_exec "$@")
}

on_exec() {
	exec nsenter --net="$network" "$root/t/private" bash "$root/t/world-enter" "$dir" "$1" bash -o pipefail -c "$2"
}

start_new_sshd() {
	make_keys
	mkdir -p "$dir/path" /run/sshd
	port=22
	write_sshd_config >"$dir/ssh/sshd_config"
	write_ssh_config >"$dir/ssh/config"
	printf 'new %s\n' "$(cut -d ' ' -f 1,2 "$dir/ssh/host.pub")" >"$dir/ssh/known"
	sed -i 's/^HostName .*/HostName new/' "$dir/ssh/config"
	printf '#!/bin/sh\nexec %s -F "%s" "$@"\n' "$(command -v ssh)" "$dir/ssh/config" >"$dir/path/ssh"
	chmod +x "$dir/path/ssh"
	background on_exec new "exec $(command -v sshd) -D -e -f $dir/ssh/sshd_config" 2>"$dir/ssh/log"
	wait_for 20 on old 'ssh new true'
}

# wait_for_port PORT: until somebody listens there, on the network of both.
wait_for_port() {
	wait_for 10 nsenter --net="$network" \
		grep -q "$(printf ':%04X 00000000:0000 0A\|:%04X 0\{32\}:0000 0A' "$1" "$1")" \
		/proc/net/tcp /proc/net/tcp6
}
