# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Both ends of a tunnel: how they are made, and taken away again.

made_mtu=''
declare -A wg_key=()

# make_ends: what is there of an earlier run has been removed.  Whoever calls takes everything back
# if this fails.
make_ends() {
	local host

	made_mtu=$(most_inside)
	find_path_mtu
	for host in old new; do
		make_end "$host"
	done
	[ "$type" != wireguard ] || exchange_keys
	ping_both_ways
	if [ -n "$bridge_wanted" ]; then
		join_bridges
	else
		settle_mtu
	fi
	for host in old new; do
		clamp "$host"
	done
	for host in old new; do
		guarded "$host" bash -c "$tunnel_functions"'
			name=$1
			alias=$(marked_alias)
			ip link set dev "$name" alias "${alias/ new fwd=/ up fwd=}"' done "$name" ||
			die "$(name_of "$host"): $name cannot be marked"
	done
}

make_end() {
	local host=$1 other=old six=${inner_six[$1]} four=${inner_four[$1]} mtu=$made_mtu bridged='' alias

	[ "$host" != old ] || other=new
	if [ -n "$bridge_wanted" ]; then
		bridged=yes mtu=${bridge_mtu[$host]}
	fi
	alias="blktunnel $type ${outer[$host]} ${outer[$other]} $port $back ${bridge[$host]:--} new fwd=- ndp=-"
	guarded "$host" bash -c "$tunnel_functions$make_script" make "$name" "$type" "${outer[$host]}" "${outer[$other]}" \
		"$port" "$mtu" "$alias" "$four" "$six" "$bridged" ||
		die "$(name_of "$host"): the $type device $name cannot be made; another --type may be one that its kernel has"
	count_packets "$host" "$other"
}

# count_packets HOST OTHER: not every kernel has the tables for it, and the tunnel works without.
count_packets() {
	has_nft "$1" || return 0
	guarded "$1" bash -c "$nft_script" nft "$name" "$type" "${outer[$2]}" "$port" && return
	warn "$(name_of "$1"): its kernel does not take the table blktunnel-$name: packets are not counted"
	has_tool[$1-nft]=''
}

has_nft() {
	[ -n "${has_tool[$1-nft]:-}" ]
}

# The mark is the group, which the device has from its creation on.  The reverse path is looked at
# loosely on the tunnel alone: packets come through it from anywhere.  No advertisement of a router
# is taken from the other end.
make_script='
set -e
name=$1 type=$2 local=$3 remote=$4 port=$5 mtu=$6 alias=$7 four=$8 six=$9 bridged=${10}
words=(local "$local" remote "$remote")
[[ $remote == *:* ]] && words+=(hoplimit 64) ip6=ip6 || ip6=
case $type in
gre | gretap)
	type=$ip6$type
	if [ -n "$ip6" ]; then
		words+=(encaplimit none)
	elif [ -n "$bridged" ]; then
		words+=(nopmtudisc ignore-df)
	else
		words+=(ttl 64)
	fi
	;;
sit) words+=(ttl 64) ;;
vxlan)
	[ -n "$ip6" ] || words+=(ttl 64)
	words=(id 177 "${words[@]}" dstport "$port")
	[ -n "$bridged" ] || words+=(df set)
	[ -z "$ip6" ] || words=(id 177 local "$local" remote "$remote" ttl 64 dstport "$port")
	;;
wireguard) words=() ;;
esac
ip link add name "$name" group "$group" type "$type" "${words[@]}"
ip link set dev "$name" alias "$alias"
echo 2 >"/proc/sys/net/ipv4/conf/$name/rp_filter"
[ -n "$bridged" ] || [ "$type" != vxlan ] || ip link set dev "$name" type vxlan nolearning 2>/dev/null || true
if [ "$type" = wireguard ]; then
	wg genkey | wg set "$name" listen-port "$port" private-key /dev/stdin
fi
ip link set dev "$name" mtu "$mtu"
if [ -d "/proc/sys/net/ipv6/conf/$name" ]; then
	echo 0 >"/proc/sys/net/ipv6/conf/$name/accept_ra"
	[ -n "$six" ] && echo 0 >"/proc/sys/net/ipv6/conf/$name/disable_ipv6" ||
		echo 1 >"/proc/sys/net/ipv6/conf/$name/disable_ipv6"
fi
ip link set dev "$name" up
[ -z "$four" ] || ip -4 addr add "$four" dev "$name"
[ -z "$six" ] || ip -6 addr add "$six" dev "$name" nodad'

# exchange_keys: each private key stays in the kernel of its host.
exchange_keys() {
	local host other=new

	for host in old new; do
		ask "$host" '[A-Za-z0-9+/]{43}=' wg show "$name" public-key ||
			die "$(name_of "$host"): the key of $name cannot be read"
		wg_key[$host]=$answer
	done
	for host in old new; do
		guarded "$host" bash -c '
			[[ $4 != *:* ]] && endpoint=$4:$3 || endpoint=[$4]:$3
			wg set "$1" peer "$2" allowed-ips 0.0.0.0/0,::/0 endpoint "$endpoint" persistent-keepalive 25' peer \
			"$name" "${wg_key[$other]}" "$port" "${outer[$other]}" || die "$(name_of "$host"): wg cannot set the other end of $name"
		other=old
	done
}

# --- away -------------------------------------------------------------------------

# remove_ends: on both hosts whatever is there; false if something stays.  Both are tried.
remove_ends() {
	local host status=0

	for host in old new; do
		case ${tunnel_state[$host]:-} in
		foreign) warn "$(name_of "$host") has a device $name that is not ours: it stays" ;;
		esac
		guarded "$host" bash -c "$tunnel_functions$remove_script" remove "$name" "$tunnel_table" || {
			warn "$(name_of "$host"): not all of $name could be removed"
			status=1
		}
	done
	return "$status"
}

# The device is the last, since it knows the rest.  Where another tunnel of ours remains, what was
# switched on for this one may be needed by that one, which takes it over.
remove_script='
name=$1 table=$2 status=0 families="-4 -6"
[ -e /proc/sys/net/ipv6 ] || families=-4
for each in $families; do
	while read -r words; do
		words=${words#*:}
		[[ $words =~ from\ ([^\ ]+)\ .*lookup ]] || continue
		for pref in 17699 17700; do
			ip "$each" rule del pref "$pref" from "${BASH_REMATCH[1]}" protocol "$protocol" 2>/dev/null
		done
	done < <(ip "$each" rule show table "$table" 2>/dev/null)
	[ -z "$(ip "$each" rule show table "$table" 2>/dev/null)" ] || status=1
done
if command -v nft >/dev/null; then
	for each in inet bridge; do
		! nft list table "$each" "blktunnel-$name" >/dev/null 2>&1 ||
			nft delete table "$each" "blktunnel-$name" || status=1
	done
fi
for each in iptables ip6tables; do
	command -v "$each" >/dev/null && "$each" -w -t mangle -n -L "blktunnel-$name" >/dev/null 2>&1 || continue
	for words in -i -o; do
		while "$each" -w -t mangle -D FORWARD "$words" "$name" -j "blktunnel-$name" 2>/dev/null; do :; done
	done
	"$each" -w -t mangle -F "blktunnel-$name" && "$each" -w -t mangle -X "blktunnel-$name" || status=1
done
is_ours || exit "$status"
for each in $families; do
	routes=" $(ip "$each" route show dev "$name" proto "$protocol" | sed "s/[ /].*//" | tr "\n" " ")"
	while read -r host word device rest; do
		[[ $word = dev && " $rest " == *" proto $protocol "* && $routes == *" $host "* ]] || continue
		ip "$each" neigh del proxy "$host" dev "$device" || status=1
	done < <(ip "$each" neigh show proxy)
done
alias=$(marked_alias)
other=$(ip -o link show group "$group" | sed -n "s/^[0-9]*: \([^:@]*\).*/\1/p" | grep -vxF -- "$name" | head -n 1)
restore() {
	local device file

	[[ $alias =~ \ $1=([^\ ]*) ]] && [ "${BASH_REMATCH[1]}" != - ] || return 0
	IFS=, read -r -a devices <<<"${BASH_REMATCH[1]}"
	for device in "${devices[@]}"; do
		file=/proc/sys/net/$2/conf/$device/$3
		if [ -n "$other" ]; then
			(name=$other && note "$1" "$device") || status=1
		elif [ -e "$file" ]; then
			echo 0 >"$file" || status=1
		fi
	done
}
restore fwd ipv4 forwarding
restore ndp ipv6 proxy_ndp
[ "$status" = 0 ] && ip link del dev "$name" || status=1
exit "$status"'
