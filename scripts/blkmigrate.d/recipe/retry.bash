# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# --retry: where the line to a host breaks while disks are copied, the same command goes on.  All that is
# to be known for that is kept on the hosts; so this program ends as it always does, and then starts
# anew, as the same process, with the same arguments.

# Seconds before the first try, three times as many before each further one, and the longest.
retries=3 retry_wait=10 retry_longest=600

# How often this command has been tried before; where there is something to go on with, resumable is true.
resumable=false tries=0
if [[ ${BLKMIGRATE_TRIES:-} =~ ^[1-9][0-9]{0,3}$ ]]; then
	tries=$BLKMIGRATE_TRIES resumable=true changed=true
fi
unset BLKMIGRATE_TRIES

# worth_retry STATUS: asked before what is kept of this run is removed.
worth_retry() {
	[[ $1 != @(0|"$refused"|"$wrong_usage") ]] && [ "$1" -lt 128 ] && $resumable && ! $cutting && ! $dry_run && [ "$tries" -lt "$retries" ] &&
		[[ $command == @(run|sync|copy) ]] && [ -n "$private" ] && [ -e "$private/line-broke" ]
}

# try_again: does not return.
try_again() {
	local seconds=$((retry_wait * 3 ** (tries < 10 ? tries : 10)))

	[ "$seconds" -le "$retry_longest" ] || seconds=$((retry_wait > retry_longest ? retry_wait : retry_longest))
	tries=$((tries + 1))
	warn "the connection broke; the same command goes on in $seconds seconds (try $tries of $retries)"
	nap "$seconds"
	trap - EXIT
	exec {silence}>&-
	[ -z "$result" ] || exec 1>&"$result" {result}>&-
	export BLKMIGRATE_TRIES=$tries
	exec "$BASH" "$0" "${typed[@]}"
}
