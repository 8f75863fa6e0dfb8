# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A tunnel of blktunnel, as both hosts know it, and routes through it.
#
# Whatever is made carries a mark on the host itself, so that any later run finds it, also after
# this one was killed between any two commands:
#
#	device		NAME, in the group "blkt" from its creation on; its alias says what it is,
#			and what else was changed for it: fwd= devices that forward, ndp= devices
#			that answer for others, each written down before it is done
#	addresses, routes	of that device: they go with it; routes have the protocol 177
#	rules		of the new host, protocol 177, for a table that only NAME has
#	proxies		for an address that has such a route, protocol 177
#	nftables	tables blktunnel-NAME; iptables: chains of that name
#
# A host that boots anew has none of it.

# "blkt" in ASCII.
tunnel_group=1651272564
tunnel_protocol=177
# shellcheck disable=SC2034
{
	tunnel_types='gre|sit|gretap|vxlan|wireguard'
	a_tunnel_name='[a-z][a-z0-9_-]{0,14}'
	a_device='[^][:space:]/;,]{1,15}'
}
an_address='[0-9a-f.:]{2,39}'
# Type, both outer addresses, port, way back, bridge, state, what else was changed.
an_alias="blktunnel ($tunnel_types) $an_address $an_address [0-9]{1,5} (tunnel|direct) [A-Za-z0-9_.-]{1,15} (new|up) fwd=[^][:space:]/]+ ndp=[^][:space:]/]+"

# What look_for_tunnel finds: on each host none, foreign, new or up; and what it is.
declare -A tunnel_state=() tunnel_alias=() inner_four=() inner_six=()
tunnel_name='' tunnel_type='' tunnel_back='' tunnel_bridge='' tunnel_table=''

# tunnel_functions: begins a script for a host.  marked_alias prints the alias of the device $name;
# note WORD DEVICE adds to it, first; others_alias prints the name of another tunnel of ours.
tunnel_functions='group='$tunnel_group' protocol='$tunnel_protocol'
marked_alias() {
	ip link show dev "$name" | sed -n "s/^    alias //p" | head -n 1
}
is_ours() {
	[[ $(ip link show dev "$name" 2>/dev/null | head -n 1) == *" group $group "* ]]
}
note() {
	local alias

	alias=$(marked_alias)
	[[ $alias =~ ^(.*\ $1=)([^\ ]*)(.*)$ ]] || return
	case ,${BASH_REMATCH[2]}, in
	*,"$2",*) return ;;
	,-,) alias=${BASH_REMATCH[1]}$2${BASH_REMATCH[3]} ;;
	*) alias=${BASH_REMATCH[1]}${BASH_REMATCH[2]},$2${BASH_REMATCH[3]} ;;
	esac
	ip link set dev "$name" alias "$alias"
}
forward() {
	local file=/proc/sys/net/ipv4/conf/$1/forwarding

	[ "$1" = "$name" ] || [ "$(cat "$file")" = 1 ] || note fwd "$1" || return
	echo 1 >"$file"
}
'

# look_for_tunnel NAME: what both hosts have of it.
look_for_tunnel() {
	local host

	tunnel_name=$1 tunnel_type='' tunnel_back='' tunnel_bridge=''
	tunnel_table=$(cksum <<<"$1")
	tunnel_table=$((0x62000000 + ${tunnel_table%% *} % 0x1000000))
	for host in old new; do
		look_at_end "$host"
	done
}

# look_at_end HOST
look_at_end() {
	local host=$1 each fields

	tunnel_state[$host]=none tunnel_alias[$host]='' inner_four[$host]='' inner_six[$host]=''
	ask_lines "$host" "none|foreign|ours|alias.*|four $an_address/[0-9]+|six $an_address/[0-9]+" bash -c "$tunnel_functions"'
		name=$1
		ip -o link show >/dev/null || exit 2
		ip link show dev "$name" >/dev/null 2>&1 || { echo none; exit; }
		is_ours || { echo foreign; exit; }
		echo ours
		echo "alias $(marked_alias)"
		ip -4 -o addr show dev "$name" scope global | sed -n "s/.* inet \([0-9.]*\/[0-9]*\) .*/four \1/p"
		ip -6 -o addr show dev "$name" scope global | sed -n "s/.* inet6 \([0-9a-f:]*\/[0-9]*\) .*/six \1/p"' look "$tunnel_name" ||
		die "$(name_of "$host"): its network devices cannot be read"
	for each in "${answers[@]}"; do
		case $each in
		ours) tunnel_state[$host]=new ;;
		foreign) tunnel_state[$host]=$each ;;
		'four '*) inner_four[$host]=${each#* } ;;
		'six '*) inner_six[$host]=${each#* } ;;
		'alias '*)
			[[ ${each#* } =~ ^($an_alias)$ ]] || continue
			tunnel_alias[$host]=${each#* }
			read -r -a fields <<<"${each#* }"
			tunnel_state[$host]=${fields[7]}
			tunnel_type=${fields[1]} tunnel_back=${fields[5]}
			[ "$host" = new ] || tunnel_bridge=${fields[6]}
			;;
		esac
	done
}

# need_tunnel NAME: die unless it is up on both hosts.
need_tunnel() {
	local host

	look_for_tunnel "$1"
	for host in old new; do
		case ${tunnel_state[$host]} in
		up) ;;
		foreign) die "$(name_of "$host") has a device $1 that is not of blktunnel" ;;
		*) die "the tunnel $1 is not up on $(name_of "$host"): blktunnel up" ;;
		esac
	done
}

# --- an address -------------------------------------------------------------------

# route_facts HOST ADDRESS: $route_kind, $route_device and $route_via are those of the host's own route to
# it; $route_match is the prefix that it is for.
route_kind='' route_device='' route_via='' route_match=''
route_facts() {
	local words

	ask -q "$1" 'none|[^;]+' bash -c 'ip -o route get fibmatch "$1" || echo none' route-get "$2" ||
		die "$(name_of "$1"): its route to $2 cannot be read"
	route_kind=unicast route_device='' route_via='' route_match=''
	read -r -a words <<<"$answer"
	case ${words[0]} in
	none) route_kind=none && return ;;
	local | unreachable | blackhole | prohibit | throw | broadcast | multicast | anycast)
		route_kind=${words[0]}
		words=("${words[@]:1}")
		;;
	esac
	route_match=${words[0]}
	while [ ${#words[@]} -gt 1 ]; do
		case ${words[0]} in
		dev) route_device=${words[1]} ;;
		via) route_via=${words[1]} ;;
		esac
		words=("${words[@]:1}")
	done
	[[ -z $route_device || $route_device =~ ^($a_device)$ ]] ||
		die "$(name_of "$1"): \"$(printable "$route_device")\" is not the name of a device"
}

# route_refused ADDRESS: die if its traffic must not be sent through the tunnel.  Sets $wanted_hex,
# $wanted_bits, $wanted_family, and $inner_needed: what the other end is called inside.
wanted_hex='' wanted_bits='' wanted_family='' inner_needed=''
route_refused() {
	local text=$1 host fields each

	parse_address "$text" && is_network || die "$text is no address"
	wanted_hex=$hex wanted_bits=$bits wanted_family=$family
	[ "$wanted_bits" -gt 0 ] || die "$text would send everything through the tunnel"
	inner_needed=${inner_four[new]%/*}
	[ "$wanted_family" = 4 ] || inner_needed=${inner_six[new]%/*}
	case $tunnel_type,$wanted_family in
	sit,4) die "$text: a tunnel of the type sit carries only IPv6: --type gre carries both" ;;
	esac
	[ -n "$inner_needed" ] ||
		die "$text: $tunnel_name has no address of IPv$wanted_family inside: take it down, and up without \"none\""
	read -r -a fields <<<"${tunnel_alias[old]}"
	for each in "${fields[2]}" "${fields[3]}"; do
		parse_address "$each" || continue
		! covers "$wanted_hex" "$wanted_bits" "$hex" ||
			die "$text: the tunnel itself runs to $each, which would be sent through it"
	done
	for host in old new; do
		ask "$host" "|$an_address" bash -c 'set -- $SSH_CONNECTION; echo "${1:-}"' ssh-path || die "$(name_of "$host") cannot be asked"
		parse_address "${answer#::ffff:}" || continue
		! covers "$wanted_hex" "$wanted_bits" "$hex" ||
			die "$text: we reach $(name_of "$host") from $answer, to which no answer would come back"
	done
	asks_yes old bash -c '[ "$2" != 6 ] || [ "$(cat /proc/sys/net/ipv6/conf/all/forwarding)" = 1 ]' forwards "$text" "$wanted_family" ||
		die "$text: $(name_of old) does not forward IPv6: sysctl -w net.ipv6.conf.all.forwarding=1, and accept_ra=2 where its own route comes by router advertisements"
	asks_yes new bash -c '[ "$2" != 6 ] || [ "$(cat /proc/sys/net/ipv6/conf/all/forwarding)" = 1 ]' forwards "$text" "$wanted_family" ||
		die "$text: $(name_of new) does not forward IPv6: sysctl -w net.ipv6.conf.all.forwarding=1, and accept_ra=2 where its own route comes by router advertisements"
}

# route_lan ADDRESS: $lan is the device of the old host on whose network it is, or empty: there the
# old host has to answer for it.
lan=''
route_lan() {
	lan=''
	route_facts old "$1"
	case $route_kind in
	local) die "$1 is an address of $(name_of old) itself" ;;
	unicast) ;;
	*) return 0 ;;
	esac
	[ "$route_device" != "$tunnel_name" ] && [ -z "$route_via" ] && [ "$route_match" != default ] || return 0
	# A route for this very address, to the device of its machine, is no LAN.
	parse_address "$route_match" && [ "$bits" -lt "$wanted_bits" ] || return 0
	[ "$wanted_family,$wanted_bits" = 4,32 ] || [ "$wanted_family,$wanted_bits" = 6,128 ] ||
		die "$1 is a part of the network of $route_device on $(name_of old): name single addresses there"
	lan=$route_device
}

# route_target ADDRESS: $behind is the device by which the new host reaches it: by a route of its own,
# and not through the tunnel.
behind=''
route_target() {
	route_facts new "$1"
	case $route_kind in
	local) die "$1 is an address of $(name_of new) itself: only what is behind it can be moved" ;;
	unicast) ;;
	*) die "$(name_of new) has no route to $1: ip route add $1 dev BRIDGE, there" ;;
	esac
	[ "$route_match" != default ] ||
		die "$(name_of new) has only its default route to $1, which leads back to the old network: ip route add $1 dev BRIDGE, there"
	[ "$route_device" != "$tunnel_name" ] || die "$(name_of new) sends $1 through $tunnel_name itself"
	behind=$route_device
}

# route_add ADDRESS: what route_refused, route_lan and route_target have found out about it is known.
# The new host first, so that what arrives there gets an answer.
route_add() {
	local via=${inner_four[old]%/*}

	[ "$wanted_family" = 4 ] || via=${inner_six[old]%/*}
	guarded new bash -c "$tunnel_functions$route_there" route "$tunnel_name" "$1" "$wanted_family" "$via" "$tunnel_back" "$tunnel_table" "$behind" ||
		die "$(name_of new): the way back for $1 cannot be made"
	guarded old bash -c "$tunnel_functions$route_here" route "$tunnel_name" "$1" "$wanted_family" "$inner_needed" "$lan" "$announce" ||
		die "$(name_of old): the route to $1 cannot be made"
}

# What comes from the address goes back through the tunnel, but for what the new host has a route of
# its own for: the provider there may drop foreign addresses.
route_there='
set -e
name=$1 address=$2 family=$3 via=$4 back=$5 table=$6 behind=$7
if [ "$family" = 4 ]; then
	forward "$name"
	forward "$behind"
else
	echo 1 >"/proc/sys/net/ipv6/conf/$name/forwarding"
fi
if [ "$back" = tunnel ]; then
	ip "-$family" route replace default via "$via" dev "$name" table "$table" proto "$protocol"
	for rule in "pref 17699 from $address lookup main suppress_prefixlength 0" "pref 17700 from $address lookup $table"; do
		read -r -a words <<<"$rule"
		ip "-$family" rule add "${words[@]}" protocol "$protocol" 2>/dev/null ||
			[ -n "$(ip "-$family" rule show pref "${words[1]}" from "$address")" ]
	done
elif nft list set inet "blktunnel-$name" "from$family" >/dev/null 2>&1; then
	nft add element inet "blktunnel-$name" "from$family" "{ $address }"
fi'

# A program for perl, which every Debian has: the neighbours learn at once whose card answers for the
# address, by ARP, or by an advertisement of IPv6, whose checksum the kernel fills in.
announce='use strict; use Socket qw(:DEFAULT inet_pton pack_sockaddr_in6);
	my ($device, $mac, $address) = @ARGV;
	my $index = `ip -o link show dev $device` =~ /^(\d+):/ ? $1 : die;
	my ($socket, $packet, $to);
	$mac = pack("H12", $mac =~ s/://gr);
	if ($address =~ /:/) {
		socket($socket, AF_INET6, SOCK_RAW, 58) or die;
		setsockopt($socket, 41, 18, pack("i", 255)) and setsockopt($socket, 41, 17, pack("i", $index)) or die;
		$packet = pack("CCnN", 136, 0, 0, 0xa0000000) . inet_pton(AF_INET6, $address) . "\x02\x01$mac";
		$to = pack_sockaddr_in6(0, inet_pton(AF_INET6, "ff02::1"), $index);
	} else {
		socket($socket, 17, SOCK_RAW, 0) or die;
		$address = inet_aton($address);
		$packet = "\xff" x 6 . $mac . pack("nnnCCn", 0x0806, 1, 0x0800, 6, 4, 2) . $mac . $address . "\xff" x 6 . $address;
		$to = pack("SniSCCa8", 17, 0x0806, $index, 1, 0, 6, "\xff" x 6);
	}
	send($socket, $packet, 0, $to) for 1, 2;'

# A route that is there stays, behind ours: it counts again as soon as ours is gone.
route_here='
set -e
name=$1 address=$2 family=$3 via=$4 lan=$5 announce=$6
if [ "$family" = 4 ]; then
	forward "$name"
	uplink=$(ip -4 route show default | sed -n "s/.* dev \([^ ]*\).*/\1/p" | head -n 1)
	[ -z "$uplink" ] || forward "$uplink"
	[ -z "$lan" ] || forward "$lan"
	[ -n "$(ip -4 route show "$address" dev "$name" proto "$protocol")" ] ||
		ip -4 route prepend "$address" via "$via" dev "$name" proto "$protocol"
else
	echo 1 >"/proc/sys/net/ipv6/conf/$name/forwarding"
	[ -n "$(ip -6 route show "$address" dev "$name" proto "$protocol")" ] ||
		ip -6 route add "$address" via "$via" dev "$name" proto "$protocol" metric 1
fi
host=${address%/*}
case "$(ip -o route get "$host") " in
*" dev $name "*) ;;
*)
	echo "another route or rule to $address comes first: $(ip -o route get "$host")" >&2
	exit 1
	;;
esac
[ -n "$lan" ] || exit 0
if [ "$family" = 6 ] && [ "$(cat "/proc/sys/net/ipv6/conf/$lan/proxy_ndp")" != 1 ]; then
	note ndp "$lan"
	echo 1 >"/proc/sys/net/ipv6/conf/$lan/proxy_ndp"
fi
ip "-$family" neigh replace proxy "$host" dev "$lan" protocol "$protocol"
mac=$(ip -o link show dev "$lan" | sed -n "s/.* link\/ether \([0-9a-f:]*\).*/\1/p")
[ -z "$mac" ] || perl -e "$announce" "$lan" "$mac" "$host" || true'

# route_remove ADDRESS: on the old host first; it is no fault if nothing of it is there.  False if
# something stays, and it says what.
route_remove() {
	parse_address "$1" || die "$1 is no address"
	guarded old bash -c "$tunnel_functions$remove_here" unroute "$tunnel_name" "$1" "$family" || {
		warn "$(name_of old): the route to $1 through $tunnel_name cannot be removed"
		return 1
	}
	guarded new bash -c "$tunnel_functions$remove_there" unroute "$tunnel_name" "$1" "$family" "$tunnel_table" || {
		warn "$(name_of new): the way back for $1 through $tunnel_name cannot be removed"
		return 1
	}
}

# Proxies first: each must be found by its route.
remove_here='
set -e
name=$1 address=$2 family=$3
is_ours || exit 0
ip "-$family" neigh show proxy to "${address%/*}" | while read -r host word device rest; do
	[[ $word = dev && " $rest " == *" proto $protocol "* ]] || continue
	ip "-$family" neigh del proxy "$host" dev "$device"
done
[ -z "$(ip "-$family" route show "$address" dev "$name" proto "$protocol")" ] ||
	ip "-$family" route del "$address" dev "$name" proto "$protocol"'

remove_there='
set -e
name=$1 address=$2 family=$3 table=$4
for pref in 17699 17700; do
	[ -z "$(ip "-$family" rule show pref "$pref" from "$address")" ] ||
		ip "-$family" rule del pref "$pref" from "$address" protocol "$protocol"
done
nft delete element inet "blktunnel-$name" "from$family" "{ $address }" 2>/dev/null || true'
