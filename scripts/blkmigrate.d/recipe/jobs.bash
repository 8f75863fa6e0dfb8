# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Several disks at a time: each has a process of its own, and all share one rate limit and one
# screen.  A variable that such a process sets is lost with it, so all state that matters is kept on
# the hosts.

jobs=2
# workers[PID] is the disk that the process works on.
declare -A workers=()
drawer='' sharing=false

# each_disk COMMAND DISK ...: run COMMAND DISK for each, --jobs of them at a time; when it returns,
# each target has all that the command sends.  A failure of one ends the others and this program.
each_disk() {
	local work=$1 disk

	shift
	if $dry_run; then
		for disk; do
			"$work" "$disk"
		done
		return
	fi
	[ $# -eq 0 ] || changed=true
	[ $# -le 1 ] || [ "$jobs" = 1 ] || sharing=true
	screen_begin "$@"
	for disk; do
		while [ ${#workers[@]} -ge "$jobs" ] || shares_target "$disk"; do
			worker_end
		done
		worker_begin "$work" "$disk"
	done
	while [ ${#workers[@]} -gt 0 ]; do
		worker_end
	done
	screen_end
	sharing=false
}

# shares_target DISK: a worker writes to the same target, of which only one at a time can have the lock.
shares_target() {
	local each

	[ -n "${within[$1]:-}" ] || return
	for each in "${workers[@]}"; do
		[ "${within[$each]:-}" != "${within[$1]}" ] || return 0
	done
	return 1
}

worker_begin() {
	share_rate $((${#workers[@]} + 1))
	(
		# The watchers of other disks go on.
		watchers=()
		trap worker_stop EXIT
		trap 'take_signal TERM' TERM
		[ -z "$screen" ] || exec 2>"$screen"
		"$@"
	) &
	workers[$!]=$2
	event disk disk "$2" state begin
}

worker_stop() {
	end_pipe
	[ ${#watchers[@]} -eq 0 ] || kill "${watchers[@]}" 2>/dev/null || true
}

# worker_end: wait for one.
worker_end() {
	local ended='' status=0 disk

	wait -n -p ended "${!workers[@]}" || status=$?
	disk=${workers[$ended]}
	unset "workers[$ended]"
	if [ "$status" != 0 ]; then
		event disk disk "$disk" state failed
		disk=${workers[*]}
		end_workers
		[ -z "$disk" ] || warn "the copy of $disk was ended as well"
		exit 2
	fi
	event disk disk "$disk" state "done"
	unset "made[$disk]"
	rm -f "$private/$disk.bar"
	share_rate "${#workers[@]}"
}

# end_workers: stop them early.
end_workers() {
	if [ ${#workers[@]} -gt 0 ]; then
		kill "${!workers[@]}" 2>/dev/null || true
		wait "${!workers[@]}" 2>/dev/null || true
		workers=()
	fi
	screen_end
}

# --- the screen -------------------------------------------------------------------

# The meters of several disks draw into files.  On a terminal they become lines at the bottom, below
# all other messages, which come through a pipe; in a log each disk gets a line from time to time.
screen='' log_interval=60

screen_begin() {
	$json && return
	rm -f "$private"/*.bar
	if [ -t 2 ] && $sharing; then
		screen=$private/screen
		[ -p "$screen" ] || mkfifo "$screen"
		draw "$@" <>"$screen" &
		drawer=$!
	elif [ ! -t 2 ]; then
		log_bars "$@" &
		drawer=$!
	fi
}

screen_end() {
	[ -n "$drawer" ] || return 0
	if [ -n "$screen" ]; then
		echo end-of-screen >"$screen"
	else
		pkill -P "$drawer" 2>/dev/null || true
		kill "$drawer" 2>/dev/null || true
	fi
	wait "$drawer" 2>/dev/null || true
	drawer='' screen=''
}

# bar DISK: print its progress; false if it has not begun.
bar() {
	tail -c 1000 "$private/$1.bar" 2>/dev/null | tr '\r' '\n' | sed 's/ *$//' | grep . | tail -n 1
}

draw() {
	local line='' disk drawn=0 status

	trap '' INT
	while driver_lives; do
		status=0
		IFS= read -r -t 1 line || status=$?
		[ "$drawn" = 0 ] || printf '\033[%dA\033[J' "$drawn"
		drawn=0
		[ "$line" != end-of-screen ] || return 0
		make_shown "$line"
		[ "$status" != 0 ] || printf '%s\n' "$shown_text"
		for disk; do
			line=$(bar "$disk") || continue
			make_shown "$line"
			printf '%s\n' "$shown_text"
			drawn=$((drawn + 1))
		done
	done >&2
}

log_bars() {
	local disk line

	while sleep "$log_interval" && driver_lives; do
		for disk; do
			line=$(bar "$disk") || continue
			make_shown "$line"
			printf '%s\n' "$shown_text"
		done
	done >&2 2>/dev/null
}
