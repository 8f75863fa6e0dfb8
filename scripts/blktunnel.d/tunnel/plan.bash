# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The plan of a tunnel: its ends, its inner addresses, and the obstacles.

# The addresses of both hosts, between which it runs, and the device, the gateway and the MTU of the
# way to the other one.
declare -A outer=() outer_device=() outer_via=() outer_mtu=() has_tool=()
outer_family='' overhead=''
problems=()

# problem TEXT CURE: all are reported together.
problem() {
	problems+=("$1: $2")
}

refuse_problems() {
	local each

	[ ${#problems[@]} -gt 0 ] || return 0
	for each in "${problems[@]}"; do
		warn "$each"
	done
	die "nothing was changed"
}

make_plan() {
	local host

	look_for_tunnel "$name"
	adopt_tunnel
	find_outer
	for host in old new; do
		look_at_way "$host"
		look_at_tools "$host"
		[ "${tunnel_state[$host]}" != foreign ] ||
			problem "$(name_of "$host") has a device $name that is not ours" "--name gives the tunnel another one"
	done
	check_type
	choose_inside
	[ -z "$bridge_wanted" ] || look_at_bridges
}

# is_up: whether the tunnel that is there is the one that is wanted.
is_up() {
	[ "${tunnel_state[old]},${tunnel_state[new]}" = up,up ]
}

# adopt_tunnel: a tunnel that is up stays as it is; the options must not ask for anything else.
adopt_tunnel() {
	local fields bridges

	if ! is_up; then
		type=${type:-gre}
		return
	fi
	read -r -a fields <<<"${tunnel_alias[old]}"
	bridges=${bridge_wanted%,*}
	[ "${type:-$tunnel_type},${bridges:-$tunnel_bridge}" = "$tunnel_type,$tunnel_bridge" ] ||
		die "$name is up already, as $tunnel_type$([ "$tunnel_bridge" = - ] || echo " in $tunnel_bridge"): blktunnel down$(options_again) takes it away"
	type=$tunnel_type back=$tunnel_back port=${fields[4]}
	outer_wanted=${outer_wanted:-${fields[2]},${fields[3]}}
	four_wanted=${inner_four[old]:-none} six_wanted=${inner_six[old]:-none}
	[ "$tunnel_bridge" = - ] || bridge_wanted=${bridge_wanted:-$tunnel_bridge,$(bridge_of new)}
	ask old "$a_number" bash -c 'ip -o link show dev "$1" | sed -n "s/.* mtu \([0-9]*\) .*/\1/p"' mtu "$name" ||
		die "$(name_of old): the MTU of $name cannot be read"
	made_mtu=$answer
}

# adopt_ends: the same for what is known of each host.
adopt_ends() {
	local host fields

	adopt_tunnel
	for host in old new; do
		read -r -a fields <<<"${tunnel_alias[$host]}"
		outer[$host]=${fields[2]} bridge[$host]=${fields[6]}
		look_at_tools "$host"
	done
}

# bridge_of HOST: print the bridge of which its end is a port.
bridge_of() {
	local fields

	read -r -a fields <<<"${tunnel_alias[$1]}"
	printf '%s\n' "${fields[6]}"
}

# options_again: the options that select the same tunnel.
options_again() {
	[ -z "${address[old]}" ] || printf ' --from %s' "$(quote "${address[old]}")"
	printf ' --to %s' "$(quote "${address[new]}")"
	[ "$name" = blk0 ] || printf ' --name %s' "$name"
}

# find_outer: as the options say, or the addresses by which we reach the hosts; this host's own is the
# one that it would use.
find_outer() {
	local host other

	if [ -n "$outer_wanted" ]; then
		outer[old]=${outer_wanted%%,*} outer[new]=${outer_wanted#*,}
	else
		[ -n "${address[old]}" ] || [ -n "${address[new]}" ] || die "both ends are this host"
		for host in old new; do
			[ -z "${address[$host]}" ] || outer_of_session "$host"
		done
		for host in old new; do
			[ "$host" = old ] && other=new || other=old
			[ -n "${address[$host]}" ] || outer_of_route "$host" "${outer[$other]}"
		done
	fi
	for host in old new; do
		parse_address "${outer[$host]}" && [[ ${outer[$host]} != */* ]] ||
			die "$(name_of "$host"): \"${outer[$host]}\" is not an address to which a tunnel could run: --outer OLD,NEW names both"
		[ "$family" = "${outer_family:=$family}" ] ||
			die "${outer[old]} and ${outer[new]} are not of the same family: --outer OLD,NEW names both"
	done
	[ "${outer[old]}" != "${outer[new]}" ] || die "both ends are ${outer[old]}"
}

outer_of_session() {
	ask "$1" "$an_address" bash -c 'set -- $SSH_CONNECTION; echo "${3:-}"' outer ||
		die "$(name_of "$1") does not say by which address it is reached: --outer OLD,NEW names both"
	outer[$1]=${answer#::ffff:}
}

outer_of_route() {
	ask "$1" "$an_address" bash -c 'ip -o route get "$1" | sed -n "s/.* src \([0-9a-f:.]*\).*/\1/p"' outer "$2" ||
		die "$(name_of "$1") has no route to $2"
	outer[$1]=$answer
}

# look_at_way HOST: to the other end.
look_at_way() {
	local host=$1 other=old

	[ "$host" != old ] || other=new
	outer_device[$host]='' outer_via[$host]='' outer_mtu[$host]=1500
	if ! asks_yes "$host" bash -c '[ -n "$(ip -o addr show to "$1")" ]' has-address "${outer[$host]}"; then
		problem "${outer[$host]} is not an address of $(name_of "$host") itself" "--outer OLD,NEW names those by which the hosts see each other"
		return
	fi
	route_facts "$host" "${outer[$other]}"
	if [ "$route_kind" != unicast ]; then
		problem "$(name_of "$host") has no route to ${outer[$other]}" "the hosts must reach each other"
		return
	fi
	[ "$route_device" != "$name" ] || die "$(name_of "$host") reaches ${outer[$other]} through $name itself: a tunnel cannot run through itself"
	outer_device[$host]=$route_device outer_via[$host]=$route_via
	ask "$host" "$a_number" bash -c 'ip -o link show dev "$1" | sed -n "s/.* mtu \([0-9]*\) .*/\1/p"' mtu "$route_device" ||
		die "$(name_of "$host"): the MTU of $route_device cannot be read"
	outer_mtu[$host]=$answer
}

# look_at_tools HOST: has_tool[HOST-TOOL], and has_tool[HOST-ipv6].
look_at_tools() {
	local host=$1 each

	ask_lines "$host" '[a-z0-9]+' bash -c '
		for each in ip ping nft iptables perl wg; do
			command -v "$each" >/dev/null && echo "$each"
		done
		[ ! -e /proc/sys/net/ipv6 ] || echo ipv6' tools || die "$(name_of "$host") cannot be asked"
	for each in "${answers[@]}"; do
		has_tool[$host-$each]=yes
	done
	[ -n "${has_tool[$host-ping]:-}" ] || problem "$(name_of "$host") has no ping" "apt install iputils-ping"
	[ "$type" != wireguard ] || [ -n "${has_tool[$host-wg]:-}" ] ||
		problem "$(name_of "$host") has no wg" "apt install wireguard-tools"
	[ -n "${has_tool[$host-nft]:-}${has_tool[$host-iptables]:-}" ] ||
		warn "$(name_of "$host") has neither nft nor iptables: the MSS of TCP is not clamped, and TCP finds the MTU only by ICMP"
}

# check_type: check that the type can do what is asked for, and set the bytes that it takes of each packet.
check_type() {
	local ip=20

	[ "$outer_family" = 4 ] || ip=40
	case $type in
	gre) overhead=$((ip + 4)) ;;
	sit)
		overhead=20
		[ "$outer_family" = 4 ] || problem "a tunnel of the type sit runs over IPv4" "--type gre, or --outer with addresses of IPv4"
		[ -z "$four_wanted" ] || [ "$four_wanted" = none ] || problem "a tunnel of the type sit carries only IPv6" "--type gre carries both"
		four_wanted=none
		;;
	gretap) overhead=$((ip + 4 + 14)) ;;
	vxlan) overhead=$((ip + 8 + 8 + 14)) ;;
	wireguard) overhead=$((ip + 8 + 32)) ;;
	esac
	case $type in
	vxlan) port=${port:-4789} ;;
	wireguard) port=${port:-51820} ;;
	*) port=0 ;;
	esac
	if [ -n "$bridge_wanted" ] && [[ $type != gretap && $type != vxlan ]]; then
		problem "a tunnel of the type $type carries no Ethernet, and cannot be a port of a bridge" "--type gretap or --type vxlan"
		bridge_wanted=''
	fi
}

# protocol_words: name the protocol that a firewall has to let pass.
protocol_words() {
	case $type in
	gre | gretap) echo "protocol 47 (GRE)" ;;
	sit) echo "protocol 41 (IPv6 in IPv4)" ;;
	*) echo "UDP port $port" ;;
	esac
}

# --- addresses inside -------------------------------------------------------------

# choose_inside: inner_four and inner_six of both ends, where they are wanted.
choose_inside() {
	local host

	! is_up || return 0
	for host in old new; do
		[ -n "${has_tool[$host-ipv6]:-}" ] || {
			[ -z "$six_wanted" ] || [ "$six_wanted" = none ] || problem "$(name_of "$host") has no IPv6" "--ula none"
			six_wanted=none
		}
	done
	inner_four=([old]='' [new]='') inner_six=([old]='' [new]='')
	[ "$four_wanted" = none ] || choose_four
	[ "$six_wanted" = none ] || choose_six
	[ -n "${inner_four[old]}${inner_six[old]}" ] || problem "no address is left for the inside" "--private or --ula"
}

# choose_four: a /30 of private addresses that neither host has a route to.
choose_four() {
	local try net digits

	if [ -n "$four_wanted" ]; then
		parse_address "$four_wanted" && [ "$family" = 4 ] && is_network && [ "$bits" -le 31 ] ||
			die "--private wants a network of IPv4 for both ends, as 10.99.7.0/30"
		is_free "$four_wanted" || problem "$four_wanted is in use on $taken_on" "--private names another network"
		set_four
		return
	fi
	for try in 1 2 3 4 5 6 7 8; do
		digits=$(od -An -N3 -tu1 /dev/urandom)
		read -r -a net <<<"$digits"
		parse_address "10.${net[0]}.${net[1]}.$((net[2] & 252))/30" || die "no address can be made"
		is_free "$plain_address/$bits" && set_four && return
	done
	problem "no private network was found that is free on both hosts" "--private names one"
}

set_four() {
	local first=1

	[ "$bits" != 31 ] || first=0
	show_address "$hex" "$first"
	inner_four[old]=$shown_address/$bits
	show_address "$hex" $((first + 1))
	inner_four[new]=$shown_address/$bits
}

# is_free NETWORK: neither host has a route to any of it, but for the default one; else $taken_on.
taken_on=''
is_free() {
	local host kind=-4 saved=("$family" "$hex" "$bits" "$plain_address")

	[[ $1 != *:* ]] || kind=-6
	for host in old new; do
		if ! asks_yes "$host" bash -c '[ -z "$(ip "$1" route show match "$2" | grep -v "^default"; ip "$1" route show root "$2" | grep -v "^default")" ]' \
			free "$kind" "$1"; then
			taken_on=$(name_of "$host")
			return 1
		fi
	done
	family=${saved[0]} hex=${saved[1]} bits=${saved[2]} plain_address=${saved[3]}
}

# choose_six: a /64 of a prefix of RFC 4193.  Its 40 bits are made as its section 3.2.2 says: of the
# time and of the hardware address of a card, by SHA-1.
choose_six() {
	local digits

	if [ -n "$six_wanted" ]; then
		parse_address "$six_wanted" && [ "$family" = 6 ] && is_network && [ "$bits" -ge 7 ] && [ "$bits" -le 64 ] && [[ $hex == f[cd]* ]] ||
			die "--ula wants a prefix of local addresses, as fd12:3456:789a::/48"
	else
		ask old '([0-9a-f]{12})?' bash -c 'ip -o link show | sed -n "s/.*link\/ether \([0-9a-f:]*\).*/\1/p" | head -n 1 | tr -d :' mac ||
			die "$(name_of old): its network devices cannot be read"
		digits=$(printf '%s %s %s' "${EPOCHREALTIME}" "${answer:0:6}fffe${answer:6}" "$(od -An -N8 -tx1 /dev/urandom)" | sha1sum)
		digits=${digits%% *}
		digits=${digits: -10}
		parse_address "fd${digits:0:2}:${digits:2:4}:${digits:6:4}::/48" || die "no prefix can be made"
	fi
	show_address "$hex" 0
	is_free "$shown_address/64" || problem "$shown_address/64 is in use on $taken_on" "--ula names another prefix"
	show_address "$hex" 1
	inner_six[old]=$shown_address/64
	show_address "$hex" 2
	inner_six[new]=$shown_address/64
}

# --- what is shown ----------------------------------------------------------------

show_plan() {
	local bridges=''

	[ -z "$bridge_wanted" ] || bridges=", between the bridges ${bridge[old]} and ${bridge[new]}"
	say "$name, $type over $(protocol_words), from ${outer[old]} ($(name_of old)) to ${outer[new]} ($(name_of new))$bridges:"
	if [ -n "$bridge_wanted" ]; then
		say "  carries Ethernet; packets that do not fit are sent in fragments"
	else
		say "  inside: ${inner_four[old]}${inner_four[old]:+ and }${inner_four[new]}${inner_four[new]:+${inner_six[new]:+; }}${inner_six[old]}${inner_six[old]:+ and }${inner_six[new]}"
		say "  MTU: at most $(most_inside), $overhead bytes less than on the path between the hosts"
	fi
	[ "$command" != plan ] || is_up ||
		say "  to set it up like this: blktunnel up$(options_again) --type $type$(chosen_options)"
}

most_inside() {
	local least=${outer_mtu[old]}

	[ "${outer_mtu[new]}" -ge "$least" ] || least=${outer_mtu[new]}
	echo $((${mtu_wanted:-$((least - overhead))}))
}

# chosen_options: with them another run chooses the same.
chosen_options() {
	if [ -n "$bridge_wanted" ]; then
		printf ' --bridge %s' "$bridge_wanted"
		return
	fi
	if [ -n "${inner_four[old]}" ] && parse_address "${inner_four[old]}"; then
		printf ' --private %s' "$(network_of "${inner_four[old]}")"
	fi
	[ -z "${inner_six[old]}" ] || printf ' --ula %s' "$(network_of "${inner_six[old]}")"
}

# network_of ADDRESS/LENGTH: print it: the first end's address with its last number taken away.
network_of() {
	local last=1

	parse_address "$1" || return
	[ "$bits" != 31 ] || last=0
	show_address "$hex" "-$last"
	[[ $shown_address != *:0 ]] || shown_address=${shown_address%0}
	printf '%s/%s\n' "$shown_address" "$bits"
}

# summary: describe the tunnel that was set up.
summary() {
	if [ -n "$bridge_wanted" ]; then
		printf '%s between %s and %s' "$type" "${bridge[old]}" "${bridge[new]}"
	else
		printf '%s, MTU %s, inside %s' "$type" "$made_mtu" "${inner_four[new]:+${inner_four[new]%/*} }${inner_six[new]%/*}"
	fi
}
