# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Whether what an interface of the machine is plugged into on the new host carries its packets.

# check_bridge NAME KIND: KIND is bridge, or openvswitch where the interface says so, of which the kernel
# tells less.  An ip that knows no details, as busybox's, tells only that a device of that name is there.
check_bridge() {
	local name=$1 word number

	ask new 'absent|other|(up|down) (0|[1-9][0-9]{0,8})' bash -c '
		command -v ip >/dev/null || exit
		line=$(ip -o link show dev "$1" 2>/dev/null) || { echo absent; exit; }
		details=$(ip -d -o link show dev "$1" 2>/dev/null) || details=""
		state=down delay=0
		[[ ! $line =~ \<([A-Z_-]+,)*UP[,\>] ]] || state=up
		if [[ $details =~ \ bridge\ forward_delay\ ([0-9]+)\ .*\ stp_state\ ([01])\  ]]; then
			[ "${BASH_REMATCH[2]}" = 0 ] || delay=${BASH_REMATCH[1]}
		elif [ -n "$details" ] && [ "$2" = bridge ]; then
			echo other
			exit
		fi
		echo "$state $delay"' bridge "$name" "$2" || die "$(name_of new) cannot be asked about the bridge $name"
	read -r word number <<<"$answer"
	case $word in
	absent) problem "$(name_of new) has no bridge $name" "make it there, or --map-net $name=ANOTHER" ;;
	other) problem "$name on $(name_of new) is a network device, but no bridge: $vm could not start" "make a bridge of which it is a port, or --map-net $name=ANOTHER" ;;
	down) remark "the bridge $name on $(name_of new) is down, so $vm will have no network: there, ip link set $name up" ;;
	esac
	# In hundredths of a second, once for listening and once for learning.
	[ "${number:-0}" -lt 50 ] ||
		remark "the bridge $name on $(name_of new) has STP, and passes nothing of $vm for $((number / 50)) seconds after its start: without it (ip link set $name type bridge stp_state 0), or with a delay of 0, at once"
}

# check_bridges: each is asked about once.
check_bridges() {
	local name bridge='/domain/devices/interface[not(virtualport/@type = "openvswitch")]/source/@bridge'
	local switch='/domain/devices/interface[virtualport/@type = "openvswitch"]/source/@bridge'
	local names=()

	mapfile -t names < <(xml_values "$bridge" "$private/target.xml" | sort -u)
	for name in "${names[@]}"; do
		[ -z "$name" ] || check_bridge "$name" bridge
	done
	mapfile -t names < <(xml_values "$switch" "$private/target.xml" | sort -u)
	for name in "${names[@]}"; do
		[ -z "$name" ] || check_bridge "$name" openvswitch
	done
}
