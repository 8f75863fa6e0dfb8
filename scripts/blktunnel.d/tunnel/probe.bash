# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Whether a tunnel carries packets, and how large ones.

# pings HOST ADDRESS [SECONDS]: whether an answer comes in that time.
pings() {
	asks_yes "$1" bash -c 'ping -n -q -c 1 -i 0.25 -w "$2" "$1" >/dev/null 2>&1 || exit 1' ping "$2" "${3:-3}"
}

# inside_of HOST: $inside has the addresses of its end.
inside=()
inside_of() {
	inside=()
	[ -z "${inner_four[$1]}" ] || inside+=("${inner_four[$1]%/*}")
	[ -z "${inner_six[$1]}" ] || inside+=("${inner_six[$1]%/*}")
}

# ping_both_ways: the first packets may be lost while neighbours and keys are found.
ping_both_ways() {
	local each

	inside_of new
	for each in "${inside[@]}"; do
		pings old "$each" 6 || explain_silence
	done
	inside_of old
	for each in "${inside[@]}"; do
		pings new "$each" || explain_silence
	done
}

# The largest packet to ADDRESS, between LOW and HIGH bytes, that comes back, in steps of 4 bytes;
# nothing if there is none.  The mode is "do" where it must not be fragmented, or "dont".  What a router says on the way is tried first.
find_size='
address=$1 low=$2 high=$3 mode=$4 header=28
[[ $address != *:* ]] || header=48
fits() {
	[ "$1" -ge "$low" ] && ping -n -q -M "$mode" -c 1 -i 0.25 -w 2 -s $(($1 - header)) "$address" >/dev/null 2>&1
}
if fits "$high"; then
	echo "$high"
	exit
fi
fits "$low" || exit 1
said=$(ip -o route get "$address" | sed -n "s/.* mtu \([0-9]*\).*/\1/p")
if [ -n "$said" ] && [ "$said" -lt "$high" ] && fits "$said"; then
	echo "$said"
	exit
fi
while [ $((high - low)) -gt 4 ]; do
	middle=$(((low + high) / 8 * 4))
	[ "$middle" -gt "$low" ] || middle=$((low + 4))
	if fits "$middle"; then
		low=$middle
	else
		high=$middle
	fi
done
echo "$low"'

# size_of_way HOST ADDRESS LOW HIGH [MODE]: in $answer; false if no size comes back.
size_of_way() {
	local status=0

	ask "$1" "$a_number|" bash -c "$find_size" find-size "$2" "$3" "$4" "${5:-do}" || status=$?
	[ "$status" = 0 ] && [[ $answer =~ ^($a_number)$ ]]
}

# find_path_mtu: the way between the hosts, in both directions; where they do not answer to a ping
# outside, the tunnel itself is asked later.
find_path_mtu() {
	local host other=new least

	[ -z "$mtu_wanted" ] && [ -z "$bridge_wanted" ] || return 0
	least=$((made_mtu + overhead))
	for host in old new; do
		if size_of_way "$host" "${outer[$other]}" 576 "$least"; then
			least=$answer
		else
			say "  ${outer[$other]} does not answer to $(name_of "$host") outside the tunnel: the MTU is measured inside"
			# Packets that it sends in fragments are not seen inside.
			[ "$type" != wireguard ] || least=$((1280 + overhead))
			break
		fi
		other=old
	done
	made_mtu=$((least - overhead))
	enough_mtu
}

enough_mtu() {
	[ -z "${inner_six[old]}" ] || [ "$made_mtu" -ge 1280 ] ||
		die "the path between the hosts leaves $made_mtu bytes for a packet inside, and IPv6 wants 1280: --ula none leaves it out"
}

# settle_mtu: the largest packet passes inside in both directions, or the MTU is lowered until it does.
settle_mtu() {
	local host other=new low=576 each found=$made_mtu

	[ -z "${inner_six[old]}" ] || low=1280
	[ "$low" -le "$made_mtu" ] || low=$made_mtu
	for host in old new; do
		inside_of "$other"
		for each in "${inside[@]}"; do
			size_of_way "$host" "$each" "$low" "$found" ||
				die "from $(name_of "$host") not even packets of $low bytes come through $name and back"
			found=$answer
		done
		other=old
	done
	[ "$found" != "$made_mtu" ] || return 0
	made_mtu=$found
	for host in old new; do
		guarded "$host" ip link set dev "$name" mtu "$made_mtu" || die "$(name_of "$host"): the MTU of $name cannot be set"
	done
}

# --- MSS --------------------------------------------------------------------------

# clamp HOST: connections of TCP that pass its end are told what fits, in both directions.
clamp() {
	local host=$1 mtu=$made_mtu

	if has_nft "$host"; then
		guarded "$host" bash -c "$clamp_nft" clamp "$name" "$mtu" "${bridge[$host]:-}" ||
			die "$(name_of "$host"): nft cannot set the MSS of connections through $name"
	elif [ -n "${has_tool[$host-iptables]:-}" ] && [ -z "$bridge_wanted" ]; then
		guarded "$host" bash -c "$clamp_iptables" clamp "$name" "$mtu" ||
			warn "$(name_of "$host"): iptables cannot set the MSS of connections through $name: TCP finds the MTU only by ICMP"
	fi
}

clamp_nft='
name=$1 mtu=$2 bridge=$3
rules() {
	local side

	for side in "oifname \"$name\"" "iifname \"$name\"" "${@:3}"; do
		echo "add rule $1 clamp $side $2 tcp flags & (syn | rst) == syn tcp option maxseg size > $((mtu - 40)) tcp option maxseg size set $((mtu - 40))"
	done
}
{
	if [ -n "$bridge" ]; then
		table="bridge blktunnel-$name"
		echo "add table $table"
		echo "add chain $table clamp { type filter hook forward priority 0; }"
		rules "$table" "meta protocol ip"
		mtu=$((mtu - 20))
		rules "$table" "meta protocol ip6"
	else
		table="inet blktunnel-$name"
		echo "add chain $table clamp { type filter hook forward priority -150; }"
		rules "$table" "meta nfproto ipv4" "ip saddr @from4"
		mtu=$((mtu - 20))
		rules "$table" "meta nfproto ipv6" "ip6 saddr @from6"
	fi
} | nft -f -'

clamp_iptables='
set -e
name=$1 mtu=$(($2 - 40))
for each in iptables ip6tables; do
	"$each" -w -t mangle -N "blktunnel-$name"
	"$each" -w -t mangle -A "blktunnel-$name" -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss "$mtu"
	"$each" -w -t mangle -I FORWARD -o "$name" -j "blktunnel-$name"
	"$each" -w -t mangle -I FORWARD -i "$name" -j "blktunnel-$name"
	mtu=$((mtu - 20))
	[ -e /proc/sys/net/ipv6 ] || break
done'
