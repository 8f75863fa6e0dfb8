# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# How a stream gets from the old host to the new one: through ssh and this host, or over a TCP
# connection of its own.

transport=ssh

# transfer DISK PART [INPUT]: send to the target what PART, a part of a pipe on the old host,
# writes.  INPUT is a part that is run here; PART reads its output.
transfer() {
	local status=0

	[ -n "$digest_file" ] || forget_digests "$1"
	stall_begin
	"transfer_$transport" "$@" || status=$?
	stall_end
	return "$status"
}

transfer_ssh() {
	local disk=$1 part=$2 input=${3:-}

	part=$(compressed "$part")
	input=${input:+$input | }
	show old "$input$(ssh_text old "$part") | $(meter "$disk") | $(to_new "$(receiver "$disk")")"
	$dry_run && return
	# Descriptor 6 is relayed to standard error, which is the meter's terminal.
	input=${input:+${input% | } 2>&6 | }
	run_pipe "$input$(ssh_text old "$(held old "$part")") 2>&6 | $(meter "$disk") | $(to_new "$(held new "$(receiver "$disk")")") 2>&6"
}

# stamped DISK PROGRAM [ARGUMENT ...]: print the command that makes the stream; over tcp, with the
# id that the receiver expects.  The last argument is what it reads; it need not warn that the disk of
# a running machine is written to, for the last pass sends what was torn.
stamped() {
	local disk=$1 program=$2

	shift 2
	! $in_use || [ "${!#}" != "${source[$disk]}" ] || set -- --live "$@"
	[ "$transport" = ssh ] || set -- --id "@$(id_file old "$disk")" "$@"
	quote "$program" "$@"
}

id_file() {
	printf '%s/%s.id\n' "$(state_of "$1")" "$2"
}

# receiver DISK: print the command at the end of the pipe.
receiver() {
	local words

	words=("$(program blkwrite)" --verify -v)

	[ "$transport" = ssh ] || words+=(--id "@$(id_file new "$1")")
	! reads_as_zeros "$1" || words+=(--zeroed)
	[[ -z $preallocate || ${target_kind[$1]} != @(file|qcow2) ]] || words+=(--preallocate)
	[ -z "${mapping[$1]:-}" ] || words+=(--map "$(map_path "$1")")
	sink_words "$1"
	quote "${words[@]}" "${sink_limit[@]}" "${sink_words[@]}"
}

# held HOST PART: print it so that it holds the lock: a later run waits until it has ended, or kills
# it.
held() {
	printf '{ exec 9<%s && flock -s 9 && %s; }' "$(quote "${lock[$1]}.work")" "$2"
}

# meter_is_far: whether the stream bypasses this host.
meter_is_far() {
	[ "$transport" = tcp ] && [ -n "${address[old]}" ]
}

# meter DISK: print the command of the meter, which draws on the terminal, or into the file for the
# disk's bar.
meter() {
	local words=(blkmeter -N "$1") end=''

	if $json; then
		words+=(--json)
	elif [ -n "$drawer" ]; then
		words=("COLUMNS=$(columns)" "${words[@]}" -f)
		end=" 2>$(quote "$private/$1.bar")"
		! meter_is_far || end=' 2>&3'
	elif [ ! -t 2 ]; then
		words+=(-q)
	elif meter_is_far; then
		words=("COLUMNS=$(columns)" "${words[@]}" -f)
	fi
	rate_words
	printf '%s%s\n' "$(quote "${words[@]}" "${rate_option[@]}")" "$end"
}

columns() {
	if [ -t 2 ] || [ -n "$screen" ]; then
		tput cols 2>/dev/null || echo 80
	else
		echo 100
	fi
}

# run_pipe TEXT: run a data pipe, given as text, in the background, so that bash acts on a signal at
# once.
run_pipe() {
	local status=0

	pipe_start "$1"
	wait "$pipe" || status=$?
	pipe=''
	# What it has said is shown before what is said of it.
	wait "$relayer" || true
	return "$status"
}

pipe='' listener='' relayer=''

# note_line: print the end of a pipe's text: 255 is the status of an ssh that lost its host.
note_line() {
	printf '\nstatus=$? each=" ${PIPESTATUS[*]} "\n[[ $each != *" 255 "* ]] || : >%s\nexit "$status"' \
		"$(quote "$private/line-broke")"
}

# pipe_start TEXT [DELIMITER]: what comes on descriptor 6 is relayed, and what its last program prints,
# which may be on another host.
pipe_start() {
	local said

	exec {said}> >(relay "${2:-}" >&2)
	relayer=$!
	bash -o pipefail -c "$1$(note_line)" </dev/null >&"$said" 6>&"$said" {said}>&- &
	pipe=$!
	exec {said}>&-
}

# end_pipe: after a signal, or a failure that makes the rest useless.  After a signal nothing that the
# programs say of broken pipes is news.
end_pipe() {
	local each

	[ -z "$signal" ] || [ -z "$relayer" ] || kill "$relayer" 2>/dev/null || true
	for each in $pipe $listener; do
		end_family "$each"
	done
	pipe='' listener=''
}
