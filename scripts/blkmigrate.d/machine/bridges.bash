# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Whether what an interface of the machine is plugged into on the new host carries its packets.

# Where the kernel tells it.
net_devices=/sys/class/net

# check_bridge NAME KIND: KIND is bridge, or openvswitch where the interface says so, of which the kernel
# tells less.
check_bridge() {
	local name=$1 word number

	ask new 'absent|other|(up|down) (0|[1-9][0-9]{0,8})' bash -c '
		device=$1/$2
		[ -e "$device" ] || { echo absent; exit; }
		[ "$3" = openvswitch ] || [ -d "$device/bridge" ] || { echo other; exit; }
		state=down delay=0
		read -r flags <"$device/flags" || exit
		((flags & 1)) && state=up
		if [ -e "$device/bridge/stp_state" ]; then
			read -r stp <"$device/bridge/stp_state" && read -r delay <"$device/bridge/forward_delay" || exit
			[ "$stp" != 0 ] || delay=0
		fi
		echo "$state $delay"' bridge "$net_devices" "$name" "$2" || die "$(name_of new) cannot be asked about the bridge $name"
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
