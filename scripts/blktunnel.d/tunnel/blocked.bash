# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Who drops the packets of a tunnel that is silent: the sender's own firewall, one on the way, or the
# receiver's own.  A table of nftables on each host counts what leaves and what comes, outside of
# its firewall: after the last filter of what is sent, before the first of what is received.

nft_script='
name=$1 type=$2 remote=$3 port=$4
[[ $remote == *:* ]] && ip=ip6 || ip=ip
case $type in
gre | gretap) match="meta l4proto 47" ;;
sit) match="meta l4proto 41" ;;
*) match="udp dport $port" ;;
esac
nft -f - 2>/dev/null <<EOT
table inet blktunnel-$name {
	counter left { }
	counter came { }
	set from4 { type ipv4_addr; flags interval; }
	set from6 { type ipv6_addr; flags interval; }
	chain left {
		type filter hook postrouting priority 310;
		$ip daddr $remote $match counter name "left"
	}
	chain came {
		type filter hook prerouting priority -310;
		$ip saddr $remote $match counter name "came"
	}
}
EOT'

# counts HOST: how many packets left it for the other end, came from there outside, and came inside.
left=0 came=0 received=0
counts() {
	ask "$1" "($a_number) ($a_number) ($a_number)" bash -c '
		left=0 came=0
		if command -v nft >/dev/null; then
			left=$(nft list counter inet "blktunnel-$1" left | sed -n "s/.*packets \([0-9]*\).*/\1/p")
			came=$(nft list counter inet "blktunnel-$1" came | sed -n "s/.*packets \([0-9]*\).*/\1/p")
		fi
		received=$(ip -s -o link show dev "$1" | tr "\\\\" "\n" | sed -n "/RX:/{n;s/^ *[0-9]* *\([0-9]*\).*/\1/p;}" | head -n 1)
		echo "${left:-0} ${came:-0} ${received:-0}"' counts "$name" || die "$(name_of "$1"): its counters of $name cannot be read"
	read -r left came received <<<"$answer"
}

# explain_silence: die, and say where packets are lost.
explain_silence() {
	local host other=new sent reason='' words=''

	words=$(protocol_words)
	for host in old new; do
		counts "$host"
		sent=$left
		counts "$other"
		if [ "$received" = 0 ]; then
			if ! has_nft "$host" || ! has_nft "$other"; then
				reason+="; $words from $(name_of "$host") does not come out of $name on $(name_of "$other"): a firewall of either host, or one between them, drops it"
			elif [ "$sent" = 0 ]; then
				reason+="; $(name_of "$host") sends no $words to ${outer[$other]}: its own firewall drops it on the way out ($(let_out "$other"))"
			elif [ "$came" = 0 ]; then
				reason+="; $words from $(name_of "$host") does not reach $(name_of "$other"): a firewall or the provider between them drops it$(other_ways)"
			else
				reason+="; $words from $(name_of "$host") reaches $(name_of "$other"), whose own firewall drops it ($(let_in "$host"))"
			fi
		fi
		other=old
	done
	[ -n "$reason" ] || reason="; packets come out at both ends: a firewall there drops the ping itself (iptables -I INPUT -i $name -j ACCEPT)"
	die "$name does not carry a ping: ${reason#; }"
}

# match_words: as iptables has them.
match_words() {
	case $type in
	gre | gretap) echo "-p 47" ;;
	sit) echo "-p 41" ;;
	*) echo "-p udp --dport $port" ;;
	esac
}

tables_of() {
	[[ $1 == *:* ]] && echo ip6tables || echo iptables
}

let_out() {
	echo "$(tables_of "${outer[$1]}") -I OUTPUT -d ${outer[$1]} $(match_words) -j ACCEPT"
}

let_in() {
	echo "$(tables_of "${outer[$1]}") -I INPUT -s ${outer[$1]} $(match_words) -j ACCEPT"
}

other_ways() {
	case $type in
	gre | sit) echo "; --type wireguard or vxlan needs one port of UDP instead" ;;
	gretap) echo "; --type vxlan needs one port of UDP instead" ;;
	*) echo "; --port chooses another one" ;;
	esac
}
