# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What makes a tunnel come back when a host boots: printed for who manages the network there, to be
# put into files by hand.

# The variables of the snippets, on one host.
snippet_host='' mine='' far='' peer_four='' peer_six='' snippet_routes=() snippet_from=() snippet_proxies=()

# show_persistent: for both hosts.  Unasked only where something has been made.
show_persistent() {
	local host manager

	[ "$persist" != none ] || return 0
	[ -n "$persist" ] || [[ $command == @(up|route) ]] || return 0
	for host in old new; do
		manager=$persist
		[ -n "$manager" ] || find_manager "$host"
		[ -n "$manager" ] || manager=$answer
		if [ "$manager" = unknown ]; then
			say "$(name_of "$host"): cannot tell which program manages its network; --persist ifupdown, networkd or networkmanager prints the configuration that makes $name persist"
			continue
		fi
		gather_snippet "$host"
		make_shown "$("snippet_$manager")"
		printf '%s\n' "$shown_text"
	done
}

# find_manager HOST: in $answer.
find_manager() {
	ask "$1" 'unknown|ifupdown|networkd|networkmanager' bash -c '
		if systemctl -q is-active NetworkManager 2>/dev/null; then
			echo networkmanager
		elif systemctl -q is-active systemd-networkd 2>/dev/null; then
			echo networkd
		elif [ -e /etc/network/interfaces ]; then
			echo ifupdown
		else
			echo unknown
		fi' manager || die "$(name_of "$1") cannot be asked"
}

gather_snippet() {
	local other=old

	[ "$1" != old ] || other=new
	snippet_host=$1 mine=${outer[$1]} far=${outer[$other]}
	peer_four=${inner_four[$other]%/*} peer_six=${inner_six[$other]%/*}
	snippet_routes=() snippet_from=() snippet_proxies=()
	[ -n "$made_mtu" ] || made_mtu=$(most_inside)
	[ "$type" != wireguard ] || find_key "$other"
	[ -z "$bridge_wanted" ] || return 0
	is_up || [ "$command" != plan ] || return 0
	routed_addresses old
	if [ "$1" = new ]; then
		[ "$back" != tunnel ] || snippet_from=("${routed[@]}")
		return
	fi
	snippet_routes=("${routed[@]}")
	ask_lines old "$an_address $a_device" bash -c "$tunnel_functions"'
		{
			ip -4 neigh show proxy
			[ ! -e /proc/sys/net/ipv6 ] || ip -6 neigh show proxy
		} | sed -n "s/^\([^ ]*\) dev \([^ ]*\) .*proto $protocol .*/\1 \2/p"' proxies || die "$(name_of old): its neighbours cannot be read"
	snippet_proxies=("${answers[@]}")
}

# find_key HOST: set $far_key to its public key; in the plan of a tunnel that is not up, to words in its place.
far_key='PUBLIC-KEY-OF-THE-OTHER-HOST'
find_key() {
	far_key='PUBLIC-KEY-OF-THE-OTHER-HOST'
	[ "$command" != plan ] || is_up || return 0
	ask "$1" '[A-Za-z0-9+/]{43}=' wg show "$name" public-key || die "$(name_of "$1"): the key of $name cannot be read"
	far_key=$answer
}

endpoint() {
	[[ $far == *:* ]] && printf '[%s]:%s' "$far" "$port" || printf '%s:%s' "$far" "$port"
}

kind_of_device() {
	[[ $far == *:* && $type == gre* ]] && printf 'ip6%s' "$type" || printf %s "$type"
}

peer_of() {
	[[ $1 == *:* ]] && printf %s "$peer_six" || printf %s "$peer_four"
}

version_of() {
	[[ $1 == *:* ]] && echo 6 || echo 4
}

# lines FORMAT [WORD ...]: print it for each word.
lines() {
	local each format=$1

	shift
	for each; do
		# shellcheck disable=SC2059
		printf "$format\n" "$each"
	done
}

clamp_text() {
	printf 'add table inet blktunnel-%s; add chain inet blktunnel-%s clamp { type filter hook forward priority -150; }; add rule inet blktunnel-%s clamp oifname "%s" tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu' \
		"$name" "$name" "$name" "$name"
}

# --- ifupdown ---------------------------------------------------------------------

# link_words: the arguments of ip link add for the device.
link_words() {
	local words

	words="type $(kind_of_device)"
	case $type in
	vxlan)
		words+=" id 177 local $mine remote $far ttl 64 dstport $port"
		[ -n "$bridge_wanted" ] || [[ $far == *:* ]] || words+=" df set"
		;;
	wireguard) ;;
	*)
		words+=" local $mine remote $far"
		if [[ $far == *:* ]]; then
			words+=" hoplimit 64 encaplimit none"
		elif [ -n "$bridge_wanted" ]; then
			words+=" nopmtudisc ignore-df"
		else
			words+=" ttl 64"
		fi
		;;
	esac
	echo "$words"
}

snippet_ifupdown() {
	local each

	echo "# $(name_of "$snippet_host"): /etc/network/interfaces.d/$name"
	[ "$type" != wireguard ] || echo "# once, as root: (umask 077; wg show $name private-key >/etc/wireguard/$name.key)"
	lines '%s' "auto $name" "iface $name inet manual"
	lines '\tpre-up %s' "ip link add name $name $(link_words)"
	[ "$type" != wireguard ] ||
		lines '\tpre-up %s' "wg set $name listen-port $port private-key /etc/wireguard/$name.key peer $far_key allowed-ips 0.0.0.0/0,::/0 endpoint $(endpoint) persistent-keepalive 25"
	if [ -n "$bridge_wanted" ]; then
		lines '\tup %s' "ip link set $name mtu ${bridge_mtu[$snippet_host]:-1500} master ${bridge[$snippet_host]} up"
		lines '\tpost-down %s' "ip link del $name"
		return
	fi
	lines '\tup %s' "ip link set $name mtu $made_mtu up" "sysctl -q -w net.ipv4.conf.$name.rp_filter=2"
	[ -z "$peer_four" ] || lines '\tup %s' "ip -4 addr add ${inner_four[$snippet_host]} dev $name"
	[ -z "$peer_six" ] || lines '\tup %s' "ip -6 addr add ${inner_six[$snippet_host]} dev $name nodad"
	for each in "${snippet_routes[@]}"; do
		lines '\tup %s' "ip -$(version_of "$each") route add $each via $(peer_of "$each") dev $name"
	done
	for each in "${snippet_proxies[@]}"; do
		lines '\tup %s' "ip neigh add proxy ${each% *} dev ${each#* }"
		lines '\tdown %s' "ip neigh del proxy ${each% *} dev ${each#* }"
	done
	for each in "${snippet_from[@]}"; do
		lines '\tup %s' "ip -$(version_of "$each") route replace default via $(peer_of "$each") dev $name table $tunnel_table" \
			"ip -$(version_of "$each") rule add pref 17699 from $each lookup main suppress_prefixlength 0" \
			"ip -$(version_of "$each") rule add pref 17700 from $each lookup $tunnel_table"
		lines '\tdown %s' "ip -$(version_of "$each") rule del pref 17699 from $each" \
			"ip -$(version_of "$each") rule del pref 17700 from $each"
	done
	lines '\tup %s' "nft '$(clamp_text)'"
	lines '\tpost-down %s' "nft delete table inet blktunnel-$name" "ip link del $name"
}

# also: print the parts that neither networkd nor NetworkManager can do.
also() {
	local each

	[ -z "$bridge_wanted" ] || return 0
	echo "# $(name_of "$snippet_host"): /etc/sysctl.d/$name.conf"
	echo "net.ipv4.conf.$name.rp_filter = 2"
	for each in "${snippet_proxies[@]}"; do
		[[ $each != *:* ]] || echo "net.ipv6.conf.${each#* }.proxy_ndp = 1"
	done
	echo "# $(name_of "$snippet_host"): /etc/nftables.conf"
	clamp_text | sed 's/}; /}\n/; s/; add chain/\nadd chain/'
	echo
	[ ${#snippet_proxies[@]} -eq 0 ] || echo "# $(name_of "$snippet_host"): after each boot"
	for each in "${snippet_proxies[@]}"; do
		echo "ip neigh add proxy ${each% *} dev ${each#* }"
	done
}

# --- systemd-networkd -------------------------------------------------------------

snippet_networkd() {
	local each

	echo "# $(name_of "$snippet_host"): /etc/systemd/network/$name.netdev"
	lines '%s' '[NetDev]' "Name=$name" "Kind=$(kind_of_device)" "MTUBytes=$( [ -n "$bridge_wanted" ] && echo "${bridge_mtu[$snippet_host]:-1500}" || echo "$made_mtu")"
	case $type in
	vxlan) lines '%s' '[VXLAN]' 'VNI=177' "Local=$mine" "Remote=$far" "DestinationPort=$port" 'TTL=64' 'Independent=yes' ;;
	wireguard)
		echo "# once, as root: (umask 027; wg show $name private-key >/etc/systemd/network/$name.key; chgrp systemd-network /etc/systemd/network/$name.key)"
		lines '%s' '[WireGuard]' "PrivateKeyFile=/etc/systemd/network/$name.key" "ListenPort=$port" '[WireGuardPeer]' \
			"PublicKey=$far_key" 'AllowedIPs=0.0.0.0/0,::/0' "Endpoint=$(endpoint)" 'PersistentKeepalive=25'
		;;
	*)
		lines '%s' '[Tunnel]' "Local=$mine" "Remote=$far" 'Independent=yes'
		if [[ $far == *:* ]]; then
			lines '%s' 'EncapsulationLimit=none'
		elif [ -n "$bridge_wanted" ]; then
			lines '%s' 'DiscoverPathMTU=no'
		else
			lines '%s' 'TTL=64'
		fi
		;;
	esac
	echo "# $(name_of "$snippet_host"): /etc/systemd/network/$name.network"
	lines '%s' '[Match]' "Name=$name" '[Network]'
	if [ -n "$bridge_wanted" ]; then
		echo "# networkd knows only bridges that have a .netdev of their own"
		echo "Bridge=${bridge[$snippet_host]}"
		return
	fi
	lines '%s' 'LinkLocalAddressing=no' 'IPv6AcceptRA=no'
	lines 'Address=%s' ${inner_four[$snippet_host]:+"${inner_four[$snippet_host]}"} ${inner_six[$snippet_host]:+"${inner_six[$snippet_host]}"}
	for each in "${snippet_routes[@]}"; do
		lines '%s' '[Route]' "Destination=$each" "Gateway=$(peer_of "$each")"
	done
	for each in "${snippet_from[@]}"; do
		lines '%s' '[RoutingPolicyRule]' "From=$each" 'Table=main' 'SuppressPrefixLength=0' 'Priority=17699' \
			'[RoutingPolicyRule]' "From=$each" "Table=$tunnel_table" 'Priority=17700'
	done
	[[ " ${snippet_from[*]} " != *.* ]] || lines '%s' '[Route]' "Gateway=$peer_four" "Table=$tunnel_table"
	[[ " ${snippet_from[*]} " != *:* ]] || lines '%s' '[Route]' "Gateway=$peer_six" "Table=$tunnel_table"
	also
}

# --- NetworkManager ---------------------------------------------------------------

snippet_networkmanager() {
	local mode=2

	echo "# $(name_of "$snippet_host"): /etc/NetworkManager/system-connections/$name.nmconnection, chmod 600"
	[ "$type" != wireguard ] || echo "# PRIVATE-KEY is what \"wg show $name private-key\" prints there"
	lines '%s' '[connection]' "id=$name" "type=$(nm_type)" "interface-name=$name"
	[ -z "$bridge_wanted" ] || lines '%s' "master=${bridge[$snippet_host]}" 'slave-type=bridge'
	case $type in
	vxlan)
		lines '%s' '[vxlan]' 'id=177' "local=$mine" "remote=$far" "destination-port=$port" 'ttl=64' \
			'[ethernet]' "mtu=$( [ -n "$bridge_wanted" ] && echo "${bridge_mtu[$snippet_host]:-1500}" || echo "$made_mtu")"
		;;
	wireguard)
		lines '%s' '[wireguard]' "listen-port=$port" "mtu=$made_mtu" 'peer-routes=false' 'private-key=PRIVATE-KEY' \
			"[wireguard-peer.$far_key]" "endpoint=$(endpoint)" 'allowed-ips=0.0.0.0/0;::/0;' 'persistent-keepalive=25'
		;;
	*)
		case $(kind_of_device) in
		sit) mode=3 ;;
		ip6gre) mode=8 ;;
		gretap) mode=10 ;;
		ip6gretap) mode=11 ;;
		esac
		lines '%s' '[ip-tunnel]' "mode=$mode" "local=$mine" "remote=$far" "mtu=$( [ -n "$bridge_wanted" ] && echo "${bridge_mtu[$snippet_host]:-1500}" || echo "$made_mtu")"
		if [[ $far == *:* ]]; then
			echo 'flags=1'
		elif [ -n "$bridge_wanted" ]; then
			echo 'path-mtu-discovery=false'
		else
			echo 'ttl=64'
		fi
		;;
	esac
	[ -z "$bridge_wanted" ] || return 0
	nm_addresses ipv4 4 "$peer_four" "${inner_four[$snippet_host]}"
	nm_addresses ipv6 6 "$peer_six" "${inner_six[$snippet_host]}"
	also
}

nm_type() {
	case $type in
	vxlan | wireguard) echo "$type" ;;
	*) echo ip-tunnel ;;
	esac
}

# nm_addresses SECTION VERSION PEER ADDRESS
nm_addresses() {
	local each route=0 rule=0

	echo "[$1]"
	if [ -z "$4" ]; then
		[ "$1" = ipv4 ] && echo 'method=disabled' || echo 'method=ignore'
		return
	fi
	lines '%s' 'method=manual' "address1=$4" 'never-default=true'
	for each in "${snippet_routes[@]}"; do
		[ "$(version_of "$each")" = "$2" ] || continue
		route=$((route + 1))
		[[ $each == */* ]] || { [ "$2" = 4 ] && each+=/32 || each+=/128; }
		echo "route$route=$each,$3"
	done
	for each in "${snippet_from[@]}"; do
		[ "$(version_of "$each")" = "$2" ] || continue
		rule=$((rule + 2))
		echo "routing-rule$((rule - 1))=priority 17699 from $each table 254 suppress_prefixlength 0"
		echo "routing-rule$rule=priority 17700 from $each table $tunnel_table"
	done
	[ "$rule" = 0 ] || lines '%s' "route1=$( [ "$2" = 4 ] && echo 0.0.0.0/0 || echo ::/0),$3" "route1_options=table=$tunnel_table"
}
