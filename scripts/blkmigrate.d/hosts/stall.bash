# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# --stall-limit: a program of a data pipe that hangs, on either host: it was stopped, or its disk does
# not answer.  ssh finds a host that is gone, but not that: sshd there goes on to answer.  A program that
# waits for its input is no trouble: the one that should send it is looked at as well.

# In seconds; 0 is without an end.
stall_limit=300

# stuck: run on a host: print a line for each program of a pipe there that has a thread which is
# stopped or waits for a device: process, state, name, and how often its threads were run so far.  With
# a process and that number: end it, if it was not run since.  The programs are those that have an
# ancestor with the lock open.
stuck='
lock=$1 process=${2:-} number=${3:-}
declare -A parent=() name=()
for file in /proc/[0-9]*/stat; do
	read -r line <"$file" || continue
	each=${file#/proc/} each=${each%/stat}
	[[ $line =~ ^[0-9]+\ \((.*)\)\ [A-Za-z]\ ([0-9]+)\  ]] || continue
	name[$each]=${BASH_REMATCH[1]//[!A-Za-z0-9_.-]/_} parent[$each]=${BASH_REMATCH[2]}
done 2>/dev/null
is_held() {
	local one=$1

	while [ "${one:-0}" -gt 1 ]; do
		[ ! "/proc/$one/fd/9" -ef "$lock.work" ] || return 0
		one=${parent[$one]:-}
	done
	return 1
}
for each in "${!name[@]}"; do
	is_held "$each" || continue
	state="" runs=0
	for file in /proc/"$each"/task/*/status; do
		while read -r key value rest; do
			case $key,$value in
			State:,[TtD]) state=$value ;;
			*ctxt_switches:,*) runs=$((runs + value)) ;;
			esac
		done <"$file"
	done 2>/dev/null
	if [ -n "$process" ]; then
		[ "$each,$runs" != "$process,$number" ] || kill -KILL "$each"
	elif [ -n "$state" ]; then
		echo "$each $state ${name[$each]} $runs"
	fi
done
true'

# stall_begin: watch the programs of a transfer that begins, from a process of its own.
stall_watcher=''
stall_begin() {
	[ "$stall_limit" != 0 ] && ! $dry_run || return 0
	stall_watch "$BASHPID" &
	stall_watcher=$!
	watchers+=("$stall_watcher")
}

stall_end() {
	[ -n "$stall_watcher" ] || return 0
	kill "$stall_watcher" 2>/dev/null || true
	wait "$stall_watcher" 2>/dev/null || true
	unset 'watchers[-1]'
	stall_watcher=''
}

# stall_watch PROCESS: time is counted by looks, and so stands still while this program itself is stopped.
stall_watch() {
	local interval=$((stall_limit / 5)) host list line turns
	local -A looks=() before=()

	[ "$interval" -gt 0 ] || interval=1
	[ "$interval" -le 60 ] || interval=60
	while nap "$interval" && driver_lives; do
		before=() list=''
		for line in "${!looks[@]}"; do
			before[$line]=${looks[$line]}
		done
		looks=()
		for host in old new; do
			list=$(brief hushed on "$host" bash -c "$stuck" stuck "${lock[$host]}") || continue
			while IFS= read -r line; do
				[[ $line =~ ^[1-9][0-9]{0,9}\ [TtD]\ [A-Za-z0-9_.-]+\ [0-9]{1,18}$ ]] || continue
				turns=${before["$host $line"]:--1}
				turns=$((turns + 1))
				looks["$host $line"]=$turns
				[ $((turns * interval)) -lt "$stall_limit" ] || end_stuck "$1" "$host $line"
			done <<<"$list"
		done
	done
}

# end_stuck PROCESS "HOST PROCESS STATE NAME RUNS": the pipe ends with it; what cannot be ended waits in
# the kernel, so the process here that waits for the pipe ends.
end_stuck() {
	local host process state name runs what="is stopped" list

	read -r host process state name runs <<<"$2"
	[ "$state" != D ] || what="waits for a device that does not answer"
	line_broke
	warn "$(name_of "$host"): $name (process $process) $what, for $stall_limit seconds now; it is ended (--stall-limit)"
	guarded "$host" bash -c "$stuck" stuck "${lock[$host]}" "$process" "$runs" || true
	nap 5
	list=$(brief hushed on "$host" bash -c "$stuck" stuck "${lock[$host]}") || list=''
	[[ $'\n'$list != *$'\n'"$process $state "* ]] || kill -TERM "$1"
}
