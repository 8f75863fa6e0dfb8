# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# --lanes: blkfan deals the stream of a disk to several connections to the new host, where the
# blkwrite behind each of them finds the others.  blkfan runs where the stream leaves for the new
# host: over ssh here, behind the meter, over tcp on the old host.

# lanes is the number, and empty where a plan says nothing of it; lanes_wanted is what --lanes says.
some_lanes='[1-9]|[1-5][0-9]|6[0-4]' lanes='' lanes_wanted=''

# lanes_ready: what --lanes says comes before what the plan has.
lanes_ready() {
	lanes=${lanes_wanted:-$lanes}
	# What was planned in this run has had a preflight; what takes back or only tells needs no blkfan.
	case $command,$opened in
	copy,* | sync,* | cutover,* | run,true | prepare,true) $finish_wanted || need_fan ;;
	esac
	[ -n "$lanes_wanted" ] && several_lanes && [ "$(fan_host)" = here ] && [ -n "${address[old]}" ] || return 0
	warn "the lanes begin on this host, which gets the disks from ${address[old]} over one connection: run blkmigrate there, or use --transport tcp"
}

several_lanes() {
	[ "${lanes:-1}" != 1 ]
}

# fan_host: print where blkfan runs.
fan_host() {
	[ "$transport" = ssh ] && echo here || echo old
}

# need_fan: die if it is missing.
need_fan() {
	several_lanes || return 0
	if [ "$(fan_host)" = here ]; then
		command -v blkfan >/dev/null || die "there is no blkfan here, which --lanes needs: install it, or --lanes 1"
	else
		asks_yes old bash -c 'command -v blkfan >/dev/null' ||
			die "$(name_of old) has no blkfan, which --lanes needs: install it there, or --lanes 1"
	fi
}

# to_new TEXT: print the end of a pipe that runs TEXT on the new host.  Each lane needs a connection
# of its own, whatever the configuration of ssh shares.
to_new() {
	if ! several_lanes; then
		ssh_text new "$1"
	elif [ -z "${address[new]}" ]; then
		quote blkfan -n "$lanes" bash -c "$1"
	else
		stream_ssh new
		quote blkfan -n "$lanes" ssh -o ControlMaster=no -o ControlPath=none "${ssh[@]:1}" -- "${address[new]}" "$1"
	fi
}

# to_ports PORT ...: print the end of a pipe on the old host that sends to these ports of the new
# one, a lane to each.
to_ports() {
	local text

	if [ $# = 1 ]; then
		sender "$1"
	else
		text=$(sender 0)
		quote blkfan -n "$#" sh -c "shift \$((BLKFAN_LANE - 1)); exec ${text% 0} \"\$1\"" lane "$@"
	fi
}
