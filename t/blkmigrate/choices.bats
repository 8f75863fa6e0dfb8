#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Choices of a migration that its plan keeps, with two hosts that are this one: hosts.bash.

load ../helpers
load hosts

setup() {
	hosts_begin
}

@test "--preallocate of the plan holds for every pass" {
	migrate prepare --preallocate
	migrate sync
	fallocate -p -o 0 -l 3M old.img

	run -0 --separate-stderr migrate cutover -v

	cmp old.img there/old.img
	[ "$(stat -c %b there/old.img)" -ge 8192 ]
	[[ $stderr == *'blkwrite --verify -v --preallocate '* ]]
}

@test "--compress of the plan holds for later commands, and that of a command for it alone" {
	run -0 --separate-stderr migrate prepare --compress none
	[[ $stderr == *'compressed on the way: none'* ]]

	run -0 --separate-stderr migrate sync -v --compress deflate
	[[ $stderr == *" $dir/old.img | blkzip"* ]]
	run -0 --separate-stderr migrate cutover -v
	[[ $stderr != *blkzip* ]]

	cmp old.img there/old.img
	[ "$(cat host/new/web.state)" = running ]
}

# two_disks: web has a second one, data.img.
two_disks() {
	make_image data.img 2M 7
	sed -i "s|</devices>|<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='$dir/data.img'/><target dev='vdb'/></disk>&|" host/old/web.xml
}

@test "--start: a machine that was off runs there, also with a kernel of --first-boot; without it it stays off" {
	machine_is 'shut off'
	touch kernel
	export at_virsh='create *' then_virsh='echo paused >web.state; exit 0'

	run -3 --separate-stderr migrate plan --first-boot "kernel=$dir/kernel"
	[[ $stderr == *'web is off, so there is no first start that --first-boot could be of'*'or --start, which starts it there'* ]]
	run -0 --separate-stderr migrate run --start --first-boot "kernel=$dir/kernel"

	[ "$(cat host/new/web.state) $(cat host/old/web.state)" = 'running shut off' ]
	[[ $stderr == *'web was off, and runs on new now'* ]]
	grep -q 'new: virsh create .*/first-boot.xml --paused' log
	machine_is 'shut off'
	run -0 --separate-stderr migrate run
	[ ! -e host/new/web.state ]
	[[ $stderr == *'web was off, and is off on new'* ]]
}

@test "--start with --later: it boots before the disk of data is copied, which then follows" {
	machine_is 'shut off'
	two_disks
	export at_virsh='attach-device *' then_virsh='cmp "$FAKE/data.img" "$FAKE/there/data.img" && cat web.state >>"$FAKE/attached"; exit 0'

	run -0 --separate-stderr migrate run -v --start --later vdb

	cmp data.img there/data.img
	cmp old.img there/old.img
	[ "$(sort -u attached)" = running ]
	[ "$(grep -c "^old# .*blkread.* $dir/data.img" <<<"$stderr")" = 1 ]
	[ "$(grep -n 'virsh.* resume ' <<<"$stderr" | cut -d : -f 1 | head -n 1)" -lt "$(grep -n "^old# .*blkread.* $dir/data.img" <<<"$stderr" | cut -d : -f 1)" ]
}

@test "a rollback of --start leaves off what was off" {
	machine_is 'shut off'
	export at_virsh='define *' then_virsh='[ "$HOST" = old ] || exit 1'

	run -4 --separate-stderr migrate run --start

	[ "$(cat host/old/web.state)" = 'shut off' ]
	[[ $stderr == *'web is on old as it was'* ]]
}

@test "--size of the plan: larger images, raw and qcow2, in every pass; no smaller ones, and of no other disk" {
	require qemu-img
	two_disks

	run -0 --separate-stderr migrate prepare --size vda=6M
	[[ $stderr == *"becomes file $dir/there/old.img, of 6.0MiB: 2.0MiB behind the end of the disk are zeros"* ]]
	[ "$(stat -c '%n %s' there/*.img)" = "there/data.img 2097152"$'\n'"there/old.img 6291456" ]
	migrate sync
	printf changed | dd of=old.img bs=1 seek=3000000 conv=notrunc status=none
	run -0 --separate-stderr migrate cutover --verify full

	cmp old.img <(head -c 4M there/old.img)
	cmp <(head -c 2M /dev/zero) <(tail -c 2M there/old.img)
	cmp data.img there/data.img
	machine_is running
	run -3 --separate-stderr migrate plan --size vda=1M --size vdx=9M
	[[ $stderr == *'vda: --size 1M is less than the 4194304 bytes that the disk has'*'--size vdx=9M: no disk vdx is copied as a whole'* ]]
}

# bridged STATE [WORDS]: what is said of br0 where ip has made it so, in a network of its own.
bridged() {
	unshare --net bash -c 'set -e
		[ -z "$2" ] || { eval "ip link add br0 $2" && ip link set br0 "$1"; }
		looks_at_bridge' bridged "$1" "$2"
}

looks_at_bridge() {
	inside 'address[new]=new address[old]=old; on() { shift; "$@"; }
		cat >"$private/target.xml" <<-EOX
			<domain><devices><interface type="bridge"><source bridge="br0"/>'"$virtualport"'</interface></devices></domain>
		EOX
		check_bridges
		printf "%s\n" "${problems[@]}" "${remarks[@]}"' | grep .
}

@test "a bridge that is missing, no bridge, down, or slow by STP is said before; one that is well is not" {
	require_root "networks"
	require ip
	export virtualport='' root dir
	load migrate
	export -f inside looks_at_bridge

	run -0 bridged up ''
	[ "${lines[0]}" = "new has no bridge br0" ]
	run -0 bridged up 'type veth peer name other'
	[ "${lines[0]}" = "br0 on new is a network device, but no bridge: web could not start" ]
	run -0 bridged down 'type bridge'
	[ "$output" = "the bridge br0 on new is down, so web will have no network: there, ip link set br0 up" ]
	run -0 bridged up 'type bridge stp_state 1 forward_delay 1500'
	[[ $output == "the bridge br0 on new has STP, and passes nothing of web for 30 seconds after its start: "* ]]
	run -1 bridged up 'type bridge stp_state 0'
	export virtualport='<virtualport type="openvswitch"/>'
	run -1 bridged up 'type veth peer name other'
}
