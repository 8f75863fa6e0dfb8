# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A tunnel between two bridges.  Two ways between the same bridges are a loop, in which each broadcast
# runs for ever; a bridge that the hosts' own traffic uses may swallow the tunnel itself.  So both
# are looked for before, and each host takes its end out of the bridge again unless it is told in
# time that all is well.

declare -A bridge=() bridge_mtu=() bridge_local=() bridge_stp=() bridge_delay=()

# look_at_bridges: find the obstacles to a tunnel between them.
look_at_bridges() {
	local host

	bridge[old]=${bridge_wanted%,*} bridge[new]=${bridge_wanted#*,}
	for host in old new; do
		look_at_bridge "$host"
	done
	! is_up || return 0
	[ ${#problems[@]} -eq 0 ] || return 0
	for host in old new; do
		other_tunnels "$host"
		own_path "$host"
	done
	already_joined
}

look_at_bridge() {
	local host=$1

	bridge_mtu[$host]=1500 bridge_local[$host]='' bridge_stp[$host]=0 bridge_delay[$host]=0
	ask "$host" "none|($a_number) ($a_number) ($a_number)( fe80:[0-9a-f:]+)?" bash -c '
		[ -n "$(ip -o link show dev "$1" type bridge 2>/dev/null)" ] || { echo none; exit; }
		read -r mtu stp delay <<<"$(ip -d -o link show dev "$1" | sed -n "s/.* mtu \([0-9]*\) .* forward_delay \([0-9]*\) .* stp_state \([0-9]*\) .*/\1 \3 \2/p")"
		# The address of a bridge that was just made counts a moment later.
		for try in 1 2 3 4 5 6; do
			[ -n "$(ip -6 -o addr show dev "$1" scope link tentative)" ] || break
			sleep 0.5
		done
		echo "$mtu $stp $delay$(ip -6 -o addr show dev "$1" scope link -tentative | sed -n "s/.* inet6 \(fe80:[0-9a-f:]*\).*/ \1/p" | head -n 1)"' \
		bridge "${bridge[$host]}" || die "$(name_of "$host"): ${bridge[$host]} cannot be looked at"
	if [ "$answer" = none ]; then
		problem "$(name_of "$host") has no bridge ${bridge[$host]}" "ip link add ${bridge[$host]} type bridge, there, or --bridge OLD,NEW"
		return
	fi
	read -r -a answers <<<"$answer"
	bridge_mtu[$host]=${answers[0]} bridge_stp[$host]=${answers[1]} bridge_delay[$host]=$((answers[2] / 100))
	bridge_local[$host]=${answers[3]:-}
}

# other_tunnels HOST: ports of the bridge that lead to the other host, by whoever made them.
other_tunnels() {
	local other=old each

	[ "$1" != old ] || other=new
	ask_lines "$1" "$a_device" bash -c "$tunnel_functions"'
		{
			ip -d -o link show master "$2" | grep -F " remote $3 "
			ip -o link show master "$2" group "$group"
		} | sed -n "s/^[0-9]*: \([^:@]*\).*/\1/p" | sort -u | grep -vxF -- "$1" || true' ports "$name" "${bridge[$1]}" "${outer[$other]}" ||
		die "$(name_of "$1"): the ports of ${bridge[$1]} cannot be read"
	for each in "${answers[@]}"; do
		problem "${bridge[$1]} on $(name_of "$1") has a tunnel already, $each: a second one would make a loop" "take that down first"
	done
}

# own_path HOST: hosts on the network of the bridge itself would be looked for through the tunnel.
own_path() {
	local host=$1 other=old

	[ "$host" != old ] || other=new
	if [ "${outer_device[$host]}" = "${bridge[$host]}" ]; then
		if [ -z "${outer_via[$host]}" ]; then
			problem "$(name_of "$host") reaches ${outer[$other]} on the network of ${bridge[$host]} itself: the hosts, and our ssh, would look for each other through the tunnel" \
				"a bridge of its own for the machines, or --outer with addresses of another network"
		else
			say "  $(name_of "$host") reaches ${outer[$other]} through ${bridge[$host]}, by its router ${outer_via[$host]}: if that is lost, the tunnel leaves the bridge again"
		fi
	fi
}

# already_joined: two bridges of which one reaches the other are one network.  With the spanning tree
# protocol on both, a second way waits until the first one fails.
already_joined() {
	local both_stp=false

	[ "${bridge_stp[old]}" = 0 ] || [ "${bridge_stp[new]}" = 0 ] || both_stp=true
	if [ -z "${bridge_local[old]}" ] || [ -z "${bridge_local[new]}" ]; then
		$both_stp || problem "whether ${bridge[old]} and ${bridge[new]} are connected already cannot be tested, since one has no link-local address" \
			"sysctl -w net.ipv6.conf.${bridge[old]}.disable_ipv6=0 and ip link set ${bridge[old]} up, on both; or STP on both: ip link set ${bridge[old]} type bridge stp_state 1"
		return 0
	fi
	if pings old "${bridge_local[new]}%${bridge[old]}" 2; then
		if $both_stp; then
			say "  ${bridge[old]} and ${bridge[new]} are connected already; STP is on, and blocks one of the two paths"
		else
			problem "${bridge[old]} on $(name_of old) and ${bridge[new]} on $(name_of new) are connected already: the tunnel would make a loop" \
				"none is needed; or STP on both: ip link set ${bridge[old]} type bridge stp_state 1"
		fi
	elif ! $both_stp; then
		say "  STP is off: do not connect these bridges in any other way while the tunnel is up"
	fi
}

# join_bridges: the end loses its addresses and becomes a port, first on the new host; a bridge with STP
# opens it after twice its delay.
join_bridges() {
	local host wait=20

	for host in old new; do
		[ "${bridge_stp[$host]}" = 0 ] || wait=$((2 * bridge_delay[$host] + 20))
	done
	largest_frames
	for host in new old; do
		guarded "$host" bash -c "$tunnel_functions$join_script" join "$name" "${bridge[$host]}" $((wait + 40)) ||
			die "$(name_of "$host"): $name cannot become a port of ${bridge[$host]}"
	done
	if [ -z "${bridge_local[old]}" ] || [ -z "${bridge_local[new]}" ]; then
		warn "whether the bridges reach each other is not tested: one has no link-local address"
		return
	fi
	! pings old "${bridge_local[new]}%${bridge[old]}" "$wait" || return 0
	die "${bridge[new]} on $(name_of new) cannot be reached from ${bridge[old]} on $(name_of old) through $name"
}

# The watch ends what might have cut us off; it looks for the mark that make_ends sets last.
join_script='
set -e
name=$1 bridge=$2 seconds=$3
ip addr flush dev "$name"
[ ! -d "/proc/sys/net/ipv6/conf/$name" ] || echo 1 >"/proc/sys/net/ipv6/conf/$name/disable_ipv6"
index=$(ip -o link show dev "$name" | sed "s/:.*//")
setsid bash -c "sleep $seconds
	[[ \$(ip link show dev $name | grep \"^ *alias\") == *\" up fwd=\"* ]] ||
		[ \"\$(ip -o link show dev $name | sed s/:.*//)\" != $index ] || ip link set dev $name nomaster" </dev/null >/dev/null 2>&1 &
ip link set dev "$name" master "$bridge"'

# largest_frames: whether those of the bridges come through, in fragments; else TCP at least is told
# what does.
largest_frames() {
	local host other=new each

	[ "${bridge_mtu[old]}" = "${bridge_mtu[new]}" ] ||
		warn "${bridge[old]} on $(name_of old) has an MTU of ${bridge_mtu[old]}, ${bridge[new]} on $(name_of new) of ${bridge_mtu[new]}: larger packets are lost between them"
	made_mtu=${bridge_mtu[old]}
	[ "${bridge_mtu[new]}" -ge "$made_mtu" ] || made_mtu=${bridge_mtu[new]}
	for host in old new; do
		inside_of "$other"
		for each in "${inside[@]}"; do
			size_of_way "$host" "$each" $((made_mtu < 1280 ? made_mtu : 1280)) "$made_mtu" dont ||
				die "from $(name_of "$host") packets of 1280 bytes do not come through $name and back"
			[ "$answer" -ge "$made_mtu" ] || warn "fragments are lost on the way: machines in the bridges must have an MTU of $answer (the MSS of TCP is clamped)"
			made_mtu=$answer
		done
		other=old
	done
	# Packets that need no fragments are twice as quick.
	[ "$made_mtu" -le $((outer_mtu[old] - overhead)) ] || made_mtu=$((outer_mtu[old] - overhead))
}
