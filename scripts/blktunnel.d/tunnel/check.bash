# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blktunnel check, and the answer of a machine without which no route is made.

bad=0

# fine TEXT, fault TEXT: lines of the report.
fine() {
	make_shown "ok    $1"
	printf '%s\n' "$shown_text"
}

fault() {
	make_shown "wrong $1"
	printf '%s\n' "$shown_text"
	bad=1
}

tunnel_check() {
	local host other=new each fields

	look_for_tunnel "$name"
	for host in old new; do
		case ${tunnel_state[$host]} in
		up) ;;
		none) fault "$(name_of "$host") has no $name" ;;
		foreign) fault "$name on $(name_of "$host") is not ours" ;;
		*) fault "$name on $(name_of "$host") is half made: blktunnel up$(options_again) makes it anew" ;;
		esac
	done
	[ "$bad" = 0 ] || exit 1
	adopt_ends
	for host in old new; do
		read -r -a fields <<<"${tunnel_alias[$host]}"
		[ "${fields[3]}" = "${outer[$other]}" ] || fault "$name on $(name_of "$host") runs to ${fields[3]}, not to ${outer[$other]}"
		check_end "$host"
		other=old
	done
	if [ "$tunnel_bridge" = - ]; then
		check_inside
		check_routes
	else
		check_bridged
	fi
	show_persistent
	exit "$bad"
}

# check_end HOST: the device, its MTU, the reverse path filter, the clamp.
check_end() {
	local host=$1 words

	ask "$host" "[A-Z]+ ($a_number) [0-2] (yes|no) (-|$a_device)" bash -c '
		line=$(ip -o link show dev "$1")
		case "$line" in
		*[\<,]UP[,\>]*) echo -n "UP " ;;
		*) echo -n "DOWN " ;;
		esac
		sed -n "s/.* mtu \([0-9]*\) .*/\1/p" <<<"$line" | tr "\n" " "
		cat "/proc/sys/net/ipv4/conf/$1/rp_filter" | tr "\n" " "
		clamp=no
		for each in inet bridge; do
			! nft list chain "$each" "blktunnel-$1" clamp >/dev/null 2>&1 || clamp=yes
		done
		! iptables -w -t mangle -n -L "blktunnel-$1" >/dev/null 2>&1 || clamp=yes
		echo -n "$clamp "
		master=$(sed -n "s/.* master \([^ ]*\) .*/\1/p" <<<"$line")
		echo "${master:--}"' check "$name" || die "$(name_of "$host"): $name cannot be looked at"
	read -r -a words <<<"$answer"
	[ "${words[0]}" = UP ] || fault "$name on $(name_of "$host") is down: ip link set $name up"
	[ "$made_mtu" = "${words[1]}" ] || [ "$tunnel_bridge" != - ] || fault "the MTU of $name is $made_mtu on one host and ${words[1]} on the other"
	[ "${words[2]}" != 1 ] || fault "$(name_of "$host") filters strictly by the reverse path on $name: sysctl -w net.ipv4.conf.$name.rp_filter=2"
	[ "${words[3]}" = yes ] || fault "on $(name_of "$host") TCP is not told what fits through $name (MSS)"
	[ "${words[4]}" = "${bridge[$host]}" ] || fault "$name on $(name_of "$host") is in the bridge ${words[4]}, not in ${bridge[$host]}"
}

check_inside() {
	local host other=new each low

	for host in old new; do
		inside_of "$other"
		for each in "${inside[@]}"; do
			low=$made_mtu
			[ "$low" -le 1280 ] || low=1280
			if ! pings "$host" "$each" 3; then
				fault "$(name_of "$host") gets no answer from $each: $( (explain_silence) 2>&1 || true)"
			elif ! size_of_way "$host" "$each" "$low" "$made_mtu" || [ "$answer" != "$made_mtu" ]; then
				fault "from $(name_of "$host") to $each packets of $made_mtu bytes do not come through, but of ${answer:-fewer than $low}: the way has changed; blktunnel down and up find its MTU"
			else
				fine "$(name_of "$host") reaches $each, in packets of $made_mtu bytes"
			fi
		done
		other=old
	done
}

check_bridged() {
	local host

	for host in old new; do
		look_at_bridge "$host"
	done
	if [ -z "${bridge_local[old]:-}" ] || [ -z "${bridge_local[new]:-}" ]; then
		fault "whether ${bridge[old]} and ${bridge[new]} reach each other is not known: one has no link-local address"
	elif pings old "${bridge_local[new]}%${bridge[old]}" 3 && pings new "${bridge_local[old]}%${bridge[new]}" 3; then
		fine "${bridge[old]} on $(name_of old) and ${bridge[new]} on $(name_of new) reach each other"
	else
		fault "${bridge[old]} on $(name_of old) and ${bridge[new]} on $(name_of new) do not reach each other"
	fi
}

# routed_addresses HOST: fill $routed with the addresses that have a route through the tunnel.
routed=()
routed_addresses() {
	ask_lines "$1" "$an_address(/[0-9]{1,3})?" bash -c "$tunnel_functions"'
		name=$1
		for each in -4 -6; do
			[ "$each" = -4 ] || [ -e /proc/sys/net/ipv6 ] || continue
			ip "$each" route show dev "$name" proto "$protocol" | sed "s/ .*//"
		done' routed "$name" || die "$(name_of "$1"): its routes cannot be read"
	routed=("${answers[@]}")
}

check_routes() {
	local each

	routed_addresses old
	for each in "${routed[@]}"; do
		[[ $each != */* ]] || { fine "$each goes through $name" && continue; }
		if pings old "$each" 3; then
			fine "$each answers through $name"
		else
			fault "$each goes through $name, and does not answer"
		fi
	done
}

# --- route ------------------------------------------------------------------------

# The address whose route is being made, to be taken back if that fails.
made_route=''

# route_checked ADDRESS: nothing is changed until the new host gets an answer from it; the route is
# taken back where the old host then gets none.
route_checked() {
	local wanted=$1 asked=$1 end=$((SECONDS + wait_wanted)) each

	route_refused "$wanted"
	if [[ $wanted == */* ]] && $answer_wanted; then
		[ -n "$probe" ] || die "$wanted is more than one address: --probe names one in it that must answer"
		asked=$probe
		parse_address "$asked" && covers "$wanted_hex" "$wanted_bits" "$hex" || die "--probe: $asked is not in $wanted"
	fi
	route_lan "$wanted"
	route_target "${asked%/*}"
	if $answer_wanted; then
		until answers_there "$asked"; do
			[ "$SECONDS" -lt "$end" ] ||
				die "$asked does not answer on $(name_of new) yet, behind $behind: its traffic is not redirected (--wait SECONDS waits for it)"
			sleep 0.5
		done
	fi
	routed_addresses old
	made_route=$wanted
	for each in "${routed[@]}"; do
		[ "$each" != "$wanted" ] || made_route=''
	done
	route_add "$wanted"
	if $answer_wanted && ! pings old "$asked" 4; then
		die "$asked answers on $(name_of new), but not through $name: a firewall of $(name_of new) may not forward it (iptables -I FORWARD -i $name -j ACCEPT)"
	fi
	made_route=''
	warn_of_policy
	say "$wanted: its traffic goes through $name to $(name_of new)${lan:+; $(name_of old) answers for it on $lan}"
}

# answers_there ADDRESS: to a ping, or at least to the question for its card.
answers_there() {
	asks_yes new bash -c '
		ping -n -q -c 2 -i 0.25 -W 1 "$1" >/dev/null 2>&1 && exit
		[[ $(ip neigh show to "$1" dev "$2") == *" lladdr "*" REACHABLE"* ]] || exit 1' answers "$1" "$behind"
}

# warn_of_policy: the old host forwards the packets of others, which cannot be tested from here.
warn_of_policy() {
	local host

	for host in old new; do
		! asks_yes "$host" bash -c '
			! nft list ruleset 2>/dev/null | grep -q "hook forward priority .*policy drop" || exit 0
			iptables -w -S FORWARD 2>/dev/null | grep -qx -e "-P FORWARD DROP"' policy ||
			warn "$(name_of "$host"): its firewall drops forwarded packets unless a rule lets them pass: iptables -I FORWARD -i $name -j ACCEPT, and -o $name"
	done
}
