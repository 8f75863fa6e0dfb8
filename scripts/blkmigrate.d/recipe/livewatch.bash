# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: GPL-3.0-or-later
#
# blkmigrate live: what is shown and seen to while libvirt moves the machine.

gave_up='' live_rate='' moved_at=0

# watch_live: until it has ended, show what libvirt tells, once a second, or once a minute
# where there is no terminal; and see to --bwlimit and --timeout.
watch_live() {
	local begun_at=$SECONDS said_at=$SECONDS

	gave_up='' live_rate=$rate
	until read -r -t 1 move_status <&"$moved_fd"; do
		follow_rate
		[ -z "$timeout" ] || [ $((SECONDS - begun_at)) -lt "$timeout" ] || end_in_time
		vm_ask -q old "$any_text" domjobinfo "$uuid" && [[ $answer =~ Operation:\ +Outgoing ]] || continue
		printf '%s\n' "$answer" >"$private/job"
		if $json || [ -t 2 ]; then
			show_job $((SECONDS - begun_at))
		elif [ $((SECONDS - said_at)) -ge "$log_interval" ]; then
			said_at=$SECONDS
			show_job $((SECONDS - begun_at))
		fi
	done
	moved_at=${EPOCHREALTIME/./}
	[[ $move_status =~ ^[0-9]{1,3}$ ]] || move_status=2
	$json || [ ! -t 2 ] || printf '\r\033[K' >&2
}

# show_job SECONDS: a line, or an object.
show_job() {
	local line

	line=$(awk -v name="$vm" -v json="$json" -v seconds="$1" -v width="$(columns)" "$job_line" "$private/job")
	make_shown "$line"
	if $json || [ ! -t 2 ]; then
		printf '%s\n' "$shown_text" >&2
	else
		printf '\r%s\033[K' "$shown_text" >&2
	fi
}

job_line='
BEGIN {
	split("B KiB MiB GiB TiB PiB EiB", units, " ")
	for (i in units)
		scale[units[i]] = 1024 ^ (i - 1)
}
function bytes() {
	return $(NF - 1) * scale[$NF]
}
function human(number,   i) {
	for (i = 1; number >= 1024 && i < 7; i++)
		number /= 1024
	return sprintf(i == 1 ? "%d %s" : "%.1f %s", number, units[i])
}
function text(string) {
	gsub(/[^ -~]/, "?", string)
	gsub(/[\\"]/, "\\\\&", string)
	return string
}
/^Data processed:/ { sent = bytes() }
/^File processed:/ { file = bytes() }
/^File total:/ { file_total = bytes() }
/^Memory processed:/ { memory = bytes(); moves = 1 }
/^Memory remaining:/ { memory_left = bytes() }
/^Memory total:/ { memory_total = bytes() }
/^Memory bandwidth:/ { sub(/\/s$/, ""); rate = bytes() }
/^Dirty rate:/ { dirty = $3 * 4096 }
/^Iteration:/ { iteration = $2 }
END {
	if (!rate && seconds > 0)
		rate = sent / seconds
	if (json == "true") {
		printf "{\"name\":\"%s\",\"state\":\"%s\",\"seconds\":%d,\"bytes\":%.0f,\"rate\":%.0f,\"disk_bytes\":%.0f,\"disk_total\":%.0f,\"memory_bytes\":%.0f,\"memory_left\":%.0f,\"memory_total\":%.0f,\"dirty_rate\":%.0f,\"pass\":%d}\n", \
			text(name), moves ? "memory" : "disks", seconds, sent, rate, file, file_total, memory, memory_left, memory_total, dirty, iteration
		exit
	}
	line = name ": " int(seconds / 60) sprintf(":%02d", seconds % 60)
	if (file_total)
		line = line sprintf("  disks %s of %s, %d%%", human(file), human(file_total), file * 100 / file_total)
	if (moves)
		line = line sprintf("  memory pass %d, %s left", iteration, human(memory_left))
	if (dirty)
		line = line sprintf(", written %s/s", human(dirty))
	line = line "  " human(rate) "/s"
	print substr(line, 1, width - 1)
}'

# follow_rate: a limit in a file may have changed.
follow_rate() {
	[[ $rate == @* ]] && find_rate || return 0
	[ "$parsed" != "$live_rate" ] || return 0
	[[ $live_rate == @* ]] || vm_act old migrate-setspeed "$uuid" "$(mebibytes "$parsed")" >/dev/null || return 0
	live_rate=$parsed
}

# end_in_time: it writes faster than the line is, say.
end_in_time() {
	timeout=''
	case $timeout_action in
	suspend)
		say "$vm: its time is up, and it is suspended while the rest is sent"
		vm_act old suspend "$uuid" >/dev/null || warn "$vm cannot be suspended"
		;;
	post-copy)
		say "$vm: its time is up, and it continues on $(name_of new), which fetches the rest of its memory"
		vm_act old migrate-postcopy "$uuid" >/dev/null || warn "libvirt does not begin with post-copy yet"
		;;
	*)
		gave_up="$vm could not be moved within the time of --timeout, and stays on $(name_of old): a higher --bwlimit, --auto-converge, --post-copy, or --timeout SECONDS,suspend, which ends it"
		vm_act old domjobabort "$uuid" >/dev/null || true
		;;
	esac
}
