# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Sockets on the old host that lead to the new one, through connections of this program: what two
# daemons say to each other over them is encrypted, neither host opens a port for it, and neither logs
# in to the other.  They live as long as this program.

# near_end HOST FOLDER NAME: $end is the socket of that name to which ssh to that host joins its end:
# one of the other host if that is this machine, else one of this machine, between two connections.
end=''
near_end() {
	local other=old

	[ "$1" = new ] || other=new
	end=$private/$3.socket
	[ -n "${address[$other]}" ] || end=$2/$3
}

# join_sockets FOLDER SOCKET NAME ...: on the old host, in that folder, control leads to SOCKET on the
# new one, and each NAME to that in the same folder there.
join_sockets() {
	local folder=$1 control=$2 host name far words

	shift 2
	[ -n "${address[old]}${address[new]}" ] || die "both hosts are this one"
	for host in new old; do
		[ -n "${address[$host]}" ] || continue
		words=()
		for name in control "$@"; do
			near_end "$host" "$folder" "$name"
			far=$folder/$name
			[ "$name" != control ] || far=$control
			if [ "$host" = new ]; then
				words+=(-L "$end:$far")
			else
				[ -n "${address[new]}" ] || [ "$name" != control ] || end=$control
				words+=(-R "$folder/$name:$end")
			fi
		done
		hold_sockets "$host" "${words[@]}"
	done
}

# hold_sockets HOST OPTION ...: over a connection of its own, until this program ends.
hold_sockets() {
	local host=$1 said=$private/$1.sockets text

	shift
	stream_ssh "$host"
	quote_words "${ssh[0]}" -o ControlMaster=no -o ControlPath=none -o ExitOnForwardFailure=yes \
		-o StreamLocalBindMask=0177 -o StreamLocalBindUnlink=yes "${ssh[@]:1}" "$@" -- "${address[$host]}"
	text=$quoted
	quote_words 'echo ready; while read -r line; do :; done'
	show "$host" "$text true"
	! $dry_run || return 0
	: >"$said"
	beats | bash -c "exec $text $quoted" >"$said" 2>"$said.err" &
	holders+=($!)
	until [ -s "$said" ]; do
		kill -0 $! 2>/dev/null || break
		sleep 0.05
	done
	[ "$(brief cat "$said")" = ready ] ||
		die "no sockets can be joined to $(name_of "$host") by ssh ($(printable "$(tail -n 1 "$said.err")")); AllowStreamLocalForwarding of its sshd has to be yes, or --native uses ports of libvirt"
}
